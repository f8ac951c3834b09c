//go:build discv5debug

package fastpath

import (
	"fmt"
	"strings"
	"testing"
)

func TestPoolMisuse(t *testing.T) {
	for _, c := range []struct {
		name, want string
		misuse     func(p *Pool)
	}{
		{"release twice", "pool buffer 0 was released twice", func(p *Pool) {
			b := p.Get()
			b.Release()
			b.Release()
		}},
		{"write after release", "pool buffer 0 was written to after its release: byte 9", func(p *Pool) {
			b := p.Get()
			m := b.B
			b.Release()
			m[9] = 1
			p.Get()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if msg := fmt.Sprint(recover()); !strings.Contains(msg, c.want) {
					t.Errorf("panic %q, want %q", msg, c.want)
				}
			}()
			c.misuse(NewPool(2, 64))
		})
	}
}

// Who reads a buffer after its release sees poison, not the next datagram.
func TestPoolPoison(t *testing.T) {
	p := NewPool(1, 64)
	b := p.Get()
	m := b.B
	copy(m, "secret")
	b.Release()
	for i, v := range m {
		if v != poison {
			t.Fatalf("byte %d is %#x", i, v)
		}
	}
}
