package table

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// offer adds nodes of addrs(i) to the buckets from distance 256 down, n to each, and lets those
// that the table takes answer. It returns how many members and how many entries of one bucket came
// of it.
func offer(tab *Table, n int, addrs func(i int) string) (members, inBucket int) {
	i := 0
	for d := 256; d > 236; d-- {
		for range n {
			nd := at(d, uint32(i), addrPort(addrs(i)))
			tab.Add(0, nd)
			tab.MarkLive(s, nd.ID, nd.Addr)
			i++
		}
		info := tab.BucketInfo(d)
		inBucket = max(inBucket, info.Len+info.Replacements)
	}
	return tab.Len(), inBucket
}

// S32: limits hold at several widths. The holder of an IPv6 /32 has 65,536 /48s, and the holder of
// a /16 has 256 /24s, at no cost.
func TestS32LimitsAtSeveralWidths(t *testing.T) {
	for _, tt := range []struct {
		name    string
		addrs   func(i int) string
		bucket  Limits
		table   Limits
		members int
		entries int // of one bucket
	}{
		{"one address", func(i int) string { return fmt.Sprintf("20.1.2.3:%d", 1+i) }, Limits{}, Limits{}, DefaultTableLimits.Host, DefaultBucketLimits.Host},
		{"one /24", func(i int) string { return fmt.Sprintf("20.1.2.%d:%d", i%250, 1+i) }, Limits{}, Limits{}, DefaultTableLimits.Site, DefaultBucketLimits.Site},
		{"one /16", func(i int) string { return fmt.Sprintf("20.1.%d.1:%d", i%256, 1+i) }, Limits{}, Limits{}, DefaultTableLimits.Wide, DefaultBucketLimits.Wide},
		{"one /64", func(i int) string { return fmt.Sprintf("[2a00:1:2:3::%x]:1", 1+i) }, Limits{}, Limits{}, DefaultTableLimits.Host, DefaultBucketLimits.Host},
		{"one /48", func(i int) string { return fmt.Sprintf("[2a00:1:2:%x::1]:1", 1+i) }, Limits{}, Limits{}, DefaultTableLimits.Site, DefaultBucketLimits.Site},
		{"one /32", func(i int) string { return fmt.Sprintf("[2a00:1:%x::1]:1", 1+i) }, Limits{}, Limits{}, DefaultTableLimits.Wide, DefaultBucketLimits.Wide},
		{"one /16 of other limits", func(i int) string { return fmt.Sprintf("20.1.%d.1:%d", i%256, 1+i) }, Limits{Wide: 7}, Limits{Wide: 33}, 33, 7},
		{"off", func(i int) string { return fmt.Sprintf("20.1.2.3:%d", 1+i) }, Unlimited, Unlimited, 20 * 15, 15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable(func(c *Config) { c.BucketLimits, c.TableLimits = tt.bucket, tt.table })
			members, entries := offer(tab, 15, tt.addrs)
			if members != tt.members || entries != tt.entries {
				t.Errorf("%d members, %d entries of one bucket; want %d and %d", members, entries, tt.members, tt.entries)
			}
			checkInvariants(t, tab)
		})
	}
}

// The limits are for the dishonest: the bootnodes of a real network, several of them at one
// provider, have places whatever the ID of this node is.
func TestS32HonestNodesFit(t *testing.T) {
	b, err := os.ReadFile("../enr/testdata/live-enrs.txt")
	if err != nil {
		t.Fatal(err)
	}
	var records []*enr.Record
	for _, line := range strings.Fields(string(b)) {
		if r, err := enr.ParseText(line); err == nil {
			records = append(records, r)
		}
	}
	if len(records) != 49 {
		t.Fatalf("%d records", len(records))
	}
	refused := 0
	for i := range 200 {
		tab := newTable(func(c *Config) { c.Self[0] = byte(i) })
		for _, r := range records {
			a, _ := r.UDPEndpoint4()
			if tab.Add(0, NewNode(r, a, false)).Rejected() {
				refused++
			}
		}
	}
	if share := float64(refused) / (200 * 49); share > 0.01 {
		t.Errorf("%.1f %% of honest records are refused", 100*share)
	} else {
		t.Logf("%.2f %% of honest records are refused", 100*share)
	}
}

