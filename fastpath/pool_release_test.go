//go:build !discv5debug

package fastpath

import (
	"testing"
	"unsafe"
)

// Without the tag the checks cost neither memory nor time, and a pool never
// hands out more buffers than it has.
func TestPoolChecksAreOff(t *testing.T) {
	if n := unsafe.Sizeof(bufferState{}); n != 0 {
		t.Errorf("bufferState takes %d bytes", n)
	}
	p := NewPool(1, 64)
	b := p.Get()
	b.Release()
	b.Release()
	if s := p.Stats(); s.Free != 1 {
		t.Errorf("%+v", s)
	}
}
