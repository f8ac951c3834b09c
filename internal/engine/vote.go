package engine

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// External address detection (discv5-theory.md, Maintaining The Local Node Record). Every PONG
// names the endpoint from which the peer saw the PING arrive. Peers may lie, so these are votes.
//
//   - Only peers that this node asked vote, and only on an address of their own class: a private
//     peer cannot see the public side, and a public one cannot see the private side.
//   - All public peers of one site (/24, /48) share one vote. A bootnode has it before a peer that
//     this node chose, and such a peer before one that made contact first. Among equals the last
//     one to vote has it.
//   - Votes for an endpoint that a bootnode votes for count by site. Without a bootnode they count
//     by wide prefix (/16, /32), and a third of them must come from peers that this node chose.
//   - A winner needs DetectAddress votes, and twice as many as the endpoint in the record. Any
//     other endpoint may have at most 70 % as many. It stays until another endpoint wins.
//   - Private networks have no liars to guard against: each address has a vote, among loopback
//     peers each endpoint, and at most 3 votes are needed. A private endpoint replaces a private
//     one only.
//
// A vote expires after voteLife.

const (
	// DefaultDetectAddress is the number of votes that an endpoint needs.
	DefaultDetectAddress = 10
	// privateVotes is the largest number needed inside a private network.
	privateVotes = 3
	// voteLife is longer than the pause between two checks of a node in the table.
	voteLife = 10 * time.Minute
	// MaxVotes bounds the votes of a family that are kept.
	MaxVotes = 256
	// maxVotesWide bounds the votes of public voters in one /16 or /32, so that a network with many
	// sites displaces no votes of others.
	maxVotesWide = 16
	longAgo      = -never / 2
	// A winner w beats a runner-up r if r*marginOf <= w*margin.
	margin, marginOf = 7, 10
)

// voterRank says how a voter became known. An attacker finds higher ranks harder to get.
type voterRank uint8

const (
	voterCame   voterRank = iota // made contact first, or nothing says that it did not
	voterChosen                  // found by this node
	voterAnchor                  // a bootnode
)

// voter is a peer with a vote.
type voter struct {
	id   enr.ID
	addr netip.AddrPort
	rank voterRank
}

type vote struct {
	voter
	class netaddr.Class
	key   netip.AddrPort // voters with the same key share one vote
	wide  netaddr.Prefix
	says  netip.AddrPort
	since time.Duration // when the voter began to name it
	at    time.Duration // when it last named it
	asked time.Duration // when it was last asked out of turn; see askSilentVoters
}

// votes holds the votes on the address of this node. It is safe for concurrent use.
type votes struct {
	mu     sync.Mutex
	family [netaddr.NumFamilies][]vote
	fresh  bool          // there are uncounted votes
	newsAt time.Duration // when that began
}

// voteKey returns the key that a voter's vote counts under.
func voteKey(class netaddr.Class, a netip.AddrPort) netip.AddrPort {
	switch class {
	case netaddr.Loopback:
		return a // test networks, where all nodes share an address
	case netaddr.Private:
		return netip.AddrPortFrom(a.Addr(), 0)
	}
	return netip.AddrPortFrom(netaddr.Site(a.Addr()).Netip().Addr(), 0)
}

// add notes that a peer has seen this node at says. It reports whether the vote counts.
func (v *votes) add(now time.Duration, by voter, says netip.AddrPort) bool {
	by.addr, says = netaddr.NormalizePort(by.addr), netaddr.NormalizePort(says)
	class, family := netaddr.ClassOf(says.Addr()), netaddr.FamilyOf(says.Addr())
	if class == netaddr.Special || says.Port() == 0 || says.Addr().IsLinkLocalUnicast() ||
		netaddr.ClassOf(by.addr.Addr()) != class || netaddr.FamilyOf(by.addr.Addr()) != family {
		return false
	}
	n := vote{voter: by, class: class, key: voteKey(class, by.addr), wide: netaddr.Wide(by.addr.Addr()), says: says, since: now, at: now, asked: longAgo}
	v.mu.Lock()
	defer v.mu.Unlock()
	list := &v.family[family]
	worst, inWide, worstInWide := 0, 0, 0
	worse := func(o, w *vote) bool { return o.rank < w.rank || o.rank == w.rank && o.at < w.at }
	for i := range *list {
		o := &(*list)[i]
		if o.key == n.key && o.class == class {
			if o.rank > n.rank && now-o.at <= voteLife {
				return false
			}
			if n.asked = o.asked; o.says == says {
				n.since = o.since
			}
			if o.says != says || o.rank != n.rank {
				v.noteLocked(now)
			}
			*o = n
			return true
		}
		if worse(o, &(*list)[worst]) {
			worst = i
		}
		if class == netaddr.Global && o.wide == n.wide {
			if inWide++; inWide == 1 || worse(o, &(*list)[worstInWide]) {
				worstInWide = i
			}
		}
	}
	full := len(*list) >= MaxVotes
	if inWide >= maxVotesWide {
		full, worst = true, worstInWide
	}
	if !full {
		*list = append(*list, n)
	} else if w := &(*list)[worst]; w.rank <= n.rank {
		*w = n
	} else {
		return false
	}
	v.noteLocked(now)
	return true
}

