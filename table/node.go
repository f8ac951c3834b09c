package table

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Family is a set of IP families.
type Family uint8

// The two families.
const (
	IPv4 Family = 1 << iota
	IPv6
)

// FamilyOf returns the family of an address; an IPv4-mapped address counts as IPv4. It returns 0
// for the invalid address.
func FamilyOf(addr netip.Addr) Family {
	switch {
	case !addr.IsValid():
		return 0
	case addr.Is4() || addr.Is4In6():
		return IPv4
	}
	return IPv6
}

// Node is a node of the table: its record, and the endpoint to contact it at. It is passed by value.
// The record is immutable, and all copies share it.
type Node struct {
	// ID is the node ID of Record. It is kept beside the record because the table compares it often.
	ID enr.ID
	// Record is the node's record. The caller has verified it, and the table parses nothing. A
	// record is relayed only after the node has answered a PING at an endpoint that the record
	// states, see Snapshot.MayRelay. A node whose record states none is kept and looked up, and
	// never relayed.
	Record *enr.Record
	// Addr is the endpoint at which the node is contacted: proven by a handshake, or taken from
	// the record. Address limits count it.
	Addr netip.AddrPort
	// Inbound says that the node contacted us first.
	Inbound bool
}

// NewNode returns the Node of a record that is contacted at addr.
func NewNode(r *enr.Record, addr netip.AddrPort, inbound bool) Node {
	return Node{ID: r.ID(), Record: r, Addr: addr, Inbound: inbound}
}

// Seq returns the sequence number of the record, 0 for the zero Node.
func (n Node) Seq() uint64 {
	if n.Record == nil {
		return 0
	}
	return n.Record.Seq()
}

// minPort is the lowest port of an endpoint that is named to others, unless Config.LowPorts is set.
const minPort = 1024

// families are the two families and the endpoint that a record states in each.
var families = [2]struct {
	family Family
	of     func(*enr.Record) (netip.AddrPort, bool)
}{
	{IPv4, func(r *enr.Record) (netip.AddrPort, bool) { return r.UDPEndpoint4() }},
	{IPv6, func(r *enr.Record) (netip.AddrPort, bool) { return r.UDPEndpoint6() }},
}

// stated returns the families in which the record states an endpoint that counts. An endpoint does
// not count if fewer hosts can reach it than Addr, or if no nodes are expected at its port. The node
// is used, and relayed, for the other endpoint alone.
func (n *Node) stated(lowPorts bool) (f Family) {
	class := Class(n.Addr.Addr())
	for _, x := range families {
		a, ok := x.of(n.Record)
		if ok && MayRelay(class, Class(a.Addr())) && (a.Port() >= minPort || lowPorts) {
			f |= x.family
		}
	}
	return f
}

// State is what the table knows about a node beyond the Node itself. Times are durations since the
// node's epoch.
type State struct {
	// Member says whether the node is a bucket member; otherwise it waits in a replacement cache.
	Member bool
	// Live says that the node has answered a PING at Addr and has not failed too often since.
	Live bool
	// Stated holds the families in which the record states an endpoint that counts: one that as many
	// can reach as Addr, at a port at which nodes are expected. Proven holds those of them in which
	// that endpoint has answered a PING.
	Stated, Proven Family
	// Checks is the credit: one per answered PING, cut to a third by repeated failure.
	Checks int
	// Fails counts consecutive failures.
	Fails int
	// Added is when the node entered the table.
	Added time.Duration
	// LastSeen is the last sign of life: an answered PING, or an Add.
	LastSeen time.Duration
	// NextCheck is when Due will return the node. It has no meaning for replacements.
	NextCheck time.Duration
}
