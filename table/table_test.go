package table

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

func TestAddRejects(t *testing.T) {
	tab := newTable(func(c *Config) {
		c.Filter = func(n Node) bool { return n.Seq() != 77 }
		c.BucketSize, c.Replacements = 1, -1
	})
	mustAdd(t, tab, 0, node(256, 1), Added)
	with := func(mod func(*Node)) Node { n := node(255, 2); mod(&n); return n }
	tests := []struct {
		n    Node
		want AddResult
	}{
		{with(func(n *Node) { n.ID = self }), RejectedSelf},
		{with(func(n *Node) { n.Record = nil }), RejectedRecord},
		{with(func(n *Node) { n.Addr = addrPort("20.0.0.1:0") }), RejectedAddr},
		{with(func(n *Node) { n.Addr = addrPort("224.0.0.1:9000") }), RejectedAddr},
		{with(func(n *Node) { n.Addr = addrPort("[::ffff:0.0.0.0]:9000") }), RejectedAddr},
		{with(func(n *Node) { *n = withSeq(*n, 77) }), RejectedFilter},
		{node(256, 2), RejectedFull},
	}
	for _, tt := range tests {
		mustAdd(t, tab, 0, tt.n, tt.want)
	}
	c := tab.Counters()
	want := [numAddResults]uint64{Added: 1, RejectedSelf: 1, RejectedRecord: 1, RejectedAddr: 3, RejectedFilter: 1, RejectedFull: 1}
	if c.Adds != want || tab.Len() != 1 {
		t.Errorf("counters %v, want %v; len %d", c.Adds, want, tab.Len())
	}
}

func TestAddUpdates(t *testing.T) {
	tab := newTable(nil)
	n := node(256, 1)
	mustAdd(t, tab, 0, n, Added)
	mustAdd(t, tab, 0, n, Unchanged)
	mustLive(t, tab, 1*s, n)

	newer := withSeq(n, 5)
	mustAdd(t, tab, 2*s, newer, Updated)
	if !state(t, tab, n.ID).Live || !bytes.Equal(tab.Relay(256).Record(0), newer.Record.Bytes()) {
		t.Error("a newer record with the same endpoint must keep liveness and be relayed")
	}
	mustAdd(t, tab, 3*s, n, Unchanged)
	if seq, ok := tab.Seq(n.ID); !ok || seq != 5 {
		t.Errorf("Seq = %d %v after an older record", seq, ok)
	}

	// The same record from elsewhere does not push out an endpoint that answers.
	moved := newer
	moved.Addr = addrPort("30.0.0.1:9000")
	mustAdd(t, tab, 4*s, moved, Unchanged)
	if got, _, _ := tab.Get(n.ID); got.Addr != n.Addr {
		t.Error("live endpoint lost")
	}
	// A newer record with another endpoint does, and resets liveness.
	moved = withSeq(moved, 6)
	mustAdd(t, tab, 5*s, moved, Updated)
	if st := state(t, tab, n.ID); st.Live || st.Checks != 0 || st.Proven != 0 || tab.Relay(256).Len() != 0 || tab.LiveLen() != 0 {
		t.Errorf("liveness survived a change of endpoint: %+v", st)
	}
	if st := state(t, tab, n.ID); st.NextCheck != 5*s+FirstCheckDelay {
		t.Errorf("next check %v", st.NextCheck)
	}
	// While nothing has answered, the latest endpoint counts, and the check is not put off.
	moved.Addr = addrPort("31.0.0.1:9000")
	mustAdd(t, tab, 5*s+400*ms, moved, Updated)
	if st := state(t, tab, n.ID); st.NextCheck != 5*s+FirstCheckDelay {
		t.Errorf("moving again put the check off to %v", st.NextCheck)
	}
	if tab.MarkLive(6*s, n.ID, addrPort("30.0.0.1:9000")) || tab.MarkLive(6*s, idAt(256, 99), n.Addr) || tab.MarkLive(6*s, self, n.Addr) {
		t.Error("MarkLive at a foreign endpoint")
	}
	checkInvariants(t, tab)
}

