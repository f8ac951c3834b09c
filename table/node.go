package table

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Family is an address family.
type Family = netaddr.Family

// FamilySet is a set of address families.
type FamilySet = netaddr.FamilySet

// Address families.
const (
	IPv4 = netaddr.IPv4
	IPv6 = netaddr.IPv6
)

// FamilyOf returns the family of an address. An IPv4-mapped address belongs to IPv4. The invalid
// address counts as IPv6, so check for it first.
func FamilyOf(addr netip.Addr) Family { return netaddr.FamilyOf(addr) }

// Node is a node of the table: its record, and the endpoint at which to contact it. It is passed by
// value. The record is immutable, and all copies share it.
type Node struct {
	// ID is the node ID of Record. It is kept beside the record because the table compares it
	// often.
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

// endpointOf returns the UDP endpoint that a record states in a family.
func endpointOf(r *enr.Record, f Family) (netip.AddrPort, bool) {
	if f == IPv4 {
		return r.UDPEndpoint4()
	}
	return r.UDPEndpoint6()
}

// stated returns the families in which the record states an endpoint that counts. An endpoint does
// not count if fewer hosts can reach it than Addr, or if no nodes are expected at its port. The
// node is then used, and relayed, for the other endpoint alone.
func (n *Node) stated(lowPorts bool) (set FamilySet) {
	class := Class(n.Addr.Addr())
	for f := range Family(netaddr.NumFamilies) {
		a, ok := endpointOf(n.Record, f)
		if ok && MayRelay(class, Class(a.Addr())) && (a.Port() >= netaddr.MinPort || lowPorts) {
			set |= f.Set()
		}
	}
	return set
}

// State is the state of a node in the table. Times are durations since the caller's epoch.
type State struct {
	// Member says whether the node is a bucket member. Otherwise it is a replacement.
	Member bool
	// Live says that the node has answered a PING at Addr and has not failed too often since.
	Live bool
	// Stated holds the families in which the record states an endpoint that counts: at least as
	// many hosts can reach it as Addr, and nodes are expected at its port. Proven holds those of
	// them in which that endpoint has answered a PING.
	Stated, Proven FamilySet
	// Checks is the credit: one per answered PING, cut to a third by repeated failure.
	Checks int
	// Fails counts consecutive failures.
	Fails int
	// Added is when the node entered the table.
	Added time.Duration
	// LastSeen is the time of the last answered PING, or Add.
	LastSeen time.Duration
	// NextCheck is when Due will return the node. It has no meaning for replacements.
	NextCheck time.Duration
}

// AddrClass is the class of an address by reach: Global, Private, Loopback or Special.
type AddrClass = netaddr.Class

// Classes of addresses, by the special-purpose registries of IANA.
const (
	// Global addresses can be reached from the public internet.
	Global = netaddr.Global
	// Private addresses mean something inside one network.
	Private = netaddr.Private
	// Loopback addresses mean something inside one machine.
	Loopback = netaddr.Loopback
	// Special addresses are never contacted, stored or relayed.
	Special = netaddr.Special
)

// Class returns the class of an address.
func Class(addr netip.Addr) AddrClass { return netaddr.ClassOf(addr) }

// MayRelay reports whether a node at an address of class node may be named to a requester at an
// address of class requester.
func MayRelay(requester, node AddrClass) bool { return netaddr.MayRelay(requester, node) }
