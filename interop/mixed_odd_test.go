package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/enr"
)

const (
	oddRegular   = 12 // regular nodes of this project, and of go-ethereum
	oddForeign   = 2  // nodes of each foreign implementation
	oddObservers = 2  // of each of the two kinds; the test compares their lookups

	// oddLookups is the number of concurrent lookups. They mostly wait for nodes that do not
	// answer.
	oddLookups = 24

	// oddTimeout and oddRounds bound the time until tables are full, and then until lookups have
	// found all nodes. Both must be exceeded: a round takes minutes on a busy machine.
	oddTimeout = 5 * time.Minute
	oddRounds  = 6

	// minBootKnows is the number of live nodes that each odd bootnode must know before others start
	// from it.
	minBootKnows = 4

	// minOddTables is the mean fill level of the tables of regular nodes, relative to their
	// capacity, and minOddTable the fill level of each odd node. Others contact an odd node less
	// often.
	minOddTables = 0.97
	minOddTable  = 0.6
)

// TestMixedOddNetwork: more than a fifth of the nodes of a mixed network are odd in ways that
// public bug reports describe. The tables and lookups of this project's nodes find at least as many
// nodes as those of go-ethereum, and every node that can be found. Each regular node in the test
// process knows only one bootnode, an odd one.
func TestMixedOddNetwork(t *testing.T) {
	t.Parallel() // it mostly waits
	var h hosts
	requireAddr(t, h.next())
	foreigners := available(t)
	if t.Failed() {
		return
	}
	plain := startBootnode(t, newBootConfig(t, loopback4))
	record := mustParse(t, plain.node.String())
	boots := oddBootnodes(t, &h, byRecord(record))
	list := slices.Concat(boots, oddResidents(t, &h, byRecord(record)))
	odd := len(list)
	// go-ethereum drops a bootnode whose answers are empty, and is then isolated.
	eventually(t, oddTimeout, time.Second, "nodes in the tables of all bootnodes", func() (bool, string) {
		least := len(list)
		meet(othersOf(list), oddLookups)
		for _, r := range boots {
			least = min(least, len(r.live()))
		}
		return least >= minBootKnows, fmt.Sprintf("%d live in the emptiest", least)
	})
	for i := range oddRegular {
		boot := boots[i%len(boots)].boot
		list = append(list, ownResident(t, "", h.next(), boot, nil))
		list = append(list, gethResident(t, "", h.next(), boot, nil))
	}
	for _, m := range startForeigners(t, foreigners, oddForeign, h.next, record) {
		end, _ := m.record.UDPEndpoint4()
		list = append(list, &resident{member: m, addr: end})
	}
	if 5*odd < len(list) {
		t.Fatalf("%d of %d nodes are odd, less than a fifth", odd, len(list))
	}
	t.Logf("%d nodes around a bootnode, %d of them odd", len(list), odd)

	ids := []enode.ID{plain.node.ID()}
	nw := &oddNetwork{list: list, ids: ids, answering: slices.Clone(ids)}
	for _, r := range list {
		if !r.addr.IsValid() {
			continue
		}
		nw.ids = append(nw.ids, enode.ID(r.record.ID()))
		if r.live != nil {
			nw.answering = append(nw.answering, enode.ID(r.record.ID()))
		}
	}
	nw.fillTables(t)
	nw.compareLookups(t)
	nw.checkOdd(t)
}

// oddNetwork is a network with odd nodes.
type oddNetwork struct {
	list []*resident
	ids  []enode.ID // of all nodes that can be found

	// answering are the nodes of ids that answer every odd node.
	answering []enode.ID
}

// tables sums up the fill levels of tables.
type tables struct {
	live, capacity int
	worst          float64
	worstNode      string
}

func (s tables) share() float64 { return float64(s.live) / float64(s.capacity) }

func (s tables) String() string {
	return fmt.Sprintf("%d of %d live (%.1f%%), the worst has %.0f%% (%s)",
		s.live, s.capacity, 100*s.share(), 100*s.worst, s.worstNode)
}

// tables counts the live nodes in tables of a kind, without nodes that cannot be found. The
// capacity of a table depends on the node's ID.
func (nw *oddNetwork) tables(kind string, odd bool) tables {
	s := tables{worst: 1}
	for _, r := range nw.list {
		if r.kind != kind || r.live == nil || !odd && r.odd != "" {
			continue
		}
		live := 0
		for _, id := range r.live() {
			if slices.Contains(nw.ids, enode.ID(id)) {
				live++
			}
		}
		room := capacity(enode.ID(r.record.ID()), nw.ids)
		if r.odd != "" {
			// Foreign implementations do not answer some of the odd nodes.
			room = capacity(enode.ID(r.record.ID()), nw.answering)
			live = min(live, room)
		}
		if share := float64(live) / float64(room); share < s.worst {
			s.worst, s.worstNode = share, r.name()+", without "+strings.Join(nw.missing(r), ", ")
		}
		s.live, s.capacity = s.live+live, s.capacity+room
	}
	return s
}

