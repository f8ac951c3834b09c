package budget

import (
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// ProofLife is how long an answer proves an endpoint. It is longer than the longest pause
	// between two liveness checks, so a node in use never loses its proof.
	ProofLife = 8 * time.Minute
	// failuresAllowed is the number of consecutive unanswered requests before an endpoint loses its
	// proof, because a single packet may be lost.
	failuresAllowed = 1

	proofWays = 8 // entries of a set: one cache line
	// proofSpare is the number of entries per configured proof. With a quarter of the entries in
	// use, two full sets are very unlikely.
	proofSpare = 4
	// minProofs and maxProofs bound the entries, of 8 bytes each.
	minProofs, maxProofs = 1024, 1 << 20
)

// proofs stores which endpoints have answered. The packet path reads it without a lock: an entry is
// one word. If two calls race for an entry, one proof is lost, and a probe restores it.
//
//	63      32 31   30 29                      0
//	[ tag    ] [fails] [ seconds since start + 1]
type proofs struct {
	sets [][proofWays]atomic.Uint64
	mask uint64
}

const (
	secondsMask = 1<<30 - 1
	failShift   = 30
	failMask    = 3 << failShift
	tagMask     = ^uint64(1<<32 - 1)
)

func newProofs(held int) proofs {
	entries := min(max(proofSpare*held, minProofs), maxProofs)
	sets := 1 << bits.Len(uint(entries/proofWays-1))
	return proofs{sets: make([][proofWays]atomic.Uint64, sets), mask: uint64(sets - 1)}
}

func seconds(now time.Duration) uint64 { return (uint64(now/time.Second) + 1) & secondsMask }

// pair returns the two sets that may contain the entry of hash h. The entry is in the second one
// only if the first one was full, so a lookup mostly reads one cache line.
func (p *proofs) pair(h uint64) [2]*[proofWays]atomic.Uint64 {
	first := h & p.mask
	return [2]*[proofWays]atomic.Uint64{&p.sets[first], &p.sets[(first+(h>>40|1))&p.mask]}
}

// find returns the entry of the hash h and its value, or nil.
func (p *proofs) find(h uint64) (*atomic.Uint64, uint64) {
	for _, set := range p.pair(h) {
		for i := range set {
			if v := set[i].Load(); v != 0 && v&tagMask == h&tagMask {
				return &set[i], v
			}
		}
	}
	return nil, 0
}

// victim returns the entry to overwrite for hash h: an expired one, or the oldest one.
func (p *proofs) victim(now time.Duration, h uint64) (oldest *atomic.Uint64) {
	var since time.Duration
	for _, set := range p.pair(h) {
		for i := range set {
			v := set[i].Load()
			if v == 0 || age(now, v) >= ProofLife {
				return &set[i]
			}
			if a := age(now, v); oldest == nil || a > since {
				oldest, since = &set[i], a
			}
		}
	}
	return oldest
}

func age(now time.Duration, v uint64) time.Duration {
	return now - time.Duration(v&secondsMask-1)*time.Second
}

func (p *proofs) add(now time.Duration, h uint64) {
	fresh := h&tagMask | seconds(now)
	at, v := p.find(h)
	if at == nil {
		at = p.victim(now, h)
	}
	if v != fresh {
		at.Store(fresh)
	}
}

func (p *proofs) holds(now time.Duration, h uint64) bool {
	_, v := p.find(h)
	return v != 0 && age(now, v) < ProofLife
}

func (p *proofs) fail(h uint64) {
	at, v := p.find(h)
	if at == nil {
		return
	}
	next := v + 1<<failShift
	if v&failMask>>failShift >= failuresAllowed {
		next = 0
	}
	at.CompareAndSwap(v, next) // keep a proof that came meanwhile
}

// Prove records that an endpoint has answered this node. It neither blocks nor allocates.
func (b *Budget) Prove(now time.Duration, at netip.AddrPort) { b.proofs.add(now, b.hash(at)) }

// Proven reports whether an endpoint has answered within ProofLife, and has not missed two
// consecutive requests since. It neither blocks nor allocates.
func (b *Budget) Proven(now time.Duration, at netip.AddrPort) bool {
	return b.proofs.holds(now, b.hash(at))
}

// Failed records an unanswered request. The second consecutive one ends the endpoint's proof.
func (b *Budget) Failed(at netip.AddrPort) { b.proofs.fail(b.hash(at)) }
