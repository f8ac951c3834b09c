package discv5

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/quote"
)

// Contact identifies a node for requests: by its record, by key and address, or by ID and address.
// Session.Contact makes one from a session.
type Contact struct {
	record    *enr.Record
	peer      engine.Peer
	at        bool // peer has ID and address, and perhaps the record
	listed    bool
	unvouched bool
}

// Unvouched returns the contact without a party that vouches for it: the node knows it only from
// its last run. The node contacts it like other bootnodes, but its vote on this node's address
// counts like that of any node; see Config.DetectAddress. Contacts of ListedContacts are unvouched.
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

// ContactOf makes a contact of a record. With a nil record, requests fail with ErrNoEndpoint.
func ContactOf(r *enr.Record) Contact { return Contact{record: r} }

// Contacts makes a contact of each record.
func Contacts(records ...*enr.Record) []Contact {
	c := make([]Contact, len(records))
	for i, r := range records {
		c[i] = ContactOf(r)
	}
	return c
}

// ListedContacts makes a contact of each record of a list that somebody else maintains, such as a
// DNS list. A node at a public address does not contact private or loopback addresses of such a
// list, and no node contacts its ports below 1024 unless Config.LowPorts is set. A node of a list
// that does not answer is retried less and less often.
func ListedContacts(records ...*enr.Record) []Contact {
	c := Contacts(records...)
	for i := range c {
		c[i].listed = true
	}
	return c
}

// ErrContact is wrapped by the errors of ParseContact and ParseContacts.
var ErrContact = errors.New("discv5: not a node")

// ParseContact parses a contact: the text of a record, "enr:...", whose signature it verifies, or
// an enode URL with an IP address. It does not resolve host names; see EnodeContact for URLs with
// one. The error wraps ErrContact. It also wraps an error of package enr if the text begins like a
// node, or ErrNoEndpoint for a node without a UDP endpoint.
func ParseContact(text string) (Contact, error) {
	switch {
	case strings.HasPrefix(text, "enr:"):
		r, err := enr.ParseText(text)
		if err != nil {
			return Contact{}, fmt.Errorf("%w: %w", ErrContact, err)
		}
		if err := r.CheckUDP(); err != nil {
			return Contact{}, fmt.Errorf("%w: %w: node %s: %w", ErrContact, ErrNoEndpoint, r.ID().Short(), err)
		}
		return ContactOf(r), nil
	case strings.HasPrefix(text, "enode:"):
		e, err := enr.ParseEnode(text)
		if err != nil {
			return Contact{}, fmt.Errorf("%w: %w", ErrContact, err)
		}
		if !e.Addr.IsValid() {
			return Contact{}, fmt.Errorf("%w: %w: %s is a host name", ErrContact, ErrNoEndpoint, quote.Text(e.Host))
		}
		c, err := EnodeContact(e, netip.AddrPortFrom(e.Addr, e.UDP))
		if err != nil {
			return Contact{}, fmt.Errorf("%w: %w", ErrContact, err)
		}
		return c, nil
	}
	return Contact{}, fmt.Errorf("%w: %s: want a text that begins with enr: or enode://", ErrContact, quote.Text(text))
}

// ParseContacts parses several contacts, such as bootnodes. The error names the wrong text and the
// reason; see ParseContact.
func ParseContacts(texts ...string) ([]Contact, error) {
	list := make([]Contact, len(texts))
	for i, text := range texts {
		c, err := ParseContact(text)
		if err != nil {
			return nil, fmt.Errorf("node %d of %d: %w", i+1, len(texts), err)
		}
		list[i] = c
	}
	return list, nil
}

// EnodeContact makes a contact of an enode URL, for nodes whose record you do not know. addr is the
// endpoint of the node: an enode URL may have a host name, which callers must resolve. The error
// wraps ErrNoEndpoint if addr is not an address with a port.
func EnodeContact(e enr.Enode, addr netip.AddrPort) (Contact, error) {
	if !addr.IsValid() || addr.Port() == 0 {
		return Contact{}, fmt.Errorf("%w: %s", ErrNoEndpoint, e)
	}
	id, err := e.ID()
	if err != nil {
		return Contact{}, errorf("discv5: contact: %w", err)
	}
	return Contact{peer: engine.Peer{ID: id, PublicKey: e.PublicKey, Addr: netaddr.UnmapPort(addr)}}, nil
}

// ContactAt makes a contact of a node at an address, such as the sender of a TALK request. The
// node's key comes from its session there, or from its record if that is known. Without either,
// requests fail with an error that wraps ErrNoSession. Requests go only to this address.
func ContactAt(id enr.ID, addr netip.AddrPort) Contact {
	return Contact{peer: engine.Peer{ID: id, Addr: netaddr.NormalizePort(addr)}, at: true}
}

// ID returns the contact's node ID.
func (c Contact) ID() enr.ID {
	if c.record != nil {
		return c.record.ID()
	}
	return c.peer.ID
}

// Record returns the contact's record, or nil if it was made without one.
func (c Contact) Record() *enr.Record {
	if c.at {
		return c.peer.Record
	}
	return c.record
}

// resolve chooses an address of a family that the node has a socket for. If the node's record has
// none, the request goes to the address of its session, if there is one.
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
