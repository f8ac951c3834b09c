//go:build !linux

package fastpath

func newSegmenter(Conn) (segmenter, string) { return nil, "UDP_SEGMENT is for Linux" }
