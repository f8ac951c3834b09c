package table

import "time"

// Replace is Add for a record that its owner has shown just now, at the endpoint n.Addr: it takes
// the place of what the table has of the node, be that newer. The caller has made sure that the
// endpoint in the table is dead, or is n.Addr. If the table refuses n, it keeps what it has.
func (t *Table) Replace(now time.Duration, n Node) AddResult {
	r := t.add(now, &n, true)
	t.adds[r].Add(1)
	return r
}
