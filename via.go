package discv5

import (
	"net/netip"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
)

// A local address, as the engine keeps it: the number of the listen address, from 1, in the lower
// bits, and where that is a wildcard the number of the address itself in the upper ones.
const (
	viaGroupBits = 5 // maxListen and the zero value have room in it
	viaGroupMask = 1<<viaGroupBits - 1

	_ = uint(1<<(16-viaGroupBits) - 1 - fastpath.MaxLocals) // there is room for all
)

// viaOf returns the Via of a listen address.
func viaOf(group int) engine.Via { return engine.Via(group + 1) }

// viaLocal returns the part of a Via that stands for a local address of a wildcard.
func viaLocal(l fastpath.Local) engine.Via { return engine.Via(l) << viaGroupBits }

// localOf returns the local address of a wildcard that v names, 0 for none.
func localOf(v engine.Via) fastpath.Local { return fastpath.Local(v >> viaGroupBits) }

// groupOf returns the listen address that v belongs to, or -1 if v leaves the choice open.
func groupOf(v engine.Via) int { return int(v&viaGroupMask) - 1 }

// localAddr returns the IP address that v names, if it is known.
func (n *Node) localAddr(v engine.Via) netip.Addr {
	at := groupOf(v)
	if at < 0 || at >= len(n.groups) {
		return netip.Addr{}
	}
	return n.groups[at].LocalAddr(localOf(v))
}
