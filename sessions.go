package discv5

import (
	"iter"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
)

// Session is an encrypted association with another node: messages pass both ways without a further
// handshake, also to a node behind a NAT whose record names no address.
type Session struct {
	ID   enr.ID
	Addr netip.AddrPort // where the peer is
	// Record is the newest record that the peer has shown, as a rule in its handshake. It is nil if
	// this node made contact without one and has not got it yet, and with
	// Config.DropSessionRecords.
	Record *enr.Record
	// Since is when the session began, Used when a message of the peer last arrived in it, at
	// most a second too early.
	Since, Used time.Time
	// Inbound: the peer made contact first.
	Inbound bool
}

// Contact addresses requests to the session's peer at its address.
func (s Session) Contact() Contact {
	c := ContactAt(s.ID, s.Addr)
	c.peer.Record = s.Record
	return c
}

func (n *Node) session(i session.Info) Session {
	wall := func(at time.Duration) time.Time { return n.timeNow().Add(at - n.clock.Now()) }
	return Session{i.Key.ID(), i.Key.AddrPort(), i.Record, wall(i.Since), wall(i.Used), i.Inbound}
}

// Sessions lists the sessions, in no order. A session that begins or ends meanwhile may be missing.
// The loop may call any method of the node.
func (n *Node) Sessions() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		for i := range n.engine.Sessions().All() {
			if !yield(n.session(i)) {
				return
			}
		}
	}
}

// SessionOf returns the session with a node that was used last. It looks at all sessions, which
// takes some 100 µs for 16,384: use ContactAt where the address is known. The error wraps
// ErrNoSession if there is none.
func (n *Node) SessionOf(id enr.ID) (Session, error) {
	i, ok := n.engine.Sessions().Find(id)
	if !ok {
		return Session{}, errorf("discv5: session of %s: %w", id.Short(), ErrNoSession)
	}
	return n.session(i), nil
}
