package discv5

import (
	"hash/maphash"
	"net/netip"
	"sync"

	"github.com/fastdisc/discv5/internal/engine"
)

// foreignPeers bounds the peers of other protocols whose local address is remembered.
const foreignPeers = 4096

// foreignVias remembers at which local address peers of other protocols last reached the node, so
// that WriteTo sends to them from there. Two peers of one slot displace each other: then the system
// chooses.
type foreignVias struct {
	seed  maphash.Seed
	mu    sync.Mutex
	slots []foreignVia
}

type foreignVia struct {
	peer netip.AddrPort
	via  engine.Via
}

// newForeignVias returns memory for foreignPeers peers.
func newForeignVias() *foreignVias {
	return &foreignVias{seed: maphash.MakeSeed(), slots: make([]foreignVia, foreignPeers)}
}

func (v *foreignVias) slot(peer netip.AddrPort) *foreignVia {
	return &v.slots[maphash.Comparable(v.seed, peer)%foreignPeers]
}

// note remembers where a datagram of a peer has arrived.
func (v *foreignVias) note(peer netip.AddrPort, via engine.Via) {
	s := v.slot(peer)
	v.mu.Lock()
	*s = foreignVia{peer, via}
	v.mu.Unlock()
}

// find returns where a peer has reached the node last, 0 if that is not known.
func (v *foreignVias) find(peer netip.AddrPort) engine.Via {
	s := v.slot(peer)
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.peer != peer {
		return 0
	}
	return s.via
}
