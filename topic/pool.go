package topic

import (
	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/enr"
)

// PoolSize is the number of nodes that a Pool keeps.
const PoolSize = 512

// Pool keeps capable nodes that any answer has named. Where few nodes have
// the capability the node table alone holds hardly one. When the pool is full a new node takes the
// place of a random one. A Pool belongs to one goroutine at a time.
type Pool struct {
	nodes []Node
	at    map[enr.ID]int
}

// Add offers a node. It is taken if it has the capability entry, and if its record is newer than
// the one that the pool has of it.
func (p *Pool) Add(n Node, rnd *aead.Random) bool {
	if n.Record == nil || !n.Record.SupportsTopics() {
		return false
	}
	id := n.Record.ID()
	if i, ok := p.at[id]; ok {
		if n.Record.Seq() <= p.nodes[i].Record.Seq() {
			return false
		}
		p.nodes[i] = n
		return true
	}
	if p.at == nil {
		p.at = make(map[enr.ID]int)
	}
	i := len(p.nodes)
	if i < PoolSize {
		p.nodes = append(p.nodes, n)
	} else {
		i = int(rnd.Uint32n(PoolSize))
		delete(p.at, p.nodes[i].Record.ID())
		p.nodes[i] = n
	}
	p.at[id] = i
	return true
}

// Remove forgets a node.
func (p *Pool) Remove(id enr.ID) {
	i, ok := p.at[id]
	if !ok {
		return
	}
	last := len(p.nodes) - 1
	p.nodes[i] = p.nodes[last]
	p.at[p.nodes[i].Record.ID()] = i
	p.nodes[last] = Node{}
	p.nodes = p.nodes[:last]
	delete(p.at, id)
}

// Nodes returns the nodes of the pool. The slice is valid until the next call of Add or Remove, and
// for reading only. None of them is known to be live.
func (p *Pool) Nodes() []Node { return p.nodes }
