package engine

import (
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/table"
)

// External address detection (discv5-theory.md, Maintaining The Local Node Record): every PONG tells where the peer
// saw this node's PING come from. Peers may lie, so the statements are votes.
//
//   - Only peers that this node asked are heard, and of all peers in one network prefix (/24, /48) only the one that spoke last.
//   - Only global addresses can win, and each family is counted alone.
//   - A winner needs VoteMin votes and a margin of 30 % over the next. What has won stays until another wins.
//
// A vote is forgotten after voteLife.

const (
	// DefaultVoteMin is how many prefixes must agree on an address.
	DefaultVoteMin = 10
	voteLife       = 5 * time.Minute
	// maxVotes bounds the votes of a family; the oldest gives way.
	maxVotes = 256
	// A winner w beats a runner-up r if r*marginOf <= w*margin.
	margin, marginOf = 7, 10
)

// votes counts statements on this node's address. Its methods may be called from several goroutines.
type votes struct {
	mu     sync.Mutex
	min    int
	family [2][]vote
	news   bool // somebody has said what nobody has counted yet
}

type vote struct {
	prefix netip.Prefix
	says   netip.AddrPort
	at     time.Duration
}

// votePrefix is the network within which all peers have one vote.
func votePrefix(a netip.Addr) netip.Prefix {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // the bits are right for the family
	return p
}

// add notes that a peer at voter has seen this node at says. It reports whether the vote counts.
func (v *votes) add(now time.Duration, voter netip.Addr, says netip.AddrPort) bool {
	if voter.Is4() != says.Addr().Is4() || says.Port() == 0 || table.Class(says.Addr()) != table.Global {
		return false
	}
	// A private peer sees what is private to both; it knows nothing of the public side.
	if table.Class(voter) != table.Global {
		return false
	}
	p := votePrefix(voter)
	v.mu.Lock()
	defer v.mu.Unlock()
	list := &v.family[netaddr.FamilyOf(voter)]
	oldest := 0
	for i := range *list {
		e := &(*list)[i]
		if e.prefix == p {
			v.news = v.news || e.says != says
			e.says, e.at = says, now
			return true
		}
		if e.at < (*list)[oldest].at {
			oldest = i
		}
	}
	v.news = true
	if len(*list) == maxVotes {
		(*list)[oldest] = vote{p, says, now}
	} else {
		*list = append(*list, vote{p, says, now})
	}
	return true
}

// counting notes that all votes are about to be counted.
func (v *votes) counting() {
	v.mu.Lock()
	v.news = false
	v.mu.Unlock()
}

// uncounted reports whether there are votes that have not been counted, those aside that repeat what was counted.
func (v *votes) uncounted() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.news
}

// winner counts a family's votes. ok is false while nobody has won.
func (v *votes) winner(now time.Duration, family netaddr.Family) (w netip.AddrPort, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := v.family[family]
	kept := list[:0]
	count := make(map[netip.AddrPort]int)
	for _, e := range list {
		if now-e.at <= voteLife {
			kept = append(kept, e)
			count[e.says]++
		}
	}
	v.family[family] = kept
	best, second := 0, 0
	for a, n := range count {
		switch {
		case n > best:
			best, second, w = n, best, a
		case n > second:
			second = n
		}
	}
	return w, best >= v.min && second*marginOf <= best*margin
}

// clear forgets the votes of a family.
func (v *votes) clear(family netaddr.Family) {
	v.mu.Lock()
	v.family[family] = nil
	v.mu.Unlock()
}
