package eclipse

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
)

// Rules names the rules of a node table.
type Rules int

// The rules that are compared.
const (
	// Ours are those of package table.
	Ours Rules = iota
	// Geth are those of go-ethereum.
	Geth
)

// String returns a name for reports.
func (r Rules) String() string {
	if r == Geth {
		return "go-ethereum"
	}
	return "this module"
}

// nodeTable is a table under some rules.
type nodeTable interface {
	// contacted offers a node that has completed a handshake; inbound says that it started it.
	contacted(now time.Duration, p *peer, inbound bool)
	// heard offers a node that another one has named.
	heard(now time.Duration, p *peer)
	// due returns the nodes to be checked now.
	due(now time.Duration) []enr.ID
	// answered and failed report what came of a check.
	answered(now time.Duration, id enr.ID)
	failed(now time.Duration, id enr.ID)
	// relay appends the nodes at a log distance that are named in an answer.
	relay(distance int, dst []enr.ID) []enr.ID
	// closest returns the n nodes of the table closest to target.
	closest(target enr.ID, n int) []enr.ID
	// feelers returns the nodes of a lookup that are contacted to fill the table.
	feelers(list []*peer) []*peer
	// lookups configures lookups.
	lookups() lookup.Config
	// has reports whether a node is in the table or waits for a place.
	has(id enr.ID) bool
	// members calls f for each live member.
	members(f func(enr.ID))
}

func newTable(r Rules, self enr.ID, byID map[enr.ID]*peer, rnd *rand.Rand, change func(*table.Config)) nodeTable {
	if r == Geth {
		return newGethTable(self, byID, rnd)
	}
	cfg := table.Config{Self: self, Seed: rnd.Uint64()}
	if change != nil {
		change(&cfg)
	}
	return &ourTable{t: table.New(cfg), byID: byID}
}

// ourTable is a table of this module, driven as package engine does.
type ourTable struct {
	t       *table.Table
	byID    map[enr.ID]*peer
	scratch []table.Node
}

const maxFeelers = 3 // as in package engine

// checksPerSecond bounds the checks of one node.
const checksPerSecond = 8

func (o *ourTable) contacted(now time.Duration, p *peer, inbound bool) {
	o.t.Add(now, table.Node{ID: p.id, Record: p.stated(), Addr: p.addr, Inbound: inbound})
}

func (o *ourTable) heard(time.Duration, *peer) {} // hearsay is nothing

func (o *ourTable) due(now time.Duration) (ids []enr.ID) {
	o.scratch = o.t.Due(now, o.scratch[:0], checksPerSecond)
	for i := range o.scratch {
		ids = append(ids, o.scratch[i].ID)
	}
	return ids
}

func (o *ourTable) answered(now time.Duration, id enr.ID) { o.t.MarkLive(now, id, o.byID[id].addr) }
func (o *ourTable) failed(now time.Duration, id enr.ID)   { o.t.MarkFailed(now, id) }

func (o *ourTable) relay(distance int, dst []enr.ID) []enr.ID {
	s := o.t.Relay(distance)
	for i := range s.Len() {
		dst = append(dst, *s.ID(i))
	}
	return dst
}

func (o *ourTable) closest(target enr.ID, n int) (ids []enr.ID) {
	o.scratch = o.t.Closest(target, n, o.scratch[:0])
	for i := range o.scratch {
		ids = append(ids, o.scratch[i].ID)
	}
	return ids
}

func (o *ourTable) feelers(list []*peer) []*peer {
	slices.SortStableFunc(list, func(a, b *peer) int {
		return cmp.Compare(o.t.Crowding(a.addr.Addr()), o.t.Crowding(b.addr.Addr()))
	})
	return list[:min(len(list), maxFeelers)]
}

func (o *ourTable) lookups() lookup.Config { return lookup.Config{Limits: table.DefaultBucketLimits} }

func (o *ourTable) has(id enr.ID) bool {
	_, ok := o.t.Seq(id)
	return ok
}

func (o *ourTable) members(f func(enr.ID)) {
	for n, s := range o.t.All() {
		if s.Member && s.Live {
			f(n.ID)
		}
	}
}
