package table

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
)

// checkInvariants recounts everything that the table keeps in more than one place.
func checkInvariants(t *testing.T, tab *Table) {
	t.Helper()
	members, live := 0, 0
	var counts [numStandings]map[netaddr.Prefix]int
	for i := range counts {
		counts[i] = map[netaddr.Prefix]int{}
	}
	endpoints := map[netip.AddrPort]int{}
	seen := map[enr.ID]bool{}
	for i := range tab.buckets {
		b := &tab.buckets[i]
		b.mu.Lock()
		if len(b.members) > tab.cfg.BucketSize || len(b.waiting) > max(tab.cfg.Replacements, 0) {
			t.Fatalf("bucket %d: %d members, %d replacements", i+1, len(b.members), len(b.waiting))
		}
		inBucket := map[netaddr.Prefix]int{}
		first := never
		var relayed []*entry
		for j, list := range [][]entry{b.members, b.waiting} {
			for k := range list {
				e := &list[k]
				if distance(e.node.ID) != i+1 || seen[e.node.ID] {
					t.Fatalf("bucket %d: node %s twice or misplaced", i+1, e.node.ID.Short())
				}
				seen[e.node.ID] = true
				if e.prefixes != prefixquota.PrefixesOf(e.node.Addr.Addr()) {
					t.Fatal("stale prefix")
				}
				endpoints[e.node.Addr]++
				for w := range prefixquota.Width(prefixquota.NumWidths) {
					p := e.prefixes.At(w)
					if e.standing != uncounted {
						counts[e.standing][p]++
					}
					if !tab.limits.exempt(e.node.Addr.Addr()) {
						inBucket[p]++
					}
				}
				if want := e.standing; j == 1 && want != uncounted || want == proven && e.checks == 0 ||
					want == unproven && (e.checks > 0 || e.fails > 0) || e.contested && want != uncounted {
					t.Fatalf("member %v with %d checks, %d failures counts as %d", j == 0, e.checks, e.fails, want)
				}
				if e.live && e.checks == 0 || e.live && e.fails >= silentAfter {
					t.Fatalf("live without credit, or after %d failures", e.fails)
				}
				first = min(first, e.due)
				if e.relayable() && (j == 0 || e.minority != 0) {
					relayed = append(relayed, e)
				}
				if j == 0 {
					if e.live {
						live++
					}
				} else if e.due == never && b.hasRoom(&tab.cfg, e.node.Inbound) && !slices.ContainsFunc(b.waiting, func(e entry) bool { return e.due != never }) {
					t.Fatal("a replacement waits unchecked although there is room")
				}
				if seq, ok := tab.Seq(e.node.ID); !ok || seq != e.node.Seq() {
					t.Fatalf("Seq = %d %v, want %d", seq, ok, e.node.Seq())
				}
			}
		}
		members += len(b.members)
		for p, n := range inBucket {
			if limit := limitOf(tab.cfg.BucketLimits, p); n > limit && limit >= 0 {
				t.Fatalf("%d nodes of %v in one bucket", n, p)
			}
		}
		if x := tab.indexes[i].Load(); (x == nil) != (len(b.members)+len(b.waiting) == 0) ||
			x != nil && len(x.ids) != len(b.members)+len(b.waiting) {
			t.Fatal("index of the wrong length")
		}
		if got := time.Duration(tab.due[i].Load()); got != first {
			t.Fatalf("bucket %d: due %v, want %v", i+1, got, first)
		}
		snap := tab.snapshots[i].Load()
		if snap.Len() != len(relayed) {
			t.Fatalf("bucket %d: %d records in the snapshot, %d to relay", i+1, snap.Len(), len(relayed))
		}
		for k, e := range relayed {
			if *snap.ID(k) != e.node.ID || !bytes.Equal(snap.Record(k), e.node.Record.Bytes()) || snap.Proven(k) != e.proven ||
				snap.Addr(k) != e.node.Addr || snap.Class(k) != e.class {
				t.Fatal("snapshot differs from the bucket")
			}
		}
		b.mu.Unlock()
	}
	if tab.Len() != members || tab.LiveLen() != live {
		t.Fatalf("Len %d, LiveLen %d; recount %d, %d", tab.Len(), tab.LiveLen(), members, live)
	}
	if !maps.Equal(endpoints, tab.limits.endpoints) {
		t.Fatalf("endpoints %v, recount %v", tab.limits.endpoints, endpoints)
	}
	for s := unproven; s < numStandings; s++ {
		q := &tab.limits.quota[s]
		if q.Prefixes() != len(counts[s]) {
			t.Fatalf("%d prefixes counted, recount %d", q.Prefixes(), len(counts[s]))
		}
		for p, n := range counts[s] {
			w := widthOf(p)
			limit := limitOf(tab.cfg.TableLimits, p)
			if got := q.Count(p.Netip().Addr(), w); got != n || n > limit && limit >= 0 && !q.Exempt(p.Netip().Addr()) {
				t.Fatalf("prefix %v counted %d, recount %d", p, got, n)
			}
		}
	}
}

// widthOf is the width that a prefix was made with.
func widthOf(p netaddr.Prefix) (w prefixquota.Width) {
	for w = range prefixquota.Width(prefixquota.NumWidths) {
		if w.Prefix(p.Netip().Addr()) == p {
			return w
		}
	}
	panic("prefix of no width")
}

func limitOf(l Limits, p netaddr.Prefix) int { return l.Widths()[widthOf(p)] }

type answer struct {
	id   enr.ID
	addr netip.AddrPort
}