// S17: of the nodes of one network a bucket takes two and the table ten, whatever their IDs. Those
// of this node's own networks do not count.
func TestS17IPLimits(t *testing.T) {
	tab := newTable(nil)
	tab.SetExemptPrivate(true)
	port := 0
	host := func(i int) string { // each at an endpoint of its own
		port++
		return fmt.Sprintf("20.0.0.%d:%d", i+1, port)
	}
	mustAdd(t, tab, 0, at(256, 1, addrPort(host(0))), Added)
	mustAdd(t, tab, 0, at(256, 2, addrPort(host(1))), Added)
	mustAdd(t, tab, 0, at(256, 3, addrPort(host(2))), RejectedBucketIP)
	mustAdd(t, tab, 0, at(256, 4, addrPort("[::ffff:20.0.0.4]:1")), RejectedBucketIP)
	for d := 255; d > 251; d-- {
		mustAdd(t, tab, 0, at(d, 1, addrPort(host(0))), Added)
		mustAdd(t, tab, 0, at(d, 2, addrPort(host(1))), Added)
	}
	mustAdd(t, tab, 0, at(251, 1, addrPort(host(0))), RejectedTableIP)
	// An update may not move into a full prefix; the old endpoint stays.
	n := node(250, 7)
	mustAdd(t, tab, 0, n, Added)
	n = withSeq(n, 2)
	n.Addr = addrPort(host(2))
	mustAdd(t, tab, 0, n, RejectedTableIP)
	if got, _, _ := tab.Get(n.ID); got.Seq() != 1 {
		t.Error("refused update went through")
	}
	tab.Remove(0, idAt(256, 1))
	mustAdd(t, tab, 0, n, Updated)
	mustAdd(t, tab, 0, at(251, 1, addrPort(host(0))), RejectedTableIP)
	for i, a := range []string{"127.0.0.1:%d", "192.168.1.1:%d", "[fe80::1]:%d"} {
		for k := range uint32(5) {
			mustAdd(t, tab, 0, at(249-i, k, addrPort(fmt.Sprintf(a, k+1))), Added)
		}
	}
	mustAdd(t, tab, 0, at(246, 1, addrPort("[2a00:1:2:3::1]:1")), Added)
	mustAdd(t, tab, 0, at(246, 2, addrPort("[2a00:1:2:4::1]:1")), Added)
	mustAdd(t, tab, 0, at(246, 3, addrPort("[2a00:1:2:5::1]:1")), RejectedBucketIP)
	checkInvariants(t, tab)

	free := newTable(func(c *Config) { c.BucketLimits, c.TableLimits = Unlimited, Unlimited })
	for k := range uint32(16) {
		mustAdd(t, free, 0, at(256, k, addrPort(host(0))), Added)
	}
}

func TestInboundLimit(t *testing.T) {
	tab := newTable(func(c *Config) { c.InboundLimit = 2 })
	in := func(k uint32) Node { n := node(256, k); n.Inbound = true; return n }
	mustAdd(t, tab, 0, in(1), Added)
	mustAdd(t, tab, 0, in(2), Added)
	mustAdd(t, tab, 0, in(3), Replacement)
	mustAdd(t, tab, 0, node(256, 4), Added)
	tab.Remove(0, idAt(256, 4))
	if st := state(t, tab, idAt(256, 3)); st.Member {
		t.Error("the place of an outbound node went to an inbound one over the limit")
	}
	tab.Remove(0, idAt(256, 1))
	if st := state(t, tab, idAt(256, 3)); !st.Member {
		t.Error("the place of an inbound node stayed empty")
	}
	checkInvariants(t, tab)
}

// S16: a live node is not demoted for one loss, nor for one loss seen by many requests.
func TestOneLossDoesNotDemote(t *testing.T) {
	tab := newTable(nil)
	n := node(256, 1)
	tab.Add(0, n)
	mustLive(t, tab, 1*s, n)
	for i := range 10 {
		if tab.MarkFailed(10*s+time.Duration(i)*ms, n.ID) {
			t.Fatal("removed for one loss")
		}
	}
	st := state(t, tab, n.ID)
	if !st.Live || st.Fails != 1 || st.Checks != 1 || tab.Relay(256).Len() != 1 {
		t.Errorf("one loss changed more than the next check: %+v", st)
	}
	if st.NextCheck > 10*s+DefaultRevalidateFast*5/4 {
		t.Errorf("checked again only at %v", st.NextCheck)
	}
	mustLive(t, tab, 12*s, n)
	if st := state(t, tab, n.ID); st.Fails != 0 || st.Checks != 2 {
		t.Errorf("after the next answer: %+v", st)
	}
}

