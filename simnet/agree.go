package simnet

import (
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

// SessionsAgree compares the sessions of two nodes with each other, at their public addresses. both
// says whether each has one, same whether either opens the other's messages with its current keys.
// Sessions that a handshake is just replacing, or has replaced on one side with its last packet
// lost, differ until the next message.
func SessionsAgree(a, b *Node) (both, same bool) {
	for i := range a.list {
		if !a.list[i].addr.IsValid() || !b.list[i].addr.IsValid() || a.engine() == nil || b.engine() == nil {
			continue
		}
		ab, ok := a.session(b, i)
		ba, ok2 := b.session(a, i)
		if ok && ok2 {
			return true, fits(ab, ba) && fits(ba, ab)
		}
	}
	return false, false
}

// session returns the keys with which a node would send to another one's address of a family.
func (nd *Node) session(to *Node, family int) (*session.Keys, bool) {
	id := [32]byte(to.ID())
	key := session.MakeKey(to.list[family].addr, &id)
	m := nd.engine().Sessions()
	return m.Sender(&key, m.Hash(&key))
}

// fits reports whether what one side seals opens at the other. It leaves no trace in the keys'
// counters.
func fits(from, to *session.Keys) bool {
	var nonce codec.Nonce
	sealed := from.Seal(nil, &nonce, []byte("probe"), nil)
	_, err := to.Open(&nonce, sealed, nil)
	return err == nil
}

// CheckSessions takes up to k pairs of neighbors, lets the nodes of each ping each other without
// loss, and checks that their sessions agree afterwards. It lets time pass and returns how many
// pairs it has compared; a pair that does not agree is a violation.
func (n *Network) CheckSessions(k int) (compared int) {
	before, filter := n.conditions(), n.filter
	calm := before
	calm.Loss = 0
	n.setConditions(calm)
	n.SetFilter(nil)
	defer func() {
		n.setConditions(before)
		n.SetFilter(filter)
	}()
	left := n.neighbors(k)
	for try := range 3 { // a handshake that others have under way may come between
		for turn := range 2 {
			for _, p := range left {
				p[turn].pingSoon(p[1-turn])
			}
			n.Run(5 * time.Second)
		}
		var differ [][2]*Node
		for _, p := range left {
			switch both, same := SessionsAgree(p[0], p[1]); {
			case both && same:
				compared++
			case !both || try < 2:
				differ = append(differ, p)
			default:
				compared++
				n.violated(p[0], RuleSessions, "session with %s has other keys there", p[1].ID().Short())
			}
		}
		left = differ
	}
	n.audit.checks.Sessions += uint64(compared)
	return compared
}

// neighbors picks up to k pairs of nodes with public addresses. The first node of a pair has the
// second one in its table.
func (n *Network) neighbors(k int) (pairs [][2]*Node) {
	byID := make(map[enr.ID]*Node, len(n.nodes))
	for _, nd := range n.nodes {
		if nd.Running() && nd.NAT() == nil {
			byID[nd.ID()] = nd
		}
	}
	for range 4 * k {
		if len(pairs) == k || len(byID) == 0 {
			break
		}
		a := n.nodes[n.Rand(len(n.nodes))]
		if byID[a.ID()] == nil {
			continue
		}
		near := a.engine().Table().Closest(a.ID(), table.DefaultBucketSize, nil)
		if len(near) == 0 {
			continue
		}
		if b := byID[near[n.Rand(len(near))].ID]; b != nil {
			pairs = append(pairs, [2]*Node{a, b})
		}
	}
	return pairs
}
