package table

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Trusted nodes count for no limit by prefix and are refused by none. They stay when they fail and
// are not displaced, and other nodes are limited as they would be without them.
func TestTrustedNodes(t *testing.T) {
	const d = 200
	home := func(k uint32) Node { // all in one /24
		return at(d, k, netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, byte(k)}), 9000))
	}
	trusted := map[enr.ID]bool{}
	for k := range uint32(6) {
		trusted[home(k).ID] = true
	}
	tab := newTable(func(c *Config) { c.Trusted = func(id enr.ID) bool { return trusted[id] } })
	for k := range uint32(6) {
		n := home(k)
		if r := tab.Add(0, n); r != Added {
			t.Fatalf("trusted node %d: %v", k, r)
		}
		if !tab.MarkLive(time.Second, n.ID, n.Addr) {
			t.Errorf("trusted node %d is not live", k)
		}
	}
	// The limits of the prefix are what they are without the trusted nodes: two in a bucket.
	for k := range uint32(4) {
		want := Added
		if k >= 2 {
			want = RejectedBucketIP
		}
		n := home(10 + k)
		tab.Add(2*time.Second, n)
		tab.MarkLive(2*time.Second, n.ID, n.Addr)
		if _, _, ok := tab.Get(n.ID); ok != (want == Added) {
			t.Errorf("node %d is in the table: %v", k, ok)
		}
	}
	// The rest of the bucket, and a flood of others.
	for k := range uint32(200) {
		n := node(d, 100+k)
		tab.Add(3*time.Second, n)
		tab.MarkLive(3*time.Second, n.ID, n.Addr)
	}
	now := 4 * time.Second
	for range 70000 {
		now += 2 * failureGap
		for k := range uint32(6) {
			if tab.MarkFailed(now, home(k).ID) {
				t.Fatalf("trusted node %d was dropped", k)
			}
		}
	}
	for k := range uint32(6) {
		_, s, ok := tab.Get(home(k).ID)
		if !ok || !s.Member || s.Live || s.Fails < 60000 {
			t.Errorf("trusted node %d after failures: %+v, %v", k, s, ok)
		}
		if !tab.MarkLive(now, home(k).ID, home(k).Addr) {
			t.Errorf("trusted node %d does not come back", k)
		}
		if _, s, _ := tab.Get(home(k).ID); !s.Live {
			t.Errorf("trusted node %d is not live again", k)
		}
	}
	if !tab.Remove(now, home(0).ID) {
		t.Error("a trusted node cannot be removed")
	}
}

// Neither the limits of a bucket nor those of the table refuse trusted nodes, also where others
// have used them up; and others have the limits for themselves.
func TestTrustedNodesBesideOthers(t *testing.T) {
	home := func(d int, k uint32) Node {
		return at(d, k, netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, byte(k)}), 9000))
	}
	const trustedFrom = 100
	tab := newTable(func(c *Config) {
		c.Trusted = func(id enr.ID) bool { return id[31] >= trustedFrom }
	})
	count := func(from uint32) (members int) {
		for d := range 20 {
			for k := range uint32(4) {
				n := home(200+d, from+4*uint32(d)+k)
				tab.Add(time.Second, n)
				tab.MarkLive(2*time.Second, n.ID, n.Addr)
				if _, s, ok := tab.Get(n.ID); ok && s.Member && s.Live {
					members++
				}
			}
		}
		return members
	}
	if n := count(0); n != DefaultTableLimits.Site {
		t.Errorf("%d nodes of a /24, want %d", n, DefaultTableLimits.Site)
	}
	if n := count(trustedFrom); n != 80 {
		t.Errorf("%d trusted nodes of the same /24, want 80", n)
	}
}

// A trusted node that finds its bucket full waits, whatever its prefix, and neither a flood nor its
// own failures push it out. It takes the next free slot like any other.
func TestTrustedNodeWaits(t *testing.T) {
	const d = 210
	me := node(d, 1000)
	tab := newTable(func(c *Config) { c.Trusted = func(id enr.ID) bool { return id == me.ID } })
	fill(tab, d, 0)
	if r := tab.Add(time.Second, me); r != Replacement {
		t.Fatalf("added: %v", r)
	}
	now := time.Second
	for k := range uint32(300) {
		now += 2 * failureGap
		n := node(d, 2000+k)
		tab.Add(now, n)
		tab.MarkFailed(now, me.ID)
	}
	if _, s, ok := tab.Get(me.ID); !ok || s.Member {
		t.Fatalf("after a flood: %+v, %v", s, ok)
	}
	tab.MarkLive(now, me.ID, me.Addr)
	tab.Remove(now, node(d, 0).ID)
	if _, s, ok := tab.Get(me.ID); !ok || !s.Member {
		t.Errorf("a slot is free: %+v, %v", s, ok)
	}
}
