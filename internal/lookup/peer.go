package lookup

import (
	"net/netip"

	"github.com/fastdisc/discv5/enr"
)

// Peer is a node and the endpoint at which to contact it. A lookup reads only ID and Addr.
type Peer struct {
	ID enr.ID
	// Record is the node's record, nil if it is not known. It is immutable, verified and shared.
	Record *enr.Record
	// Addr is the endpoint to contact the node at.
	Addr netip.AddrPort
	// PublicKey is the node's key, for a node whose record is not known. It is zero if the key is
	// not known either.
	PublicKey [33]byte
	// Listed says that the peer comes from a list that others made, such as a DNS list. It is
	// contacted only at addresses that the author of such a list can know, and within the budget
	// for unproven endpoints.
	Listed bool
	// Unvouched says of a bootnode that the operator has not named it: its vote on the address of
	// this node is that of any peer.
	Unvouched bool
}

// NewPeer returns the Peer of a record that is contacted at addr.
func NewPeer(r *enr.Record, addr netip.AddrPort) Peer {
	return Peer{ID: r.ID(), Record: r, Addr: addr}
}

// Key returns the public key, of the record if there is one. ok is false if it is not known.
func (p *Peer) Key() (key [33]byte, ok bool) {
	if p.Record != nil {
		return p.Record.PublicKey()
	}
	return p.PublicKey, p.PublicKey != [33]byte{}
}