// missing names the nodes that are not live in a table.
func (nw *oddNetwork) missing(r *resident) (names []string) {
	live := r.live()
	for _, o := range nw.list {
		if id := o.record.ID(); o != r && o.addr.IsValid() && !slices.Contains(live, id) {
			d := enr.LogDistance(r.record.ID(), id)
			names = append(names, fmt.Sprintf("%s at distance %d", o.name(), d))
		}
	}
	return names
}

func (r *resident) name() string {
	if r.odd == "" {
		return fmt.Sprintf("%s node %s", r.kind, r.record.ID().Short())
	}
	return fmt.Sprintf("%s node %s with %s", r.kind, r.record.ID().Short(), r.odd)
}

// othersOf returns the nodes of other implementations.
func othersOf(list []*resident) (others []member) {
	for _, r := range list {
		if r.kind != ownKind {
			others = append(others, r.member)
		}
	}
	return others
}

// fillTables waits until the tables of this project's regular nodes are full, and at least as full
// as those of go-ethereum, which have stopped growing. All other nodes do lookups, as their
// applications would; this project's nodes find others without.
func (nw *oddNetwork) fillTables(t *testing.T) {
	t.Helper()
	others := othersOf(nw.list)
	start, before := time.Now(), 0
	for round := 1; ; round++ {
		meet(others, oddLookups)
		all, own, geth := nw.tables(ownKind, true), nw.tables(ownKind, false), nw.tables(gethKind, false)
		t.Logf("tables after %v, round %d: own %v; go-ethereum %v; all own %v",
			time.Since(start).Round(time.Second), round, own, geth, all)
		settled := geth.live > 0 && geth.live <= before
		if settled && own.share() >= geth.share() && own.share() >= minOddTables &&
			own.worst >= minTableShare && all.worst >= minOddTable {
			return
		}
		before = geth.live
		if time.Since(start) > oddTimeout && round >= oddRounds {
			t.Fatal("tables of this project's nodes are not full, or less so than those of go-ethereum")
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// compareLookups lets nodes look up every other node that can be found.
func (nw *oddNetwork) compareLookups(t *testing.T) {
	t.Helper()
	var left []pair
	all := make(map[string]int)
	observers := make(map[string]int)
	for _, from := range nw.list {
		if from.odd != "" || from.live == nil || observers[from.kind] == oddObservers {
			continue
		}
		observers[from.kind]++
		for _, to := range nw.list {
			if to != from && to.addr.IsValid() {
				left = append(left, pair{from.member, to.member})
				all[from.kind]++
			}
		}
	}
	start := time.Now()
	for round := 1; ; round++ {
		var failures []string
		left, failures = search(left, oddLookups)
		missed := make(map[string]int)
		for _, p := range left {
			missed[p.from.kind]++
		}
		own, geth := all[ownKind]-missed[ownKind], all[gethKind]-missed[gethKind]
		t.Logf("lookups after %v, round %d: own found %d of %d, go-ethereum %d of %d",
			time.Since(start).Round(time.Second), round, own, all[ownKind], geth, all[gethKind])
		if missed[ownKind] == 0 && own >= geth {
			return
		}
		if time.Since(start) > oddTimeout && round >= oddRounds {
			failures = slices.DeleteFunc(failures, func(s string) bool {
				return !strings.HasPrefix(s, ownKind)
			})
			t.Fatalf("lookups of this project's nodes do not find everybody:\n%s",
				strings.Join(failures, "\n"))
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// checkOdd expects that each odd node that can be found is known at the endpoint where it is
// reachable, and that the others are not known at all.
func (nw *oddNetwork) checkOdd(t *testing.T) {
	for _, odd := range nw.list {
		if odd.odd == "" {
			continue
		}
		t.Run(strings.ReplaceAll(odd.odd, " ", "_"), func(t *testing.T) {
			known := 0
			// After a pause of the machine a node may be live nowhere for a moment.
			eventually(t, contactTimeout, time.Second, "live in a table, if it can be found", func() (bool, string) {
				known = 0
				for _, r := range nw.list {
					if r.own == nil || r == odd {
						continue
					}
					n, ok := r.own.Known(odd.record.ID())
					if !ok || !n.Live {
						continue
					}
					if known++; n.Addr != odd.addr {
						t.Errorf("%s knows it at %v, want %v", r.name(), n.Addr, odd.addr)
					}
				}
				return known > 0 || !odd.addr.IsValid(), "in none of the tables"
			})
			if odd.own != nil && odd.addr.IsValid() {
				eventually(t, contactTimeout, time.Second, "its endpoint in its record", func() (bool, string) {
					end, _ := odd.own.LocalRecord().UDPEndpoint4()
					return end == odd.addr, fmt.Sprintf("%v, want %v", end, odd.addr)
				})
			}
			if odd.via != nil && odd.via.remotes() < known {
				t.Errorf("%d remote addresses at its open endpoint, in %d tables", odd.via.remotes(), known)
			}
		})
	}
}