// S33: peers at private addresses are exempt in a private network, and nowhere else.
func TestS33PrivateExemption(t *testing.T) {
	private := func(i int) string { return fmt.Sprintf("192.168.1.%d:%d", i%250, 1+i) }
	for _, tt := range []struct {
		name   string
		exempt bool
		addrs  func(i int) string
		want   int // members
	}{
		{"private peers of a public node", false, private, DefaultTableLimits.Site},
		{"unique local peers of a public node", false, func(i int) string { return fmt.Sprintf("[fd00::%x]:1", 1+i) }, DefaultTableLimits.Host},
		{"private peers of a private node", true, private, 300},
		{"loopback peers of a public node", false, func(i int) string { return fmt.Sprintf("127.0.0.1:%d", 1+i) }, 300},
		{"public peers of a private node", true, func(i int) string { return fmt.Sprintf("20.1.2.%d:%d", i%250, 1+i) }, DefaultTableLimits.Site},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable(nil)
			tab.SetExemptPrivate(tt.exempt)
			members, entries := offer(tab, 15, tt.addrs)
			if members != tt.want {
				t.Errorf("%d members, want %d", members, tt.want)
			}
			if want := 15; tt.want < 300 && entries != DefaultBucketLimits.Host || tt.want == 300 && entries != want {
				t.Errorf("%d entries in one bucket", entries)
			}
			checkInvariants(t, tab)
			tab.SetExemptPrivate(!tt.exempt) // what was counted must be given back in any case
			for n := range tab.All() {
				tab.Remove(0, n.ID)
			}
			checkInvariants(t, tab)
		})
	}
}

// crowd gives the buckets from distance 256 to 249 to 16 /24s, two places of a bucket each at most.
func crowd(tab *Table) {
	k := uint32(0)
	for d := 256; d > 248; d-- {
		for range 40 {
			n := at(d, k, addrPort(fmt.Sprintf("40.%d.1.%d:%d", k%16, k%200, 1+k)))
			tab.Add(0, n)
			tab.MarkLive(s, n.ID, n.Addr)
			k++
		}
	}
}

func hostile(n Node) bool { return n.Addr.Addr().Is4() && n.Addr.Addr().As4()[0] == 40 }

// checkAll answers every check for d, but those of nodes for which dead is true.
func checkAll(tab *Table, from, d time.Duration, dead func(Node) bool) {
	for now := from; now < from+d; now += 500 * ms {
		for _, n := range tab.Due(now, nil, 8) {
			if dead != nil && dead(n) {
				tab.MarkFailed(now+500*ms, n.ID)
			} else {
				tab.MarkLive(now+50*ms, n.ID, n.Addr)
			}
		}
	}
}

// S34: nodes of other prefixes that answer evict those of an attacker with 16 /24s that came first.
func TestS34PlacesTurnOver(t *testing.T) {
	tab := newTable(nil)
	crowd(tab)
	if tab.LiveLen() < 8*14 {
		t.Fatalf("the attacker has %d places only", tab.LiveLen())
	}
	share := func() float64 {
		others, all := 0, 0
		for d := 256; d > 248; d-- {
			for i := range tab.Relay(d).Len() {
				if all++; tab.Relay(d).Addr(i).Addr().As4()[0] != 40 {
					others++
				}
			}
		}
		return float64(others) / float64(all)
	}
	for d := 256; d > 248; d-- {
		for k := range uint32(12) {
			tab.Add(2*s, node(d, uint32(d)<<8+k))
		}
	}
	dead := func(n Node) bool { return !hostile(n) }
	checkAll(tab, 2*s, 2*time.Minute, dead)
	if got := share(); got > 0.1 {
		t.Errorf("%.0f %% of the records are nodes that never answered", 100*got)
	}
	for now := 3 * time.Minute; now < 12*time.Minute; now += time.Minute {
		for d := 256; d > 248; d-- {
			for k := range uint32(12) {
				tab.Add(now, node(d, uint32(d)<<8+k))
			}
		}
		checkAll(tab, now, time.Minute, nil)
		checkInvariants(t, tab)
	}
	if got := share(); got < 0.5 {
		t.Errorf("%.0f %% of the relayed records are honest nodes', want 50 %% at least", 100*got)
	}
	if c := tab.Counters(); c.Turned == 0 {
		t.Error("nothing turned over: this tests nothing")
	}
}

