package engine

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/fastdisc/discv5/enr"
)

// departedSize is how many nodes that left the table are remembered.
const departedSize = 64

// departed are the records of nodes that left the table last. A WHOAREYOU may have told such a node
// that its record is known here: then its handshake comes without one. And when hardly anybody is
// left, they are asked again.
type departed struct {
	mu   sync.Mutex
	ring [departedSize]departedNode
	at   int
}

type departedNode struct {
	id     enr.ID
	record *enr.Record
	// where it was contacted; zero if its newest record names another endpoint
	addr netip.AddrPort
}

func (d *departed) add(id enr.ID, record *enr.Record, addr netip.AddrPort) {
	d.mu.Lock()
	d.ring[d.at] = departedNode{id, record, addr}
	d.at = (d.at + 1) % departedSize
	d.mu.Unlock()
}

// find returns the record of a node, or nil.
func (d *departed) find(id enr.ID) *enr.Record {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ring {
		n := &d.ring[(d.at+departedSize-1-i)%departedSize]
		if n.id == id {
			return n.record
		}
	}
	return nil
}

// remove forgets a node.
func (d *departed) remove(id enr.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ring {
		if d.ring[i].id == id {
			d.ring[i] = departedNode{}
		}
	}
}

// all returns what is remembered, the last one first. A node that has left more than once is there
// as it left the last time.
func (d *departed) all() (nodes []departedNode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ring {
		n := &d.ring[(d.at+departedSize-1-i)%departedSize]
		if n.record == nil || slices.ContainsFunc(nodes, func(o departedNode) bool { return o.id == n.id }) {
			continue
		}
		nodes = append(nodes, *n)
	}
	return nodes
}
