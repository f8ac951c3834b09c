package engine

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// BootnodeState tells how the contacts of a bootnode by this node went. A node that finds nobody
// shows the reason here.
type BootnodeState struct {
	Peer Peer
	// Answered and Failed count the contacts. A bootnode is contacted while few nodes are known.
	Answered, Failed uint64
	// At is when the last contact ended, in the engine's time, and Err how: nil if it was answered.
	At  time.Duration
	Err error
}

// bootnodeStates are the states of the present bootnodes.
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

// note counts a contact. It reports false for a node that is no bootnode.
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

// Bootnodes returns the states of the bootnodes, in the order in which they were given.
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

// SetBootnodes replaces the bootnodes. Call Bootstrap to have them contacted now.
func (e *Engine) SetBootnodes(list []Peer) {
	e.maintain.states.set(list)
	e.maintain.bootnodes.Store(&list)
	e.setAnchors(list)
}

// noteBootnode wraps the end of a contact of a bootnode.
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
