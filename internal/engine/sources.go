package engine

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/table"
)

// Asking a node and relaying it are different things. The table holds nodes that may be relayed,
// and its rules are strict. Responders are nodes that have answered this node and are not in the
// table: a bootnode whose record names another address, a node that the table filter refuses, or
// one for which there is no room. Lookups start from them too, but they are never relayed.

const (
	// maxResponders bounds the responders, maxResponderSite those of one /24 or /48, and
	// maxResponderWide those of one /16 or /32.
	maxResponders    = 64
	maxResponderSite = 4
	maxResponderWide = 8
	// responderFails is the number of requests in a row that a responder may leave unanswered.
	responderFails = 3
)

type responder struct {
	peer  Peer
	at    time.Duration // of the last response
	fails int
}

// responders is a bounded set, safe for concurrent use.
type responders struct {
	mu   sync.Mutex
	list []responder
}

// answered notes that p has answered at its address. It reports whether p is new.
func (rs *responders) answered(now time.Duration, p Peer) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i := range rs.list {
		r := &rs.list[i]
		if r.peer.ID != p.ID {
			continue
		}
		if p.Record == nil && p.Addr == r.peer.Addr {
			p.Record = r.peer.Record
		}
		moved := p.Addr != r.peer.Addr
		*r = responder{peer: p, at: now}
		if moved {
			rs.limit(p.Addr.Addr())
		}
		return
	}
	rs.list = append(rs.list, responder{peer: p, at: now})
	rs.limit(p.Addr.Addr())
}

// limit drops one responder if there are too many after one has moved to addr: the oldest of its
// site, of its wide prefix, or of all.
func (rs *responders) limit(addr netip.Addr) {
	site, wide, public := netaddr.Site(addr), netaddr.Wide(addr), table.Class(addr) == table.Global
	for _, c := range [...]struct {
		max int
		in  func(netip.Addr) bool
	}{
		{maxResponderSite, func(a netip.Addr) bool { return public && netaddr.Site(a) == site }},
		{maxResponderWide, func(a netip.Addr) bool { return public && netaddr.Wide(a) == wide }},
		{maxResponders, func(netip.Addr) bool { return true }},
	} {
		n, oldest := 0, -1
		for i := range rs.list {
			if r := &rs.list[i]; c.in(r.peer.Addr.Addr()) {
				if n++; oldest < 0 || r.at < rs.list[oldest].at {
					oldest = i
				}
			}
		}
		if n > c.max {
			rs.list = slices.Delete(rs.list, oldest, oldest+1)
			return
		}
	}
}

// failed notes that a node did not answer at an address.
func (rs *responders) failed(id enr.ID, at netip.AddrPort) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i := range rs.list {
		if r := &rs.list[i]; r.peer.ID == id && r.peer.Addr == at {
			if r.fails++; r.fails >= responderFails {
				rs.list = slices.Delete(rs.list, i, i+1)
			}
			return
		}
	}
}

// remove forgets a node that has entered the table.
func (rs *responders) remove(id enr.ID) {
	rs.removeFunc(func(p Peer) bool { return p.ID == id })
}

// removeFunc forgets the nodes for which del returns true.
func (rs *responders) removeFunc(del func(Peer) bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.list = slices.DeleteFunc(rs.list, func(r responder) bool { return del(r.peer) })
}

// setRecord keeps a record that a responder has sent of itself.
func (rs *responders) setRecord(r *enr.Record) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i := range rs.list {
		if p := &rs.list[i].peer; p.ID == r.ID() {
			p.Record = r
		}
	}
}

func (rs *responders) peers() []Peer {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	list := make([]Peer, len(rs.list))
	for i := range rs.list {
		list[i] = rs.list[i].peer
	}
	return list
}

