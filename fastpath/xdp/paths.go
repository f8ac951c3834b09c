package xdp

import (
	"fmt"
	"net/netip"
	"time"
)

// maxProven bounds the neighbors whose return path is proven.
const maxProven = 256

// distrust is for how long a neighbor is not used after a check has failed.
const distrust = time.Minute

// provenPaths are the neighbors through which the kernel too sends to the peers behind them. It
// does not change once it is published.
type provenPaths struct {
	first uint64 // a host behind a router has one neighbor
	all   map[uint64]bool
}

// proven reports whether answers to requests from a neighbor may leave the way they came.
func (p *provenPaths) proven(mac uint64) bool {
	return p.first == mac && mac != 0 || len(p.all) > 1 && p.all[mac]
}

// path is how a request came, for a check.
type path struct {
	peer, local netip.Addr
	sender      uint64
}

// maxSuspects bounds the paths that wait for their first check, in each queue.
const maxSuspects = 16

// samples are paths to check, which a Conn collects.
type samples struct {
	last     path // of a batch, whether or not it is proven
	suspects [maxSuspects]path
	n        int // of suspects
}

func (s *samples) add(o *origin) { s.last = path{o.from.Addr(), o.to.Addr(), o.sender} }

// suspect notes a path that is not proven, once for each neighbor.
func (s *samples) suspect(o *origin) {
	if s.n == maxSuspects {
		return
	}
	for i := range s.suspects[:s.n] {
		if s.suspects[i].sender == o.sender {
			return
		}
	}
	s.suspects[s.n] = path{o.from.Addr(), o.to.Addr(), o.sender}
	s.n++
}

// verdict is the result of a check.
type verdict int

const (
	verdictUnknown verdict = iota // the kernel does not know the neighbor yet
	verdictSame
	verdictOther
)

// routes is what a check asks the kernel.
type routes interface {
	// NextHop returns the interface and the neighbor through which packets leave.
	NextHop(from, to netip.Addr) (index int, via netip.Addr, ok bool)
	// Neighbor returns the Ethernet address of a neighbor.
	Neighbor(index int, a netip.Addr) (mac [6]byte, ok bool)
}

// checkPath compares the way of a request with the one that the kernel would take for the answer.
func checkPath(r routes, index int, p path) (verdict, string) {
	out, via, ok := r.NextHop(p.local, p.peer)
	switch {
	case !ok:
		return verdictUnknown, "there is no route to a peer"
	case out != index:
		return verdictOther, "the route to a peer leaves by another interface"
	}
	m, ok := r.Neighbor(index, via)
	if !ok {
		return verdictUnknown, "the neighbor is not known yet"
	}
	if mac := macOf(m[:]); mac != p.sender {
		return verdictOther, fmt.Sprintf("packets of a peer come from the neighbor %s, and the route to it leaves by %s", formatMAC(p.sender), formatMAC(mac))
	}
	return verdictSame, ""
}

func formatMAC(m uint64) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", byte(m>>40), byte(m>>32), byte(m>>24), byte(m>>16), byte(m>>8), byte(m))
}

// pathTable keeps the results of checks. It belongs to one goroutine.
type pathTable struct {
	proven map[uint64]time.Time // when a path through the neighbor was checked last
	bad    map[uint64]time.Time // until when
	reason string               // of the last bad one
}

func newPathTable() *pathTable {
	return &pathTable{make(map[uint64]time.Time), make(map[uint64]time.Time), ""}
}

// note takes the result of a check, and reports whether the proven neighbors have changed.
func (t *pathTable) note(mac uint64, v verdict, why string, now time.Time) (changed bool) {
	_, had := t.proven[mac]
	switch v {
	case verdictOther:
		if len(t.bad) < maxProven || !t.bad[mac].IsZero() {
			t.bad[mac] = now.Add(distrust)
		}
		t.reason = why
		delete(t.proven, mac)
		return had
	case verdictSame:
		if until, bad := t.bad[mac]; bad && now.Before(until) {
			return false
		}
		delete(t.bad, mac)
		if !had && len(t.proven) >= maxProven {
			return false
		}
		t.proven[mac] = now
		return !had
	}
	return false
}

// why returns why answers leave through the sockets of the system, empty if some neighbor is
// proven and none is bad.
func (t *pathTable) why(now time.Time) string {
	for mac, until := range t.bad {
		if now.After(until) {
			delete(t.bad, mac)
		}
	}
	switch {
	case len(t.bad) > 0:
		return t.reason
	case len(t.proven) == 0:
		return "no return path is proven yet"
	}
	return ""
}

// publish returns the proven neighbors.
func (t *pathTable) publish() *provenPaths {
	p := &provenPaths{all: make(map[uint64]bool, len(t.proven))}
	newest := time.Time{}
	for mac, at := range t.proven {
		p.all[mac] = true
		if at.After(newest) {
			newest, p.first = at, mac
		}
	}
	return p
}
