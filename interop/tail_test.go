package interop

import "sync"

// tailLimit is the size of the kept end of a process's log, for failure reports.
const tailLimit = 32 << 10

// tail is an io.Writer that keeps the last tailLimit bytes. The end of a log explains a failure,
// and a chatty process must not fill memory.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailLimit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
		t.cut = true
	}
	return len(p), nil
}

// String returns the kept bytes, with a mark if earlier ones were dropped.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.buf) == 0:
		return "(empty)"
	case t.cut:
		return "[...]" + string(t.buf)
	}
	return string(t.buf)
}
