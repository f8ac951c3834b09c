//go:build discv5debug

package engine

import "fmt"

// poison fills the buffer of a released task. No packet begins with it, and it is easy to
// recognize in a dump.
const poison = 0xDB

// taskState checks that nobody uses a task after its release. The lock of the queue is held.
type taskState struct{ free bool }

// reserved panics if the buffer was written to after the release.
func (s *taskState) reserved(t *task) {
	for i, v := range t.buf {
		if v != poison {
			panic(fmt.Sprintf("discv5: task was written to after its release: byte %d is %#02x", i, v))
		}
	}
	s.free = false
}

// released panics if the task was released before, and poisons its buffer.
func (s *taskState) released(t *task) {
	if s.free {
		panic("discv5: task was released twice")
	}
	s.free = true
	for i := range t.buf {
		t.buf[i] = poison
	}
}
