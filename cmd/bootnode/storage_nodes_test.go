package main

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/failed"
	"github.com/fastdisc/discv5/internal/store"
)

// other returns the record of another node on loopback, number n.
func other(t *testing.T, n byte) *enr.Record {
	t.Helper()
	key, err := enr.ParsePrivateKey(append(make([]byte, 31), n))
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetSeq(1).SetIP(netip.AddrFrom4([4]byte{127, 0, 0, n})).SetUDP(9).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testKeeper is a keeper whose table holds the nodes that the test puts there.
type testKeeper struct {
	*keeper
	nodes map[enr.ID]discv5.KnownNode
}

// keeperOf returns a keeper of a node that is not started.
func keeperOf(t *testing.T, seeds ...*enr.Record) testKeeper {
	t.Helper()
	node, err := discv5.New(discv5.Config{ListenAddrs: mustAddrs("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Join(t.TempDir(), "nodes.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close(); st.Close() })
	now := time.Now()
	var entries []store.Entry
	for _, s := range seeds {
		entries = append(entries, store.Entry{ID: s.ID(), Seq: s.Seq(), Record: s.Bytes(), Seen: now.Add(-time.Hour)})
	}
	if _, err := st.SaveNodes(entries, true); err != nil {
		t.Fatal(err)
	}
	nodes := make(map[enr.ID]discv5.KnownNode)
	k := newKeeper(node, st, discv5.Contacts(seeds...), newCounts(now), now)
	k.all = maps.Values(nodes)
	return testKeeper{k, nodes}
}

// add puts a live node into the table.
func (k testKeeper) add(r *enr.Record) {
	a, _ := r.UDPEndpoint4()
	k.nodes[r.ID()] = discv5.KnownNode{Record: r, Addr: a, Member: true, Live: true, Added: k.epoch, LastSeen: k.epoch}
}

// stored returns the IDs in the store, best first.
func (k testKeeper) stored(t *testing.T) (ids []enr.ID) {
	t.Helper()
	nodes, _, err := k.store.Nodes(100)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		ids = append(ids, n.Record.ID())
	}
	return ids
}

// The keeper forgets seeds that do not answer while others do, and keeps those that answer. A node
// that leaves the table loses score. While nobody answers, this node itself may be at fault, and
// the keeper forgets nothing.
func TestSeedsAreJudged(t *testing.T) {
	alive, dead, gone := other(t, 1), other(t, 2), other(t, 3)
	k := keeperOf(t, alive, dead)
	var forgotten []enr.ID
	k.forget = func(ids []enr.ID) error { forgotten = append(forgotten, ids...); return nil }
	save := func(after time.Duration) {
		t.Helper()
		if _, err := k.save(k.epoch.Add(after), false); err != nil {
			t.Fatal(err)
		}
	}
	save(2 * failed.SeedTrial) // no network
	if len(k.stored(t)) != 2 || len(forgotten) > 0 {
		t.Fatalf("without a network %d nodes are left", len(k.stored(t)))
	}
	k.add(alive)
	save(failed.SeedTrial / 2)
	if len(k.stored(t)) != 2 || len(forgotten) > 0 {
		t.Errorf("a seed was judged before its time")
	}
	save(failed.SeedTrial + time.Second)
	if ids := k.stored(t); !slices.Equal(ids, []enr.ID{alive.ID()}) || !slices.Equal(forgotten, []enr.ID{dead.ID()}) {
		t.Errorf("%v are left, %v forgotten", ids, forgotten)
	}
	k.add(gone)
	save(failed.SeedTrial + 2*time.Second)
	if len(k.stored(t)) != 2 {
		t.Fatal("a new node was not saved")
	}
	delete(k.nodes, gone.ID())
	save(failed.SeedTrial + 3*time.Second)
	if ids := k.stored(t); !slices.Equal(ids, []enr.ID{alive.ID()}) {
		t.Errorf("after it has left the table: %v", ids)
	}
	// The network fails: the last node leaves the table, and stays in the store.
	delete(k.nodes, alive.ID())
	save(failed.SeedTrial + 4*time.Second)
	save(failed.SeedTrial + 5*time.Second)
	if len(k.stored(t)) != 1 {
		t.Error("nothing is left after the network broke down")
	}
	// The network returns with one of many nodes: the others have not failed.
	for n := range byte(5) {
		k.add(other(t, 10+n))
	}
	save(failed.SeedTrial + 6*time.Second)
	for n := range byte(4) {
		delete(k.nodes, other(t, 10+n).ID())
	}
	save(failed.SeedTrial + 7*time.Second)
	if n := len(k.stored(t)); n != 6 {
		t.Errorf("%d nodes are left after a break", n)
	}
	if n, bad := k.count.saves.Load(), k.count.badSaves.Load(); n != 9 || bad != 0 {
		t.Errorf("%d saves counted, %d failed", n, bad)
	}
	k.store.Close()
	if _, err := k.save(time.Now(), true); err == nil || k.count.badSaves.Load() != 1 {
		t.Errorf("save into a closed store: %v", err)
	}
}