func TestFailuresToRemoval(t *testing.T) {
	for _, tt := range []struct{ checks, fails int }{{0, 2}, {1, 2}, {2, 2}, {3, 3}, {8, 3}, {9, 4}, {27, 5}, {81, 6}, {500, 6}} {
		tab := newTable(nil)
		n := node(256, 1)
		tab.Add(0, n)
		for range tt.checks {
			mustLive(t, tab, 0, n)
		}
		now, fails, silent := 100*s, 0, 0
		for removed := false; !removed; now += 2 * s {
			removed = tab.MarkFailed(now, n.ID)
			fails++
			if !removed && !state(t, tab, n.ID).Live && silent == 0 {
				silent = fails
			}
			if fails > 20 {
				t.Fatal("never removed")
			}
		}
		if fails != tt.fails || tt.checks >= 9 && silent != silentAfter {
			t.Errorf("%d checks: removed after %d failures, want %d; silent after %d", tt.checks, fails, tt.fails, silent)
		}
		if tab.Len() != 0 || tab.LiveLen() != 0 || tab.limits.quota[proven].Prefixes()+tab.limits.quota[unproven].Prefixes()+len(tab.limits.endpoints) != 0 || tab.Relay(256) != nil {
			t.Error("removal left something behind")
		}
	}
}

func TestSilentNodeComesBack(t *testing.T) {
	tab := newTable(nil)
	n := node(256, 1)
	tab.Add(0, n)
	for range 81 {
		mustLive(t, tab, 0, n)
	}
	for i := range 3 {
		tab.MarkFailed(time.Duration(i+1)*10*s, n.ID)
	}
	if tab.Relay(256).Len() != 0 || tab.LiveLen() != 0 || tab.Len() != 1 {
		t.Fatal("a node that failed three times in a row is still relayed")
	}
	mustLive(t, tab, 50*s, n)
	if tab.Relay(256).Len() != 1 || tab.LiveLen() != 1 {
		t.Error("an answer must make it live again")
	}
	if !tab.Demote(51*s, n.ID) || tab.Relay(256).Len() != 0 || state(t, tab, n.ID).NextCheck != 51*s {
		t.Error("Demote")
	}
	checkInvariants(t, tab)
}

func TestReplacements(t *testing.T) {
	tab := newTable(nil)
	fill(tab, 256, 0)
	for k := range uint32(12) { // 10 places: the two oldest are pushed out
		mustAdd(t, tab, time.Duration(k)*s, node(256, 100+k), Replacement)
	}
	for _, k := range []uint32{100, 101} {
		if _, _, ok := tab.Get(idAt(256, k)); ok {
			t.Errorf("replacement %d was not pushed out", k)
		}
	}
	mustLive(t, tab, 20*s, node(256, 105)) // verified: goes before later ones
	if tab.LiveLen() != 16 {
		t.Error("a replacement counts as live member")
	}
	tab.Remove(30*s, idAt(256, 3))
	if st := state(t, tab, idAt(256, 105)); !st.Member || st.NextCheck != 30*s {
		t.Errorf("verified replacement not promoted, or not due: %+v", st)
	}
	// Unverified member with replacements waiting: gone at the first failure, the latest takes
	// over.
	mustAdd(t, tab, 31*s, node(256, 3), Replacement)
	tab.Demote(31*s, idAt(256, 4))
	if !tab.MarkFailed(32*s, idAt(256, 4)) || !state(t, tab, idAt(256, 3)).Member {
		t.Error("latest replacement not promoted")
	}
	if !tab.MarkFailed(33*s, idAt(256, 111)) {
		t.Error("a failing replacement must go")
	}
	c := tab.Counters()
	if c.Displaced != 2 || c.Promoted != 2 || c.Removed != 1 {
		t.Errorf("counters %+v", c)
	}
	checkInvariants(t, tab)
}

