package filter

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
)

// endpoint is an IP address in 16 bytes, IPv4 mapped, a port in network order, and two bytes 0: a
// key of the kernel's tables.
type endpoint [20]byte

func endpointOf(a netip.AddrPort) (e endpoint) {
	ip := a.Addr().As16()
	copy(e[:], ip[:])
	binary.BigEndian.PutUint16(e[16:], a.Port())
	return e
}

// table is the kernel's table of held endpoints.
type table interface {
	// add and remove change entries. add returns the keys that have not been added.
	add(keys []endpoint) (failed []endpoint)
	remove(keys []endpoint)
}

// peers counts how often each endpoint is held, and keeps the kernel's table in step.
type peers struct {
	off    atomic.Bool // nothing is held
	queued atomic.Int64
	missed atomic.Uint64

	// flushMu is held while changes are on their way to the kernel. A Flush that finds changes of
	// others on their way waits for them.
	flushMu sync.Mutex
	table   table

	mu      sync.Mutex // for a few instructions only
	held    map[endpoint]peer
	changed []endpoint
	kernel  int // entries of the table
}

// peer is the state of an endpoint.
type peer struct {
	count  uint32 // how often it is held
	inside bool   // the kernel has it, or is being told
	queued bool   // in changed
}

func (p *peers) init(t table) {
	p.table, p.held = t, make(map[endpoint]peer)
}

func (p *peers) hold(a netip.AddrPort) {
	if p.off.Load() {
		return
	}
	k := endpointOf(a)
	p.mu.Lock()
	s := p.held[k]
	if s.count++; s.count == 1 {
		p.queue(k, &s)
	}
	p.held[k] = s
	p.mu.Unlock()
}

func (p *peers) release(a netip.AddrPort) {
	if p.off.Load() {
		return
	}
	k := endpointOf(a)
	p.mu.Lock()
	if s, ok := p.held[k]; ok && s.count > 0 {
		if s.count--; s.count == 0 {
			p.queue(k, &s)
		}
		p.held[k] = s
	}
	p.mu.Unlock()
}

// queue is called with mu held.
func (p *peers) queue(k endpoint, s *peer) {
	if !s.queued {
		s.queued = true
		p.changed = append(p.changed, k)
		p.queued.Add(1)
	}
}

func (p *peers) flush() {
	if p.queued.Load() == 0 {
		return
	}
	p.flushMu.Lock()
	defer p.flushMu.Unlock()
	var add, remove []endpoint
	p.mu.Lock()
	changed := p.changed
	p.changed = nil
	for _, k := range changed {
		s := p.held[k]
		s.queued = false
		switch {
		case s.count > 0 && !s.inside:
			s.inside = true
			add = append(add, k)
		case s.count == 0 && s.inside:
			remove = append(remove, k)
		}
		if s.count == 0 {
			delete(p.held, k)
		} else {
			p.held[k] = s
		}
	}
	p.mu.Unlock()
	if len(remove) > 0 { // first, to make room
		p.table.remove(remove)
	}
	failed := p.table.add(add)
	p.missed.Add(uint64(len(failed)))
	p.mu.Lock()
	p.kernel += len(add) - len(failed) - len(remove)
	for _, k := range failed {
		if s, ok := p.held[k]; ok {
			s.inside = false
			p.held[k] = s
		}
	}
	p.mu.Unlock()
	p.queued.Add(-int64(len(changed)))
}

// size returns the number of entries in the kernel's table.
func (p *peers) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel
}
