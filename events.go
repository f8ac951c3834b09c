package discv5

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fastdisc/discv5/internal/engine"
)

// Event is a change at a node. See EventKind for the fields that each kind sets.
type Event = engine.Event

// EventKind is the kind of an Event.
type EventKind = engine.EventKind

// Kinds of events.
const (
	EventSession = engine.SessionEstablished // a handshake has been completed
	// a node's record does not have the address that it uses
	EventUnverifiable = engine.Unverifiable
	// a node was added to the table, removed, or changed its state
	EventTable      = engine.TableChanged
	EventDiscovered = engine.Discovered // an answer to FINDNODE brought a record
	// the record names another address of this node: peers agree on it, or the machine has it now
	EventAddressChanged = engine.AddressChanged
	// something speaks against a detected address, or the machine has lost it; the record drops it
	EventAddressRevoked = engine.AddressRevoked
	// nodes that this node had not contacted have reached its address
	EventAddressProven = engine.AddressProven
	// something speaks against the address that the record names
	EventAddressInDoubt = engine.AddressInDoubt
	// a session was idle, was evicted, or was removed
	EventSessionEnded = engine.SessionEnded
	EventBanned       = engine.Banned    // Ban was called
	EventPermitted    = engine.Permitted // Permit was called
	EventLifted       = engine.Lifted    // Unban or Unpermit was called
	// EventBootnodeUnusable: Err says which bootnode of Config.Bootnodes or SetBootnodes cannot be
	// contacted, and why. Those of the Config are reported by Start.
	EventBootnodeUnusable = engine.BootnodeUnusable
	EventBootnodeFailed   = engine.BootnodeFailed // a bootnode did not answer; Err says why
	// this registrar has admitted an ad; see Config.Topics
	EventAdAdmitted  = engine.AdAdmitted
	EventAdExpired   = engine.AdExpired   // an ad has reached the end of its life here
	EventTopicPlaced = engine.TopicPlaced // a registrar has admitted the node's own ad
	EventTopicLost   = engine.TopicLost   // the node's own ad at a registrar has ended
	EventTopicFound  = engine.TopicFound  // a search has found an advertiser
	// a registrar wants the node to wait for Wait before it admits the node's own ad
	EventTopicWaiting = engine.TopicWaiting
	// a registrar has not admitted the node's own ad; Err wraps ErrTimeout or ErrTopicWait
	EventTopicFailed = engine.TopicFailed
)

// Subscription is the queue of events of one listener. The node drops and counts events that do not
// fit: a slow listener holds up neither the node nor other listeners.
type Subscription struct {
	// C delivers the events. It is closed by Close and when the node is closed.
	C <-chan Event

	n     *Node
	c     chan Event
	kinds uint64
	lost  atomic.Uint64
	mu    sync.Mutex // between send and close
	ended bool
}

// subscribers are the subscriptions of a node, replaced as a whole when they change.
type subscribers struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*Subscription]
	done bool
}

// Subscribe starts to deliver events of the given kinds, or of all kinds without an argument, to a
// queue of size events, at least one. It allocates about 400 bytes for each.
func (n *Node) Subscribe(size int, kinds ...EventKind) *Subscription {
	s := &Subscription{n: n, c: make(chan Event, max(size, 1))}
	s.C = s.c
	for _, k := range kinds {
		s.kinds |= 1 << k
	}
	if len(kinds) == 0 {
		s.kinds = ^uint64(0)
	}
	subs := &n.subs
	subs.mu.Lock()
	defer subs.mu.Unlock()
	if subs.done {
		s.end()
		return s
	}
	var list []*Subscription
	if p := subs.list.Load(); p != nil {
		list = slices.Clone(*p)
	}
	list = append(list, s)
	subs.list.Store(&list)
	return s
}

// Lost returns the number of events that did not fit into the queue.
func (s *Subscription) Lost() uint64 { return s.lost.Load() }

// Close ends the subscription. You can still receive queued events.
func (s *Subscription) Close() {
	subs := &s.n.subs
	subs.mu.Lock()
	if p := subs.list.Load(); p != nil {
		list := slices.DeleteFunc(slices.Clone(*p), func(o *Subscription) bool { return o == s })
		subs.list.Store(&list)
	}
	subs.mu.Unlock()
	s.end()
}

func (s *Subscription) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.c)
	}
}

func (s *Subscription) send(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	select {
	case s.c <- e:
	default:
		s.lost.Add(1)
	}
}

// publish passes an event to its subscribers. It runs on the packet path and never waits for a
// listener.
func (n *Node) publish(e Event) {
	n.log.event(e)
	p := n.subs.list.Load()
	if p == nil {
		return
	}
	for _, s := range *p {
		if s.kinds&(1<<e.Kind) != 0 {
			s.send(e)
		}
	}
}

func (s *subscribers) close() {
	s.mu.Lock()
	s.done = true
	p := s.list.Swap(nil)
	s.mu.Unlock()
	if p != nil {
		for _, sub := range *p {
			sub.end()
		}
	}
}