// S34: exchanges do not favor nodes that come later: nodes of prefixes with one member each
// keep their places, however many networks an attacker has.
func TestS34LatecomersDisplaceNobody(t *testing.T) {
	tab := newTable(nil)
	for d := 256; d > 248; d-- {
		for k := range uint32(16) {
			n := node(d, uint32(d)<<4+k)
			tab.Add(0, n)
			tab.MarkLive(s, n.ID, n.Addr)
		}
	}
	before := tab.LiveLen()
	for round := range 20 {
		now := time.Duration(2+60*round) * s
		for k := range uint32(2560) { // 256 /24s, of 256 /16s
			d := 256 - int(k%8)
			tab.Add(now, at(d, 1<<20+k+uint32(round)<<12, addrPort(fmt.Sprintf("40.%d.1.%d:%d", k%256, k%200, 1+k))))
		}
		checkAll(tab, now, time.Minute, nil)
	}
	honest := 0
	for n, st := range tab.All() {
		if st.Member && !hostile(n) {
			honest++
		}
	}
	if honest != before {
		t.Errorf("%d of %d honest members are left", honest, before)
	}
	checkInvariants(t, tab)
}

// S34: exchanges in a bucket are apart.
func TestS34TurnoverIsPaced(t *testing.T) {
	tab := newTable(nil)
	crowd(tab)
	for k := range uint32(10) {
		n := node(256, 5000+k)
		tab.Add(2*s, n)
		tab.MarkLive(3*s, n.ID, n.Addr)
	}
	if got := tab.Counters().Turned; got != 1 {
		t.Errorf("%d exchanges together, want 1", got)
	}
	checkAll(tab, 4*s, 35*s, nil)
	if got := tab.Counters().Turned; got < 3 || got > 5 {
		t.Errorf("%d exchanges in 35 s, want one in %v", got, DefaultTurnover)
	}
}

// S34: a node that answered long ago takes no place for it.
func TestS34CandidateHasJustAnswered(t *testing.T) {
	tab := newTable(nil)
	crowd(tab)
	gone, here := node(256, 5000), node(256, 5001)
	tab.Add(2*s, gone)
	tab.MarkLive(3*s, gone.ID, gone.Addr) // takes a place
	if !state(t, tab, gone.ID).Member {
		t.Fatal("no place for a new prefix")
	}
	gone = node(256, 5002)
	tab.Add(4*s, gone)
	tab.MarkLive(5*s, gone.ID, gone.Addr) // waits, its bucket has just made an exchange
	tab.Add(60*s, here)
	tab.Add(61*s, gone) // as unproven as others' word of it
	tab.MarkLive(61*s, here.ID, here.Addr)
	if state(t, tab, gone.ID).Member {
		t.Error("a node that answered a minute ago has the place")
	}
	checkAll(tab, 62*s, 30*s, func(n Node) bool { return n.ID == gone.ID })
	if !state(t, tab, here.ID).Member {
		t.Error("the node that answers has no place")
	}
}

// Nodes that never answer keep the places of their network no longer than their first check.
func TestDeadNodesHoldNoLimit(t *testing.T) {
	tab := newTable(nil)
	dead := func(Node) bool { return true }
	for k := range uint32(DefaultTableLimits.Site) {
		mustAdd(t, tab, 0, at(256-int(k/2), k, addrPort(fmt.Sprintf("60.1.1.1:%d", 1+k))), Added)
	}
	good := at(240, 1, addrPort("60.1.1.2:9000"))
	mustAdd(t, tab, 0, good, RejectedTableIP)
	checkAll(tab, 0, 2*s, dead)
	mustAdd(t, tab, 2*s, good, Added)
	// in a bucket with two of them
	mustAdd(t, tab, 2*s, at(256, 100, addrPort("60.1.1.3:9000")), Added)
	checkInvariants(t, tab)
}

