package forks

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/enr"
)

const (
	// refusedSlots bounds the refused nodes that a Filter remembers. A newer one replaces another
	// one in its slot.
	refusedSlots = 8192
	// refusedAge is how long a Filter remembers a refused node that it does not see.
	refusedAge = time.Hour
)

// Filter decides which nodes belong to a chain, for discv5.Config.TableFilter. It counts the nodes
// that it refuses by their forks, in bounded memory. It is safe for concurrent use.
type Filter struct {
	chain Chain
	now   func() time.Time

	mu      sync.Mutex
	refused [refusedSlots]refusedNode
}

// refusedNode is a node of another fork. seen is 0 in a free slot.
type refusedNode struct {
	id      uint64
	seen    int64 // Unix seconds
	verdict Verdict
}

// NewFilter returns a filter for the nodes of a chain. now is the clock, such as time.Now.
func NewFilter(chain Chain, now func() time.Time) *Filter {
	return &Filter{chain: chain, now: now}
}

// Allow reports whether the chain serves a node with the given record: see Match.Serves.
func (f *Filter) Allow(r *enr.Record) bool {
	now := f.now()
	verdict := f.chain.Check(r.View(), now)
	id := r.ID()
	key := binary.LittleEndian.Uint64(id[:])
	slot := &f.refused[(key^key>>32)%refusedSlots]
	f.mu.Lock()
	defer f.mu.Unlock()
	if verdict.Match.Serves() {
		if slot.id == key {
			*slot = refusedNode{}
		}
		return true
	}
	*slot = refusedNode{key, now.Unix(), verdict}
	return false
}

// Count is how many nodes name a fork.
type Count struct {
	Verdict
	Name  string // of the fork; empty if it is not one of the chain
	Nodes int
}

// Refused returns how many nodes the filter has refused in the last hour, the most common fork
// first. Several nodes may share a slot of its memory, so it counts too few of many thousands.
func (f *Filter) Refused() []Count {
	var t Tally
	oldest := f.now().Add(-refusedAge).Unix()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.refused {
		if r := &f.refused[i]; r.seen > 0 && r.seen >= oldest {
			t.add(r.verdict)
		}
	}
	return t.Counts(f.chain)
}

// Tally counts records by their forks. The zero value is ready for use.
type Tally struct {
	nodes map[Verdict]int
}

// Add counts a record, and returns how it relates to the chain.
func (t *Tally) Add(chain Chain, v enr.View, now time.Time) Verdict {
	verdict := chain.Check(v, now)
	t.add(verdict)
	return verdict
}

func (t *Tally) add(v Verdict) {
	if t.nodes == nil {
		t.nodes = make(map[Verdict]int)
	}
	t.nodes[v]++
}

// Counts returns the result, the most common fork first.
func (t *Tally) Counts(chain Chain) []Count {
	list := make([]Count, 0, len(t.nodes))
	for v, n := range t.nodes {
		c := Count{Verdict: v, Nodes: n}
		if v.Match != Absent {
			c.Name = NameOf(chain, v.Digest)
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Match, b.Match), slices.Compare(a.Digest[:], b.Digest[:]))
	})
	return list
}

// NameOf returns the name of the chain's fork with the given digest, or "".
func NameOf(chain Chain, d Digest) string {
	for _, f := range chain.Forks() {
		if f.Digest == d {
			return f.Name
		}
	}
	return ""
}
