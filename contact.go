package discv5

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Contact is a node that requests can be addressed to: by its record, by key and address, or by ID
// and address. Session.Contact makes one of a session.
type Contact struct {
	record    *enr.Record
	peer      engine.Peer
	at        bool // peer has ID and address, and perhaps the record
	listed    bool
	unvouched bool
}

// Unvouched returns the contact as one that nobody has named: it is known from the node's last
// life. Among the bootnodes it is contacted as the others are, but its vote on this node's address
// is that of any node; see Config.DetectAddress. Contacts of ListedContacts are unvouched.
func (c Contact) Unvouched() Contact {
	c.unvouched = true
	return c
}

// bootPeer resolves a contact for the list of bootnodes.
func (c Contact) bootPeer(e *engine.Engine) (engine.Peer, error) {
	p, err := c.resolve(e)
	p.Unvouched = c.unvouched
	return p, err
}

// Contacts makes a contact of each record.
func Contacts(records ...*enr.Record) []Contact {
	c := make([]Contact, len(records))
	for i, r := range records {
		c[i] = Contact{record: r}
	}
	return c
}

// ListedContacts makes a contact of each record of a list that others made, such as one in DNS. A
// node at a public address does not contact private or loopback addresses that such a list names,
// no node contacts ports below 1024 there unless Config.LowPorts is set, and one that does not
// answer is asked again less and less often.
func ListedContacts(records ...*enr.Record) []Contact {
	c := Contacts(records...)
	for i := range c {
		c[i].listed = true
	}
	return c
}

// ContactOf makes a contact of an enode URL, for nodes whose record is not known. addr is where the
// node is: an enode URL may have a host name, which the caller has to resolve.
func ContactOf(e enr.Enode, addr netip.AddrPort) (Contact, error) {
	if !addr.IsValid() || addr.Port() == 0 {
		return Contact{}, fmt.Errorf("%w: %s", ErrNoEndpoint, e)
	}
	id, err := e.ID()
	if err != nil {
		return Contact{}, fmt.Errorf("discv5: contact: %w", err)
	}
	return Contact{peer: engine.Peer{ID: id, PublicKey: e.PublicKey, Addr: netaddr.UnmapPort(addr)}}, nil
}

// ContactAt makes a contact of a node at an address, such as the sender of a TALK request. The
// node's key is taken from its session there, or from its record if that is known. Without either a
// request fails with an error that wraps ErrNoSession. Requests go to this address alone.
func ContactAt(id enr.ID, addr netip.AddrPort) Contact {
	return Contact{peer: engine.Peer{ID: id, Addr: netaddr.NormalizePort(addr)}, at: true}
}

// ID is the contact's node ID.
func (c Contact) ID() enr.ID {
	if c.record != nil {
		return c.record.ID()
	}
	return c.peer.ID
}

// Record is the contact's record, or nil if it was made without one.
func (c Contact) Record() *enr.Record {
	if c.at {
		return c.peer.Record
	}
	return c.record
}

// resolve finds the address to use, of a family that the node has a socket for. A node whose record
// names none is asked in its session, if there is one.
func (c Contact) resolve(e *engine.Engine) (engine.Peer, error) {
	switch {
	case c.listed:
		return e.PeerOfListed(c.record)
	case c.record != nil:
		p, err := e.PeerOf(c.record)
		if errors.Is(err, ErrNoEndpoint) {
			if p, ok := e.SessionPeer(c.record.ID()); ok {
				return p, nil
			}
		}
		return p, err
	case !c.peer.Addr.IsValid() || c.peer.Addr.Port() == 0:
		return engine.Peer{}, ErrNoEndpoint
	case c.at:
		p := e.PeerAt(c.peer.ID, c.peer.Addr)
		if p.Record == nil && c.peer.Record != nil {
			p.Record = c.peer.Record
		}
		return p, nil
	}
	return c.peer, nil
}
