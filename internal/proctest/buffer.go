package proctest

import (
	"bytes"
	"strings"
	"sync"
)

// Buffer is a bytes.Buffer that may be written to and read at the same time.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns everything that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Len returns the number of bytes that were written.
func (b *Buffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Len()
}

// Lines counts the lines that hold all of the texts.
func (b *Buffer) Lines(texts ...string) (n int) {
next:
	for line := range strings.Lines(b.String()) {
		for _, s := range texts {
			if !strings.Contains(line, s) {
				continue next
			}
		}
		n++
	}
	return n
}
