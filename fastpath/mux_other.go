//go:build !linux

package fastpath

func newFastMux([]Conn, int, int) (mux, string, error) { return nil, "epoll is for Linux", nil }