// note marks the votes as changed.
func (v *votes) note(now time.Duration) {
	v.mu.Lock()
	v.noteLocked(now)
	v.mu.Unlock()
}

func (v *votes) noteLocked(now time.Duration) {
	if !v.fresh {
		v.fresh, v.newsAt = true, now
	}
}

// changed reports whether any vote has changed since the last count, and since when.
func (v *votes) changed() (since time.Duration, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.newsAt, v.fresh
}

// counting marks all votes as counted.
func (v *votes) counting() {
	v.mu.Lock()
	v.fresh = false
	v.mu.Unlock()
}

// silent returns some of the voters that have not voted since the last voter for a rival endpoint
// began to, bootnodes first. It does not return the same ones within askInterval.
func (v *votes) silent(now time.Duration, family netaddr.Family, rival tally) (list []voter) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, anchors := range [...]bool{true, false} {
		for i := range v.family[family] {
			o := &v.family[family][i]
			if (o.rank == voterAnchor) != anchors || o.says == rival.at || o.at >= rival.opened || now-o.asked < askInterval {
				continue
			}
			if len(list) == asksPerCount {
				return list
			}
			o.asked = now
			list = append(list, o.voter)
		}
	}
	return list
}

// tally sums the votes for one endpoint.
type tally struct {
	at       netip.AddrPort
	class    netaddr.Class
	voters   int
	wides    int           // wide prefixes of the voters
	chosen   int           // those of them with a voter that this node chose
	anchored bool          // a bootnode is among the voters
	opened   time.Duration // when the last of them began to name it
}

// weight returns the number of votes of t.
func (t tally) weight() int {
	if t.class == netaddr.Global && !t.anchored {
		return t.wides
	}
	return t.voters
}

// enough reports whether t has at least need votes, and not only from peers that made contact
// first.
func (t tally) enough(need int) bool {
	return t.weight() >= need && (t.class != netaddr.Global || t.anchored || t.chosen > 0 && 3*t.chosen >= need)
}

// ballot is the result of a count: the endpoints of a family with votes, grouped by class, most
// votes first.
type ballot []tally

// count counts the votes of a family and drops expired ones.
func (v *votes) count(now time.Duration, family netaddr.Family) (b ballot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := slices.DeleteFunc(v.family[family], func(o vote) bool { return now-o.at > voteLife })
	v.family[family] = list
	type wide struct {
		tally  int
		prefix netaddr.Prefix
	}
	seen := make(map[wide]bool) // true: a chosen voter is there
	for i := range list {
		o := &list[i]
		k := slices.IndexFunc(b, func(t tally) bool { return t.at == o.says })
		if k < 0 {
			k = len(b)
			b = append(b, tally{at: o.says, class: o.class})
		}
		t := &b[k]
		t.voters++
		t.anchored = t.anchored || o.rank == voterAnchor
		t.opened = max(t.opened, o.since)
		at := wide{k, o.wide}
		chosen, known := seen[at]
		if !known {
			t.wides++
		}
		if o.rank >= voterChosen && !chosen {
			chosen = true
			t.chosen++
		}
		seen[at] = chosen
	}
	slices.SortFunc(b, func(x, y tally) int {
		return cmp.Or(cmp.Compare(x.class, y.class), cmp.Compare(y.weight(), x.weight()), x.at.Compare(y.at))
	})
	return b
}

// of returns the tally of an endpoint.
func (b ballot) of(at netip.AddrPort) (t tally) {
	if i := slices.IndexFunc(b, func(t tally) bool { return t.at == at }); i >= 0 {
		t = b[i]
	}
	return t
}

// rival returns the tally of the endpoint of a class, other than at, with the most votes.
func (b ballot) rival(class netaddr.Class, at netip.AddrPort) (t tally) {
	if i := slices.IndexFunc(b, func(t tally) bool { return t.class == class && t.at != at }); i >= 0 {
		t = b[i]
	}
	return t
}

// beats reports whether an endpoint has need votes and leads all others of its class by the margin.
// The record names current.
func (b ballot) beats(at, current netip.AddrPort, need int) bool {
	t := b.of(at)
	if !t.enough(need) || b.rival(t.class, at).weight()*marginOf > t.weight()*margin {
		return false
	}
	return at == current || 2*b.of(current).weight() <= t.weight()
}

// winner returns the endpoint of a class that has won. The record names current.
func (b ballot) winner(class netaddr.Class, current netip.AddrPort, need int) (w netip.AddrPort, ok bool) {
	t := b.rival(class, netip.AddrPort{}) // the first of the class
	return t.at, t.at.IsValid() && b.beats(t.at, current, need)
}
