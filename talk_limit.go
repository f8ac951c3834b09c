package discv5

import (
	"net/netip"
	"sync"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// talkSlots are the TALK handlers that may run at a time. Once half of them run, quotas apply: to
// each peer, and, because identities cost nothing, to the prefixes of its address. So peers of one
// network with slow requests leave slots for others.
type talkSlots struct {
	mu      sync.Mutex
	max     int
	perPeer int // whatever else runs
	used    int
	peers   map[enr.ID]int // that have some
	nets    prefixquota.Quota
	lan     prefixquota.Quota // of private addresses, if this node is in a private network
}

// talkSlot is the slot of a handler, for a peer at an address.
type talkSlot struct {
	peer enr.ID
	at   netip.Addr
	nets *prefixquota.Quota // counts it
}

// Quotas, as parts of all slots, while half of them or more are taken. Each quota is at least one
// slot.
const (
	talkPeerShare = 0.125
	talkHostShare = 0.125
	talkSiteShare = 0.25
	talkWideShare = 0.375
)

// A private network may be one wide prefix, or one site. The nodes of a site leave a quarter of the
// slots to others.
const talkLANShare = 0.75 // of all slots

// talkPerPeer returns how many of max handlers run for one peer by default.
func talkPerPeer(max int) int { return (max + 1) / 2 }

func (s *talkSlots) init(total, perPeer int) {
	s.max, s.perPeer, s.peers = total, perPeer, make(map[enr.ID]int)
	limits := prefixquota.Limits{Host: s.part(talkHostShare), Site: s.part(talkSiteShare), Wide: s.part(talkWideShare)}
	s.nets.Init(prefixquota.Config{Limits: limits})
	limits.Site, limits.Wide = s.part(talkLANShare), 0
	s.lan.Init(prefixquota.Config{Limits: limits})
}

// part returns a share of all slots.
func (s *talkSlots) part(share float64) int { return max(int(float64(s.max)*share), 1) }

// take gives a peer at an address a slot, which free returns, or reports false. private says
// whether private networks are exempt (see ExemptPrivate): then they have their own quota. Loopback
// has no quotas of prefixes.
func (s *talkSlots) take(peer enr.ID, at netip.Addr, private bool) (slot talkSlot, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == s.max || s.peers[peer] >= s.perPeer {
		return slot, false
	}
	slot = talkSlot{peer, at, &s.nets}
	if private && netaddr.ClassOf(at) == netaddr.Private {
		slot.nets = &s.lan
	}
	if 2*s.used >= s.max {
		if s.peers[peer] >= s.part(talkPeerShare) {
			return slot, false
		}
		if _, ok := slot.nets.Fits(at); !ok {
			return slot, false
		}
	}
	s.used++
	s.peers[peer]++
	slot.nets.Add(at)
	return slot, true
}

func (s *talkSlots) free(slot talkSlot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	slot.nets.Release(slot.at)
	if s.peers[slot.peer]--; s.peers[slot.peer] == 0 {
		delete(s.peers, slot.peer)
	}
}
