//go:build discv5debug

package fastpath

import "fmt"

// poison fills released buffers. It is no valid start of anything, and easy to
// recognize in a dump.
const poison = 0xDB

// bufferState is the life of a buffer, checked at both ends. released runs
// under the lock of the pool; taken runs while nobody else has the buffer.
type bufferState struct {
	free bool
}

// taken checks that nobody wrote to the buffer since its release.
func (s *bufferState) taken(b *Buffer) {
	for i, v := range b.mem {
		if v != poison {
			panic(fmt.Sprintf("fastpath: pool buffer %d was written to after its release: byte %d is %#02x", b.index, i, v))
		}
	}
	s.free = false
}

// released checks that the buffer was in use, and poisons it.
func (s *bufferState) released(b *Buffer) {
	if s.free {
		panic(fmt.Sprintf("fastpath: pool buffer %d was released twice", b.index))
	}
	s.free = true
	m := b.mem
	for i := range m {
		m[i] = poison
	}
}
