package filter

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
)

// fakeTable is a table of some capacity in memory.
type fakeTable struct {
	mu   sync.Mutex
	room int
	keys map[endpoint]bool
	odd  int // keys added twice or removed without an entry
}

func (f *fakeTable) add(keys []endpoint) (failed []endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		switch {
		case f.keys[k]:
			f.odd++
		case len(f.keys) == f.room:
			failed = append(failed, k)
		default:
			f.keys[k] = true
		}
	}
	return failed
}

func (f *fakeTable) remove(keys []endpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		if !f.keys[k] {
			f.odd++
		}
		delete(f.keys, k)
	}
}

func newPeers(room int) (*peers, *fakeTable) {
	p, f := new(peers), &fakeTable{room: room, keys: make(map[endpoint]bool)}
	p.init(f)
	return p, f
}

func peerAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{50, 0, byte(i >> 8), byte(i)}), 9000)
}

// TestPeers: an endpoint is in the table as long as it was held more often than released, and one
// that found no room is counted.
func TestPeers(t *testing.T) {
	p, f := newPeers(2)
	a, b, c := peerAddr(1), peerAddr(2), peerAddr(3)
	step := func(what string, want ...netip.AddrPort) {
		t.Helper()
		p.flush()
		if len(f.keys) != len(want) || p.size() != len(want) || f.odd > 0 {
			t.Errorf("%s: %d entries, size %d, want %d; %d odd changes", what, len(f.keys), p.size(), len(want), f.odd)
		}
		for _, w := range want {
			if !f.keys[endpointOf(w)] {
				t.Errorf("%s: %v is missing", what, w)
			}
		}
	}
	step("nothing")
	p.hold(a)
	if len(f.keys) != 0 {
		t.Error("an entry before flush")
	}
	step("held", a)
	p.hold(a)
	p.release(a)
	step("held twice, released once", a)
	p.release(a)
	p.hold(a)
	step("released and held", a)
	p.hold(b)
	p.release(b)
	step("held and released", a)
	p.hold(b)
	p.hold(c)
	p.flush()
	if p.missed.Load() != 1 || len(f.keys) != 2 {
		t.Errorf("full table: %d missed, %d entries", p.missed.Load(), len(f.keys))
	}
	p.release(c)
	p.release(c) // once too often
	p.release(a)
	p.release(b)
	step("all released")
	if len(p.held) != 0 || p.queued.Load() != 0 {
		t.Errorf("%d endpoints and %d changes are remembered", len(p.held), p.queued.Load())
	}
	p.hold(netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port()))
	step("IPv4 mapped", a)
}

// TestPeersConcurrent: what a goroutine has held is in the table when its flush returns, whoever
// tells the kernel.
func TestPeersConcurrent(t *testing.T) {
	const workers, rounds = 8, 500
	p, f := newPeers(1 << 20)
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				own, shared := peerAddr(1000+w*rounds+i), peerAddr(i%7)
				p.hold(own)
				p.hold(shared)
				p.flush()
				f.mu.Lock()
				ok := f.keys[endpointOf(own)] && f.keys[endpointOf(shared)]
				f.mu.Unlock()
				if !ok {
					errs <- fmt.Errorf("round %d: a held endpoint is not in the table", i)
					return
				}
				p.release(own)
				p.release(shared)
			}
		})
	}
	wg.Wait()
	p.flush()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if len(f.keys) != 0 || len(p.held) != 0 || f.odd > 0 {
		t.Errorf("%d entries and %d endpoints are left, %d odd changes", len(f.keys), len(p.held), f.odd)
	}
}
