package engine

import (
	"slices"
	"sync"

	"github.com/fastdisc/discv5/enr"
)

// departedSize is how many nodes that left the table are remembered.
const departedSize = 64

// departed are the records of nodes that left the table last. A WHOAREYOU may have told such a node that its
// record is known here: then its handshake comes without one. And when hardly anybody is left, they are asked again.
type departed struct {
	mu   sync.Mutex
	ring [departedSize]departedNode
	at   int
}

type departedNode struct {
	id     enr.ID
	record []byte
}

func (d *departed) add(id enr.ID, record []byte) {
	d.mu.Lock()
	d.ring[d.at] = departedNode{id, record}
	d.at = (d.at + 1) % departedSize
	d.mu.Unlock()
}

// find returns the encoded record of a node, or nil.
func (d *departed) find(id enr.ID) []byte {
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

// all returns the encoded records of all that are remembered, the last one first. Of a node that has left more than once it is
// the last one.
func (d *departed) all() (records [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var seen [departedSize]*enr.ID
	for i := range d.ring {
		n := &d.ring[(d.at+departedSize-1-i)%departedSize]
		if n.record == nil || slices.ContainsFunc(seen[:len(records)], func(id *enr.ID) bool { return *id == n.id }) {
			continue
		}
		seen[len(records)] = &n.id
		records = append(records, n.record)
	}
	return records
}
