package engine

import (
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/table"
)

// The table filter decides who is a member of the table and a result of a lookup. Nodes that it
// refuses are asked all the same: a bootnode may serve several networks.

// ApplyFilter applies Config.Table.Filter to all nodes of the table, and takes out those that it
// refuses. Call it when the filter would decide otherwise than before. It returns how many nodes
// left.
func (e *Engine) ApplyFilter(now time.Duration) (n int) {
	filter := e.cfg.Table.Filter
	if filter == nil {
		return 0
	}
	for node := range e.table.All() {
		if !filter(node) && e.table.Remove(now, node.ID) {
			n++
		}
	}
	return n
}

// Passes reports whether the table filter lets a node with this record be a result.
func (e *Engine) Passes(r *enr.Record) bool {
	if e.cfg.Table.Filter == nil {
		return true
	}
	addr, _ := e.given(time.Duration(e.ticked.Load()), r)
	return e.cfg.Table.Filter(table.NewNode(r, addr, false))
}

// keep returns the condition for results of a lookup: that of the caller, which may be nil, and the
// table filter. A node whose record is not known cannot be a result.
func (e *Engine) keep(also func(*Peer) bool) func(*Peer) bool {
	return func(c *Peer) bool {
		if c.Record == nil || also != nil && !also(c) {
			return false
		}
		return e.Passes(c.Record)
	}
}
