package discv5

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/engine"
	"github.com/fastdisc/discv5/enr"
)

// Contact is a node that can be reached: by its record, or by key and address alone.
type Contact struct {
	record *enr.Record
	peer   engine.Peer
}

// ErrNoAddress: a contact has no address.
var ErrNoAddress = errors.New("discv5: contact has no UDP address")

// Contacts makes a contact of each record.
func Contacts(records ...*enr.Record) []Contact {
	c := make([]Contact, len(records))
	for i, r := range records {
		c[i] = Contact{record: r}
	}
	return c
}

// ContactOf makes a contact of an enode URL, for nodes whose record is not known. addr is where the node is: an
// enode URL may have a host name, which the caller has to resolve.
func ContactOf(e enr.Enode, addr netip.AddrPort) (Contact, error) {
	if !addr.IsValid() || addr.Port() == 0 {
		return Contact{}, fmt.Errorf("%w: %s", ErrNoAddress, e)
	}
	id, err := e.ID()
	if err != nil {
		return Contact{}, fmt.Errorf("discv5: contact: %w", err)
	}
	return Contact{peer: engine.Peer{ID: id, PublicKey: e.PublicKey, Addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())}}, nil
}

// ID is the contact's node ID.
func (c Contact) ID() enr.ID {
	if c.record != nil {
		return c.record.ID()
	}
	return c.peer.ID
}

// Record is the contact's record, or nil if it was made without one.
func (c Contact) Record() *enr.Record { return c.record }

// resolve finds the address to use, of a family that the node has a socket for.
func (c Contact) resolve(e *engine.Engine) (engine.Peer, error) {
	if c.record != nil {
		return e.PeerOf(c.record)
	}
	if !c.peer.Addr.IsValid() {
		return engine.Peer{}, ErrNoAddress
	}
	return c.peer, nil
}