// sources returns the nodes from which a lookup of target starts: the closest nodes of the table,
// the responders, and the bootnodes that have answered recently. If these are few, the other
// bootnodes and recently removed nodes follow.
func (e *Engine) sources(now time.Duration, target enr.ID) (seeds []Peer) {
	near := e.table.Closest(target, maxNodes, nil)
	responders := e.responders.peers()
	seeds = make([]Peer, 0, len(near)+len(responders))
	seen := make(map[enr.ID]bool, len(near)+len(responders))
	for i := range near {
		seen[near[i].ID] = true
		seeds = append(seeds, lookup.NewPeer(near[i].Record, near[i].Addr))
	}
	add := func(list []Peer) {
		for _, p := range list {
			if p.ID == e.self || seen[p.ID] {
				continue
			}
			seen[p.ID] = true
			seeds = append(seeds, p)
		}
	}
	add(responders)
	bootnodes := *e.maintain.bootnodes.Load()
	for _, b := range bootnodes {
		if e.budget.Proven(now, b.Addr) {
			add([]Peer{b})
		}
	}
	if len(seeds) < fewNodes {
		add(bootnodes)
		add(e.formerNodes())
	}
	return seeds
}

// BootnodeState reports how contacts with a bootnode went. It shows why a node finds nobody.
type BootnodeState struct {
	Peer Peer
	// Answered and Failed count the contacts. A bootnode is contacted while few nodes are known.
	Answered, Failed uint64
	// At is the end of the last contact, on the engine's clock, and Err its error, nil if the
	// bootnode answered.
	At  time.Duration
	Err error
}

// bootnodeStates holds the states of the current bootnodes.
type bootnodeStates struct {
	mu   sync.Mutex
	list map[bootnodeKey]*BootnodeState
}

type bootnodeKey struct {
	id   enr.ID
	addr netip.AddrPort
}

// set replaces the bootnodes. Bootnodes that stay keep their states.
func (b *bootnodeStates) set(peers []Peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make(map[bootnodeKey]*BootnodeState, len(peers))
	for _, p := range peers {
		k := bootnodeKey{p.ID, p.Addr}
		if list[k] = b.list[k]; list[k] == nil {
			list[k] = &BootnodeState{}
		}
		list[k].Peer = p
	}
	b.list = list
}

// note counts a contact. It reports false for a node that is not a bootnode.
func (b *bootnodeStates) note(now time.Duration, p Peer, err error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.list[bootnodeKey{p.ID, p.Addr}]
	if s == nil {
		return false
	}
	if s.At, s.Err = now, err; err == nil {
		s.Answered++
	} else {
		s.Failed++
	}
	return true
}

// Bootnodes returns the states of the bootnodes in the order of SetBootnodes.
func (e *Engine) Bootnodes() []BootnodeState {
	peers := *e.maintain.bootnodes.Load()
	b := &e.maintain.states
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]BootnodeState, 0, len(peers))
	for _, p := range peers {
		if s := b.list[bootnodeKey{p.ID, p.Addr}]; s != nil {
			list = append(list, *s)
		}
	}
	return list
}

// SetBootnodes replaces the bootnodes, which are contacted while few nodes are known. Call
// Bootstrap to contact them now.
func (e *Engine) SetBootnodes(list []Peer) {
	e.maintain.states.set(list)
	e.maintain.bootnodes.Store(&list)
	e.setAnchors(list)
}

// noteBootnode wraps done to count the contact with a bootnode.
func (w *Worker) noteBootnode(p Peer, done func(*Worker, Result)) func(*Worker, Result) {
	return func(w *Worker, r Result) {
		if !errors.Is(r.Err, ErrClosed) && w.e.maintain.states.note(w.now, p, r.Err) {
			if r.Err == nil {
				w.counts[BootnodesAnswered]++
			} else {
				w.counts[BootnodesFailed]++
				w.e.event(Event{Kind: BootnodeFailed, ID: p.ID, Addr: p.Addr, Record: p.Record, Err: r.Err})
			}
		}
		done(w, r)
	}
}
