package simnet

import (
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/engine"
)

// buffers are the engine.Buffers of all nodes of a network. As one handshake is worked on after
// another there are few, and what was used last is used next.
type buffers struct{ free []*buffer }

type buffer struct {
	pool *buffers
	b    [codec.MaxPacketSize]byte
}

// Get implements engine.Buffers. How many a node may hold is bounded by its queue of jobs.
func (p *buffers) Get() engine.Buffer {
	k := len(p.free)
	if k == 0 {
		return &buffer{pool: p}
	}
	b := p.free[k-1]
	p.free = p.free[:k-1]
	return b
}

// Bytes implements engine.Buffer.
func (b *buffer) Bytes() []byte { return b.b[:] }

// Release implements engine.Buffer.
func (b *buffer) Release() { b.pool.free = append(b.pool.free, b) }
