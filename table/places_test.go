package table

import (
	"fmt"
	"testing"
)

// S17: a new identity of a network whose replacements have answered takes the place of none of
// them.
func TestS17AnsweredReplacementsStay(t *testing.T) {
	tab := newTable(func(c *Config) { c.Turnover = -1 })
	fill(tab, 256, 0)
	for k := range uint32(DefaultBucketLimits.Site) {
		n := at(256, 500+k, addrPort(fmt.Sprintf("60.1.1.%d:9000", 1+k)))
		mustAdd(t, tab, s, n, Replacement)
		mustLive(t, tab, s, n)
	}
	mustAdd(t, tab, 2*s, at(256, 600, addrPort("60.1.1.9:9000")), RejectedBucketIP)
	checkInvariants(t, tab)
}

// S34: a node that made contact first takes the place of none that this node has found, where the
// configuration bounds the former.
func TestS34InboundDisplacesNoOutbound(t *testing.T) {
	for _, inbound := range []bool{true, false} {
		t.Run(fmt.Sprint(inbound), func(t *testing.T) {
			tab := newTable(func(c *Config) { c.InboundLimit = 8 })
			crowd(tab)
			n := node(256, 5000)
			n.Inbound = inbound
			tab.Add(2*s, n)
			tab.MarkLive(3*s, n.ID, n.Addr)
			if got := state(t, tab, n.ID).Member; got == inbound {
				t.Errorf("member: %v", got)
			}
			checkInvariants(t, tab)
		})
	}
}

// S34: a replacement of a crowded network pushes out none of networks with fewer members.
func TestS34CrowdedReplacementIsRefused(t *testing.T) {
	tab := newTable(func(c *Config) { c.Turnover = -1 })
	fill(tab, 256, 0)
	for k := range uint32(DefaultReplacements) {
		mustAdd(t, tab, s, node(256, 100+k), Replacement)
	}
	for k := range uint32(4) { // in other buckets
		n := at(255-int(k), 700+k, addrPort(fmt.Sprintf("60.1.1.%d:9000", 1+k)))
		mustAdd(t, tab, s, n, Added)
		mustLive(t, tab, s, n)
	}
	mustAdd(t, tab, 2*s, at(256, 800, addrPort("60.1.1.9:9000")), RejectedFull)
	mustAdd(t, tab, 2*s, node(256, 900), Replacement)
	checkInvariants(t, tab)
}

// A record that is older than the known one changes nothing, also while its node has not answered.
func TestOlderRecordChangesNothing(t *testing.T) {
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprint(live), func(t *testing.T) {
			tab := newTable(nil)
			n := withSeq(node(256, 1), 5)
			mustAdd(t, tab, 0, n, Added)
			if live {
				mustLive(t, tab, 0, n)
			}
			old := withSeq(at(256, 1, addrPort("60.1.1.1:9000")), 4)
			mustAdd(t, tab, s, old, Unchanged)
			if got, _, _ := tab.Get(n.ID); got.Addr != n.Addr || got.Seq() != 5 {
				t.Errorf("at %v with record %d", got.Addr, got.Seq())
			}
		})
	}
}

// A replacement takes a free place only within the limits of the table.
func TestS32PromotionKeepsLimits(t *testing.T) {
	tab := newTable(func(c *Config) { c.Turnover = -1 })
	fill(tab, 256, 0)
	waits := at(256, 500, addrPort("60.1.1.99:9000"))
	mustAdd(t, tab, s, waits, Replacement)
	mustLive(t, tab, s, waits)
	for k := range uint32(DefaultTableLimits.Site) {
		n := at(255-int(k/2), 700+k, addrPort(fmt.Sprintf("60.1.1.%d:9000", 1+k)))
		mustAdd(t, tab, s, n, Added)
		mustLive(t, tab, s, n)
	}
	tab.Remove(2*s, idAt(256, 3))
	if state(t, tab, waits.ID).Member {
		t.Error("a network has more members than the table allows")
	}
	checkInvariants(t, tab)
}

// S17: a node that has just answered at its endpoint is not put in doubt by a new identity there.
func TestS17FreshAnswerIsNotContested(t *testing.T) {
	for _, c := range []struct {
		name  string
		fresh bool
	}{{"answered a second ago", true}, {"answered a minute ago", false}} {
		t.Run(c.name, func(t *testing.T) {
			tab := newTable(nil)
			a := node(256, 1)
			mustAdd(t, tab, 0, a, Added)
			mustLive(t, tab, s, a)
			now := 2 * s
			if !c.fresh {
				now = 61 * s
			}
			tab.Add(now, at(255, 2, a.Addr))
			if dropped := tab.MarkFailed(now, a.ID); dropped == c.fresh {
				t.Errorf("dropped at the first failure: %v", dropped)
			}
		})
	}
}

// S10: a newer record that changes the IPv4 endpoint of a node that is met by IPv6 takes back the
// proof of IPv4 alone.
func TestS10UpdateEndsProofOfChangedFamily(t *testing.T) {
	tab := newTable(nil)
	v4 := addrPort("20.1.1.1:9000")
	n := at(256, 1, addrPort("[2a00:1::1]:9000"))
	n = stating(n, 1, v4, n.Addr)
	mustAdd(t, tab, 0, n, Added)
	mustLive(t, tab, 0, n)
	tab.MarkLive(0, n.ID, v4)
	n = stating(n, 2, addrPort("20.1.1.2:9000"), n.Addr)
	mustAdd(t, tab, 0, n, Updated)
	if st := state(t, tab, n.ID); st.Proven != IPv6.Set() || !st.Live {
		t.Errorf("%+v", st)
	}
	if snap := tab.Relay(256); snap.MayRelay(0, Global, IPv4) || !snap.MayRelay(0, Global, IPv6) {
		t.Error("the new address is relayed to its own family unproven")
	}
}
