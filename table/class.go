package table

import (
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// AddrClass says who can reach an address: Global, Private, Loopback or Special.
type AddrClass = netaddr.Class

// Classes of addresses; see package internal/netaddr.
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
