package lookup

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// S34: an attacker with one network cannot fill a lookup with nodes made for its target: of one
// prefix the closest few are asked, and nodes farther away of other prefixes are asked too.
func TestS34CrowdedPrefixesInLookups(t *testing.T) {
	limits := prefixquota.Limits{Host: 2, Site: 2, Wide: 4}
	for _, tt := range []struct {
		name    string
		limits  prefixquota.Limits
		private bool
		addr    func(i int) string
		want    int // hostile nodes that are asked
	}{
		{"one address", limits, false, func(i int) string { return fmt.Sprintf("40.1.1.1:%d", 1+i) }, 2},
		{"one /24", limits, false, func(i int) string { return fmt.Sprintf("40.1.1.%d:1", i%250) }, 2},
		{"one /16", limits, false, func(i int) string { return fmt.Sprintf("40.1.%d.1:1", i%250) }, 4},
		{"one /32", limits, false, func(i int) string { return fmt.Sprintf("[2a00:1:%x::1]:1", i) }, 4},
		{"a private network at a public node", limits, false, func(i int) string { return fmt.Sprintf("10.1.1.%d:1", i%250) }, 2},
		{"a private network", limits, true, func(i int) string { return fmt.Sprintf("10.1.1.%d:1", i%250) }, DefaultK},
		{"loopback", limits, false, func(i int) string { return fmt.Sprintf("127.0.0.1:%d", 1+i) }, DefaultK},
		{"no limits", prefixquota.Limits{}, false, func(i int) string { return fmt.Sprintf("40.1.1.1:%d", 1+i) }, DefaultK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := enr.ID{}
			far := func(i int) Peer {
				return Peer{ID: enr.ID{0x80, byte(i)}, Addr: netip.MustParseAddrPort(fmt.Sprintf("%d.1.1.1:1", 50+i))}
			}
			near := func(i int) Peer {
				return Peer{ID: enr.ID{0: 1, 30: byte(i >> 8), 31: byte(i)}, Addr: netip.MustParseAddrPort(tt.addr(i))}
			}
			var seeds []Peer
			for i := range 20 {
				seeds = append(seeds, far(i))
			}
			l := New(target, Config{Limits: tt.limits, ExemptPrivate: tt.private}, enr.ID{1: 1}, seeds)
			made, hostile := 0, map[enr.ID]bool{}
			for q, ok := l.Next(); ok; q, ok = l.Next() {
				var found []Peer
				// others, each of them closer than all before
				for i := 0; i < 16 && made < 900; i++ {
					found = append(found, near(1000-made))
					made++
				}
				if q.Node.ID[0] == 1 {
					hostile[q.Node.ID] = true
				}
				l.Answer(q.Node.ID, found)
			}
			inResults := 0
			for _, c := range l.Results() {
				if c.ID[0] == 1 {
					inResults++
				}
			}
			if len(l.Results()) != DefaultK {
				t.Errorf("%d results", len(l.Results()))
			}
			if inResults != tt.want && (tt.want < DefaultK || inResults < DefaultK) {
				t.Errorf("%d of %d results are hostile, %d asked; want %d", inResults, DefaultK, len(hostile), tt.want)
			}
		})
	}
}

// The closest nodes of a prefix stay, also if they were learned last.
func TestS34ClosestOfAPrefixStay(t *testing.T) {
	addr := netip.MustParseAddrPort("40.1.1.1:1")
	var p path
	cfg := Config{Limits: prefixquota.Limits{Host: -1, Site: 2, Wide: -1}}
	for _, b := range []byte{9, 3, 7, 5, 1} {
		p.insert(&cfg, &enr.ID{}, &Peer{ID: enr.ID{b}, Addr: addr}, 0, 100)
	}
	if len(p.list) != 2 || p.list[0].ID != (enr.ID{1}) || p.list[1].ID != (enr.ID{3}) {
		t.Errorf("%d candidates, the first %v", len(p.list), p.list[0].ID)
	}
	p.list[1].phase = queried
	p.insert(&cfg, &enr.ID{}, &Peer{ID: enr.ID{2}, Addr: addr}, 0, 100)
	if len(p.list) != 2 || p.list[1].ID != (enr.ID{3}) {
		t.Error("a node that is being asked was dropped, or one farther away was taken")
	}
	p.list[0].phase = queried
	p.insert(&cfg, &enr.ID{}, &Peer{ID: enr.ID{0, 1}, Addr: addr}, 0, 100)
	if len(p.list) != 2 {
		t.Error("more nodes of a prefix are asked than the limit allows")
	}
}

// Limits leave no place empty. Where all nodes are of one network a lookup finds as many as without
// limits, also if the closest of them are dead; where there are others, these come first.
func TestOneNetworkFillsLookup(t *testing.T) {
	limits := prefixquota.Limits{Host: 2, Site: 2, Wide: 4}
	for _, tt := range []struct {
		name                string
		same, others, dead  int
		paths               int
		results, fromOthers int
	}{
		{"only one network", 40, 0, 0, 1, DefaultK, 0},
		{"the closest are dead", 40, 0, 10, 1, DefaultK, 0},
		{"fewer than wanted", 9, 0, 0, 1, 9, 0},
		{"some others", 40, 6, 0, 1, DefaultK, 6},
		{"enough others", 40, 20, 0, 1, DefaultK, 12},
		{"three paths", 40, 0, 0, 3, DefaultK, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []Peer
			for i := range tt.same { // closer to the target than the others
				all = append(all, Peer{ID: enr.ID{1, byte(i)}, Addr: netip.MustParseAddrPort(fmt.Sprintf("40.1.%d.1:1", i))})
			}
			for i := range tt.others {
				all = append(all, Peer{ID: enr.ID{2, byte(i)}, Addr: netip.MustParseAddrPort(fmt.Sprintf("%d.1.1.1:1", 50+i))})
			}
			l := New(enr.ID{}, Config{Limits: limits, Paths: tt.paths, MaxFound: 64}, enr.ID{9}, slices.Clone(all[len(all)-3:]))
			queries := 0
			for !l.Done() {
				q, ok := l.Next()
				if !ok {
					t.Fatal("the lookup neither ends nor continues")
				}
				if queries++; q.Node.ID[0] == 1 && int(q.Node.ID[1]) < tt.dead {
					l.Fail(q.Node.ID)
					continue
				}
				l.Answer(q.Node.ID, slices.Clone(all))
			}
			others := 0
			for _, c := range l.Results() {
				if c.ID[0] == 2 {
					others++
				}
			}
			if got := len(l.Results()); got != tt.results || others != tt.fromOthers {
				t.Errorf("%d results, %d of other networks, after %d queries; want %d and %d", got, others, queries, tt.results, tt.fromOthers)
			}
		})
	}
}
