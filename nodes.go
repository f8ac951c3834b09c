package discv5

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/table"
)

// ErrNotAdded is wrapped by errors about nodes that are not taken into the table.
var ErrNotAdded = errors.New("discv5: node is not taken into the table")

// KnownNode is a node of the table.
type KnownNode struct {
	Record *enr.Record
	Addr   netip.AddrPort // where it is contacted
	// Distance is the log distance from this node, 1 to 256, which is also the number of its
	// bucket.
	Distance int
	// State says what is known about it. Its times are durations since the node was made; those of
	// nodes that only wait for a place in a bucket have no meaning.
	State table.State
	// Inbound: it made contact first.
	Inbound bool
}

func (n *Node) known(t table.Node, s table.State) (KnownNode, bool) {
	r := n.engine.RecordOf(t.Record)
	if r == nil {
		return KnownNode{}, false
	}
	return KnownNode{r, t.Addr, enr.LogDistance(n.ID(), t.ID), s, t.Inbound}, true
}

// Nodes lists the nodes of the table whose log distance from this node is one of those given, or
// all nodes if none is given. Nodes that wait for a place are not among them.
func (n *Node) Nodes(distances ...int) []KnownNode {
	var want [257]bool
	for _, d := range distances {
		if d >= 0 && d < len(want) {
			want[d] = true
		}
	}
	var list []KnownNode
	for t, s := range n.engine.Table().All() {
		if k, ok := n.known(t, s); ok && s.Member && (len(distances) == 0 || want[k.Distance]) {
			list = append(list, k)
		}
	}
	return list
}

// Known is what the table knows about a node.
func (n *Node) Known(id enr.ID) (KnownNode, bool) {
	t, s, ok := n.engine.Table().Get(id)
	if !ok {
		return KnownNode{}, false
	}
	return n.known(t, s)
}

// AddNode offers a node to the table. It gets a place, or waits for one, unless the table's rules
// refuse it: then the error wraps ErrNotAdded. It is checked soon, and relayed to others only once
// it has answered.
func (n *Node) AddNode(r *enr.Record) error {
	if r == nil { // as in TalkRequest and Event if it is not known
		return fmt.Errorf("%w: no record", ErrNotAdded)
	}
	if r.ID() == n.ID() {
		return fmt.Errorf("%w: %w", ErrNotAdded, ErrSelf)
	}
	res, err := n.engine.Offer(n.clock.Now(), r)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotAdded, err)
	case res.Rejected():
		return fmt.Errorf("%w: node %s: %s", ErrNotAdded, r.ID().Short(), res)
	}
	return nil
}

// RemoveNode takes a node out of the table. It may come back when it makes contact or is heard of.
// It reports whether the node was there.
func (n *Node) RemoveNode(id enr.ID) bool { return n.engine.Table().Remove(n.clock.Now(), id) }

// DemoteNode takes from a node what it has earned by answering: it is checked soon, and not relayed
// until it answers. It reports whether the node was there.
func (n *Node) DemoteNode(id enr.ID) bool { return n.engine.Table().Demote(n.clock.Now(), id) }