// A node that starts with a new key again and again, at one endpoint, is in the table with its
// latest key: keys that do not answer keep no place from the one that does.
func TestNewKeysAtOneEndpoint(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pause time.Duration
		full  bool
	}{{"seldom", 5 * time.Minute, false}, {"often", 10 * s, false}, {"at once", 200 * ms, false}, {"full buckets", 10 * s, true}} {
		t.Run(tt.name, func(t *testing.T) {
			tab := newTable(nil)
			if tt.full {
				for d := 256; d > 250; d-- {
					fill(tab, d, uint32(d)<<4)
				}
			}
			var latest Node
			dead := func(n Node) bool { return n.Addr == latest.Addr && n.ID != latest.ID }
			now := s
			for k := range uint32(60) {
				latest = at(256-int(k%3), 1<<16+k, addrPort("60.1.1.1:9000"))
				if r := tab.Add(now, latest); r.Rejected() {
					t.Fatalf("key %d: %v", k, r)
				}
				checkAll(tab, now, tt.pause, dead)
				now += tt.pause
				checkInvariants(t, tab)
			}
			checkAll(tab, now, 15*s, dead)
			st := state(t, tab, latest.ID)
			if !tt.full && !st.Live {
				t.Errorf("the latest key is not live: %+v", st)
			}
			if !tt.full && tab.Len() != 1 {
				t.Errorf("%d members at one endpoint", tab.Len())
			}
			// Nor do they keep out neighbors.
			neighbor := at(255, 7, addrPort("60.1.1.2:9000"))
			if r := tab.Add(now, neighbor); r.Rejected() {
				t.Errorf("neighbor: %v", r)
			}
		})
	}
}

// An identity that shares its endpoint with a new one stays if it answers.
func TestContestedNodeThatAnswersStays(t *testing.T) {
	tab := newTable(nil)
	a, b := node(256, 1), at(255, 2, node(256, 1).Addr)
	tab.Add(0, a)
	mustLive(t, tab, s, a)
	tab.Add(60*s, b)
	checkInvariants(t, tab)
	if st := state(t, tab, a.ID); !st.Live || st.NextCheck > 61*s {
		t.Errorf("contested: %+v, want a live node that is checked soon", st)
	}
	mustLive(t, tab, 61*s, a)
	mustLive(t, tab, 61*s, b)
	checkInvariants(t, tab)
	if tab.LiveLen() != 2 || tab.limits.quota[proven].Count(a.Addr.Addr(), prefixquota.Host) != 2 {
		t.Error("two identities that answer at one endpoint must both count and both be live")
	}
	var none netip.AddrPort
	if none.IsValid() || tab.limits.used(none) {
		t.Error("no endpoint")
	}
}

// Replacements of an address family that few members have are checked, and relayed to that family
// alone.
func TestFewOfAFamilyAreRelayed(t *testing.T) {
	tab := newTable(nil)
	fill(tab, 256, 0)
	var six []Node
	for k := range uint32(5) {
		n := at(256, 900+k, addrPort(fmt.Sprintf("[2a00:%x::1]:9000", 1+k)))
		mustAdd(t, tab, s, n, Replacement)
		six = append(six, n)
	}
	for k := range uint32(100) { // a flood of the other family does not push them out
		tab.Add(2*s, node(256, 2000+k))
	}
	checkAll(tab, 2*s, 10*s, nil)
	checkInvariants(t, tab)
	snap, count := tab.Relay(256), [2]int{}
	for i := range snap.Len() {
		if snap.MayRelay(i, Global, IPv6) && snap.Usable(i, IPv6) {
			count[1]++
		}
		if snap.MayRelay(i, Global, IPv4) {
			count[0]++
		}
	}
	if count != [2]int{16, 5} {
		t.Errorf("records relayed to IPv4 and IPv6: %v, want 16 and 5", count)
	}
	// The table drops one that does not answer.
	tab.MarkFailed(20*s, six[0].ID)
	tab.MarkFailed(30*s, six[0].ID)
	if _, _, ok := tab.Get(six[0].ID); ok || tab.Relay(256).Len() != 16+4 {
		t.Errorf("dead replacement is still there: %d records", tab.Relay(256).Len())
	}
	checkInvariants(t, tab)
}