// model is the little that an independent reader of the events and calls knows: who answered.
type model struct {
	answered map[answer]bool // by calls: where a MarkLive has succeeded
	members  map[enr.ID]bool // by events
}

// operate runs one operation chosen by the bytes of op.
func (m *model) operate(t *testing.T, tab *Table, now time.Duration, op [4]byte) {
	d := 256 - int(op[1]%4)
	k := uint32(op[2] % 48)
	n := node(d, k)
	stated := n.Addr
	switch op[3] % 8 { // few prefixes, so that the limits are met
	case 0, 1, 2:
		n.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 0, op[3] % 3, byte(k)}), 9000)
		stated = n.Addr
	case 3:
		n.Addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, 0, 0, 1, 0, 2, 15: byte(k)}), 9000)
		stated = n.Addr
	case 4:
		n.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 9000)
	}
	n = stating(n, uint64(op[3]>>5), stated)
	n.Inbound = op[2]&0x80 != 0
	known, _, ok := tab.Get(n.ID)
	switch op[0] % 8 {
	case 0, 1, 2:
		r := tab.Add(now, n)
		if _, _, after := tab.Get(n.ID); after != (ok || !r.Rejected()) {
			t.Fatalf("Add = %v, known before %v, after %v", r, ok, after)
		}
	case 3, 4:
		addr := n.Addr
		if op[0]&0x80 == 0 {
			addr = known.Addr
		}
		if tab.MarkLive(now, n.ID, addr) {
			m.answered[answer{n.ID, addr}] = true
		}
	case 5:
		if removed := tab.MarkFailed(now, n.ID); removed {
			if _, _, after := tab.Get(n.ID); after || !ok {
				t.Fatal("MarkFailed says removed")
			}
		}
	case 6:
		if op[0]&0x80 != 0 {
			tab.Demote(now, n.ID)
			maps.DeleteFunc(m.answered, func(a answer, _ bool) bool { return a.id == n.ID })
		} else if tab.Remove(now, n.ID) != ok {
			t.Fatal("Remove")
		}
	case 7:
		for _, due := range tab.Due(now, nil, int(op[1]%8)) {
			if _, _, ok := tab.Get(due.ID); !ok {
				t.Fatal("Due returned a node that is not in the table")
			}
		}
	}
	for d := 253; d <= 256; d++ { // only a node that has answered where it is contacted is relayed
		snap := tab.Relay(d)
		for i := range snap.Len() {
			if !m.answered[answer{*snap.ID(i), snap.Addr(i)}] {
				t.Fatal("relays a node that has not answered")
			}
		}
	}
	if len(m.members) != tab.Len() {
		t.Fatalf("events say %d members, Len %d", len(m.members), tab.Len())
	}
}

func newModel(t *testing.T) (*model, *Table) {
	m := &model{answered: map[answer]bool{}, members: map[enr.ID]bool{}}
	live := map[enr.ID]bool{}
	var tab *Table
	tab = newTable(func(c *Config) {
		c.BucketSize, c.Replacements, c.InboundLimit = 4, 3, 3
		c.TableLimits = Limits{Host: 3, Site: 4, Wide: 6}
		c.OnChange = func(e Event) {
			id := e.Node.ID
			switch e.Kind {
			case EventAdded, EventRemoved:
				if m.members[id] == (e.Kind == EventAdded) {
					t.Errorf("event %v, member before: %v", e.Kind, m.members[id])
				}
				if e.Kind == EventAdded {
					m.members[id] = true
				} else {
					delete(m.members, id)
				}
				delete(live, id)
			case EventLive, EventSilent:
				if live[id] == (e.Kind == EventLive) {
					t.Errorf("event %v, live before: %v", e.Kind, live[id])
				}
				live[id] = e.Kind == EventLive
			case EventUpdated:
				if _, st, _ := tab.Get(id); !st.Live {
					delete(live, id)
				}
			}
		}
	})
	return m, tab
}

func TestRandomOperations(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 9))
		m, tab := newModel(t)
		now := time.Duration(0)
		for i := range 3000 {
			x := r.Uint32()
			m.operate(t, tab, now, [4]byte{byte(x), byte(x >> 8), byte(x >> 16), byte(x >> 24)})
			now += time.Duration(r.IntN(800)) * ms
			if i%20 == 0 {
				checkInvariants(t, tab)
			}
		}
		checkInvariants(t, tab)
		for n := range tab.All() {
			tab.Remove(now, n.ID)
		}
		for n := range tab.All() {
			tab.Remove(now, n.ID)
		}
		if tab.Len() != 0 || tab.LiveLen() != 0 || len(tab.limits.endpoints) != 0 || len(m.members) != 0 {
			t.Fatalf("left behind: %d members, %d live, %d prefixes", tab.Len(), tab.LiveLen(), len(tab.limits.endpoints))
		}
		checkInvariants(t, tab)
	}
}

// FuzzTable reads operations of four bytes each.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 0, 1, 40, 3, 0, 1, 40, 5, 0, 1, 0, 5, 0, 1, 0})
	f.Add([]byte{0, 0, 1, 33, 0, 0, 2, 33, 0, 0, 3, 33, 6, 0, 1, 33, 0, 0, 1, 65, 134, 0, 1, 0, 7, 255, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, tab := newModel(t)
		for i := 0; i+4 <= len(data) && i < 4*500; i += 4 {
			m.operate(t, tab, time.Duration(i)*300*ms, [4]byte(data[i:]))
			checkInvariants(t, tab)
		}
	})
}
