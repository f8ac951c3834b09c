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

// Node is what the table keeps of another node. It is passed by value; all copies share Record.
type Node struct {
	// ID is the node ID of the record. The caller has verified that.
	ID enr.ID
	// Record is the encoded record, 1..MaxRecordSize bytes. The table keeps the slice: nobody may
	// write to it after Add.
	Record []byte
	// Seq is the sequence number of Record.
	Seq uint64
	// Addr is the endpoint at which the node is contacted: proven by a handshake, or taken from
	// the record. Address limits count it.
	Addr netip.AddrPort
	// UDP4 and UDP6 are the endpoints that Record states, zero where it states none. A record is
	// relayed only after the node has answered a PING at one of them, see Snapshot.MayRelay; a node
	// whose record states none is kept and looked up, and never relayed.
	UDP4, UDP6 netip.AddrPort
	// Inbound says that the node contacted us first.
	Inbound bool
}

// FromRecord returns the Node of a verified record that is contacted at addr. The Node shares the
// record's bytes.
func FromRecord(r *enr.Record, addr netip.AddrPort, inbound bool) Node {
	n := Node{ID: r.ID(), Record: r.Bytes(), Seq: r.Seq(), Addr: addr, Inbound: inbound}
	n.UDP4, _ = r.UDPEndpoint4()
	n.UDP6, _ = r.UDPEndpoint6()
	return n
}

// minPort is the lowest port of an endpoint that is told to others, unless Config.LowPorts is set.
const minPort = 1024

// normalize turns IPv4-mapped addresses into IPv4 ones, so that equal endpoints compare equal. It
// drops stated endpoints that lie in the wrong family, that fewer can reach than Addr, and with
// ports at which no nodes are expected. The node is used, and relayed, for the other endpoint
// alone.
func (n *Node) normalize(lowPorts bool) {
	n.Addr = unmap(n.Addr)
	if n.UDP4 = unmap(n.UDP4); !n.UDP4.Addr().Is4() {
		n.UDP4 = netip.AddrPort{}
	}
	if n.UDP6 = unmap(n.UDP6); !n.UDP6.Addr().Is6() {
		n.UDP6 = netip.AddrPort{}
	}
	class := Class(n.Addr.Addr())
	for _, a := range [...]*netip.AddrPort{&n.UDP4, &n.UDP6} {
		if a.IsValid() && (!MayRelay(class, Class(a.Addr())) || a.Port() < minPort && !lowPorts) {
			*a = netip.AddrPort{}
		}
	}
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// stated returns the families in which the record states an endpoint.
func (n *Node) stated() (f Family) {
	if n.UDP4.IsValid() {
		f |= IPv4
	}
	if n.UDP6.IsValid() {
		f |= IPv6
	}
	return f
}

// class returns the most restricted class among all endpoints of the node.
func (n *Node) class() AddrClass {
	c := Class(n.Addr.Addr())
	if n.UDP4.IsValid() {
		c = max(c, Class(n.UDP4.Addr()))
	}
	if n.UDP6.IsValid() {
		c = max(c, Class(n.UDP6.Addr()))
	}
	return c
}

// endpoint says whether addr is one of the node's endpoints.
func (n *Node) endpoint(addr netip.AddrPort) bool {
	return addr == n.Addr || addr == n.UDP4 || addr == n.UDP6
}

// State is what the table knows about a node beyond the Node itself. Times are durations since the
// node's epoch.
type State struct {
	// Member says whether the node is a bucket member; otherwise it waits in a replacement cache.
	Member bool
	// Live says that the node has answered a PING at Addr and has not failed too often since.
	Live bool
	// Proven holds the families in which the endpoint stated by the record has answered a PING.
	Proven Family
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
