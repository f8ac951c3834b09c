package discv5

import (
	"net/netip"

	"github.com/fastdisc/discv5/engine"
)

// A local address, as the engine keeps it: the number of the listen address, from 1, in the lower bits.
const (
	viaGroupBits = 5 // maxListen and the zero value have room in it
	viaGroupMask = 1<<viaGroupBits - 1
)

// viaOf returns the local address of datagrams of which the listen address alone is known.
func viaOf(group int) engine.Via { return engine.Via(group + 1) }

// groupOf returns the listen address that v belongs to, or -1 if v leaves the choice open.
func groupOf(v engine.Via) int { return int(v&viaGroupMask) - 1 }

// localAddr returns the IP address that v names, if it is known.
func (n *Node) localAddr(v engine.Via) netip.Addr {
	at := groupOf(v)
	if at < 0 || at >= len(n.groups) {
		return netip.Addr{}
	}
	if a := n.groups[at].Addr().Addr(); !a.IsUnspecified() {
		return a
	}
	return netip.Addr{}
}
