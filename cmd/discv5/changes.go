package main

import (
	"fmt"
	"slices"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// seenNode is what was last seen of a node in the table.
type seenNode struct {
	addr string
	seq  uint64
	live bool
}

// changes prints how the table differs from what was seen before. What comes and goes in between is
// not seen.
func (t *tool) changes(node *discv5.Node, before map[enr.ID]seenNode) map[enr.ID]seenNode {
	now := make(map[enr.ID]seenNode, len(before))
	tell := func(event string, id enr.ID, addr, record string) {
		t.print(listenEvent{Event: event, NodeID: id.String(), Addr: addr, Record: record}, fmt.Sprintf("%-7s %s %s", event, id, addr))
	}
	for n, s := range node.NodeTable().All() {
		if !s.Member {
			continue
		}
		is := seenNode{n.Addr.String(), n.Seq, s.Live}
		now[n.ID] = is
		was, ok := before[n.ID]
		record := ""
		if r, err := enr.ParseView(n.Record); err == nil {
			record = r.String()
		}
		switch {
		case !ok:
			tell("added", n.ID, is.addr, record)
		case was.seq != is.seq || was.addr != is.addr:
			tell("updated", n.ID, is.addr, record)
		}
		if is.live != was.live {
			tell(map[bool]string{true: "live", false: "silent"}[is.live], n.ID, is.addr, record)
		}
	}
	var gone []enr.ID
	for id := range before {
		if _, ok := now[id]; !ok {
			gone = append(gone, id)
		}
	}
	slices.SortFunc(gone, func(a, b enr.ID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range gone {
		tell("removed", id, before[id].addr, "")
	}
	return now
}