// S17: a thousand cheap identities evict no live member, and one live replacement at most.
func TestS17CheapIdentities(t *testing.T) {
	tab := newTable(nil)
	fill(tab, 256, 0)
	for k := range uint32(10) {
		tab.Add(0, node(256, 50+k))
		mustLive(t, tab, 1*s, node(256, 50+k))
	}
	for k := range uint32(1000) {
		mustAdd(t, tab, 2*s+time.Duration(k)*s, node(256, 1000+k), Replacement)
	}
	live := 0
	for _, st := range tab.All() {
		if st.Live {
			live++
		}
	}
	if live < 16+9 || tab.LiveLen() != 16 {
		t.Errorf("%d live nodes left, %d members", live, tab.LiveLen())
	}
	checkInvariants(t, tab)
}

func TestEvents(t *testing.T) {
	var got []EventKind
	var tab *Table
	tab = newTable(func(c *Config) {
		c.BucketSize = 1
		c.OnChange = func(e Event) {
			got = append(got, e.Kind)
			tab.Get(e.Node.ID) // no lock is held
			tab.Add(0, e.Node)
		}
	})
	a, b := node(256, 1), node(256, 2)
	steps := []struct {
		do   func()
		want []EventKind
	}{
		{func() { tab.Add(0, a) }, []EventKind{EventAdded}},
		{func() { tab.MarkLive(0, a.ID, a.Addr) }, []EventKind{EventLive}},
		{func() { tab.MarkLive(0, a.ID, a.Addr) }, nil},
		{func() { tab.Add(0, b) }, nil},
		{func() { tab.MarkLive(0, b.ID, b.Addr) }, nil},
		{func() { a = withSeq(a, 2); tab.Add(0, a) }, []EventKind{EventUpdated}},
		{func() { tab.Demote(0, a.ID) }, []EventKind{EventSilent}},
		{func() { tab.MarkFailed(0, a.ID) }, []EventKind{EventRemoved, EventAdded, EventLive}},
	}
	for i, st := range steps {
		got = nil
		st.do()
		if !slices.Equal(got, st.want) {
			t.Errorf("step %d: events %v, want %v", i, got, st.want)
		}
	}
}

func TestGetSeqAll(t *testing.T) {
	tab := newTable(func(c *Config) { c.BucketSize = 1 })
	tab.Add(1*s, node(256, 1))
	tab.Add(2*s, node(256, 2))
	tab.Add(3*s, node(255, 3))
	var order []enr.ID
	for n, st := range tab.All() {
		order = append(order, n.ID)
		if st.Member != (n.ID != idAt(256, 2)) {
			t.Errorf("%s: member %v", n.ID.Short(), st.Member)
		}
		tab.Remove(0, n.ID) // allowed in the body
	}
	if want := []enr.ID{idAt(256, 1), idAt(256, 2), idAt(255, 3)}; !slices.Equal(order, want) {
		t.Errorf("All: %v", order)
	}
	if _, ok := tab.Seq(self); ok {
		t.Error("Seq of self")
	}
	if _, _, ok := tab.Get(self); ok || tab.Remove(0, self) || tab.MarkFailed(0, self) || tab.Demote(0, self) || tab.Len() != 0 {
		t.Error("self, or something left")
	}
	if info := tab.BucketInfo(0); info != (BucketInfo{}) {
		t.Errorf("bucket 0: %+v", info)
	}
	if tab.Relay(0) != nil || tab.Relay(257) != nil {
		t.Error("distance out of range")
	}
}

// The lists of a bucket grow with their content, up to the configured size and no
// further.
func TestListsGrow(t *testing.T) {
	tab := newTable(func(c *Config) { c.BucketSize, c.Replacements = 10, 3 })
	b := &tab.buckets[255]
	for k, room := range []int{4, 4, 4, 4, 8, 8, 8, 8, 10, 10} {
		mustAdd(t, tab, 0, node(256, uint32(k)), Added)
		if len(b.members) != k+1 || cap(b.members) != room {
			t.Errorf("%d members, room for %d, want %d", len(b.members), cap(b.members), room)
		}
	}
	for k := range 5 {
		mustAdd(t, tab, 0, node(256, uint32(10+k)), Replacement)
	}
	if len(b.members) != 10 || cap(b.members) != 10 || len(b.waiting) != 3 || cap(b.waiting) != 3 {
		t.Errorf("%d members, room for %d; %d replacements, room for %d", len(b.members), cap(b.members), len(b.waiting), cap(b.waiting))
	}
}
