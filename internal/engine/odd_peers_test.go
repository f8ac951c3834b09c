package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
)

// Tests of ordinary peers that break rules: their records are partly wrong, their packets leave
// from other ports, or they start over.

// far returns the address of node i: each lies in a network of its own.
func far(i int) string { return fmt.Sprintf("20.%d.1.1:9000", i) }

// swarm adds k nodes that start from a bootnode, from address number first on.
func (nw *network) swarm(first, k int, boot Peer, change func(*Config)) (list []*node) {
	for i := range k {
		list = append(list, nw.add(far(first+i), change, boot))
	}
	return list
}

// room is how many of the nodes a table has room for, by its buckets.
func (n *node) room(nodes []*node) (room int) {
	var at [257]int
	for _, o := range nodes {
		if d := enr.LogDistance(n.e.ID(), o.e.ID()); d > 0 && at[d] < table.DefaultBucketSize {
			at[d]++
			room++
		}
	}
	return room
}

// restate gives a node another record.
func (n *node) restate(change func(*enr.Builder)) {
	n.net.t.Helper()
	b := n.rec.Edit().SetSeq(n.rec.Seq() + 1)
	change(b)
	rec, err := b.Sign(n.key)
	if err != nil {
		n.net.t.Fatal(err)
	}
	n.e.setLocal(rec)
	n.rec = rec
}

// search looks up a target and returns the nodes that it learned, and the results among them.
func (n *node) search(target enr.ID) (heard, results map[enr.ID]bool) {
	n.net.t.Helper()
	heard, results = make(map[enr.ID]bool), make(map[enr.ID]bool)
	ended := false
	n.w.Begin(n.net.now)
	n.w.Lookup(target, lookup.Config{}, func(r *enr.Record) { heard[r.ID()] = true }, func(_ *Worker, list []lookup.Peer) {
		ended = true
		for _, c := range list {
			results[c.ID] = true
		}
	})
	n.net.deliver()
	for i := 0; !ended; i++ {
		if i > 1000 {
			n.net.t.Fatal("a lookup does not end")
		}
		n.net.run(50 * time.Millisecond)
	}
	return heard, results
}

// A bootnode whose record has a public IPv4 address and by mistake another one beside it is used at
// the good one, comes into all tables, and is relayed. Nobody sends to the bad one.
func TestBootnodeWithBadEntry(t *testing.T) {
	for _, bad := range []string{"", "fe80::250:56ff:fe26:cb98", "fd00::1", "::1", "2a01:4f8::1", "ff02::1"} {
		t.Run("ip6="+bad, func(t *testing.T) {
			nw := newNetwork(t)
			boot := nw.add(far(0), nil)
			if bad != "" {
				boot.restate(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr(bad)).SetUDP6(9000) })
			}
			p, err := boot.e.PeerOf(boot.rec)
			if err != nil || p.Addr != boot.addr {
				t.Fatalf("contacted at %v, %v", p.Addr, err)
			}
			nw.swarm(1, 14, p, nil)
			nw.Tap = func(_, to netip.AddrPort, _ []byte) {
				if to.Addr().Is6() && table.Class(to.Addr()) != table.Global {
					t.Errorf("a datagram to %v", to)
				}
			}
			nw.run(4 * time.Minute)
			for i, n := range nw.order {
				if live, room := n.e.table.LiveLen(), n.room(nw.order); live < room {
					t.Errorf("node %d has %d live nodes, and room for %d", i, live, room)
				}
			}
			heard, results := nw.order[5].search(boot.e.ID())
			if len(heard) < 13 || !results[boot.e.ID()] {
				t.Errorf("a lookup learns %d nodes; the bootnode is a result: %v", len(heard), results[boot.e.ID()])
			}
			late := nw.add(far(40), nil)
			r := late.call(Request{Type: codec.TypeFindNode, Peer: nw.order[3].peer(), Distances: []uint{uint(enr.LogDistance(nw.order[3].e.ID(), boot.e.ID()))}})
			relayed := false
			for _, rec := range r.Records {
				relayed = relayed || rec.ID() == boot.e.ID()
			}
			if !relayed {
				t.Error("the bootnode is not relayed")
			}
		})
	}
}

// A bootnode is contacted at an address that its record does not name. All find each other.
func TestBootnodeAtOtherAddress(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*enr.Builder)
	}{
		{"its own", func(*enr.Builder) {}},
		{"none", func(b *enr.Builder) { b.Delete("ip").Delete("udp") }},
		{"another public one", func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("30.1.1.1")) }},
		{"a private one", func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("172.17.0.1")) }},
		{"another port", func(b *enr.Builder) { b.SetUDP(30900) }},
	} {
		for _, record := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, record given %v", c.name, record), func(t *testing.T) {
				nw := newNetwork(t)
				// or it would learn its address
				boot := nw.add(far(0), func(c *Config) { c.DetectAddress = -1 })
				boot.restate(c.change)
				p := Peer{ID: boot.e.ID(), PublicKey: boot.key.PublicKey(), Addr: boot.addr}
				if record {
					p.Record = boot.rec
				}
				nodes := nw.swarm(1, 10, p, nil)
				nw.run(4 * time.Minute)
				for i, n := range append(nodes, boot) {
					if live, room := n.e.table.LiveLen(), n.room(nodes); live < room {
						t.Errorf("node %d has %d live nodes, and room for %d", i, live, room)
					}
				}
				for _, n := range nodes {
					tn, _, ok := n.e.table.Get(boot.e.ID())
					if want, _ := boot.rec.UDPEndpoint4(); ok && tn.Addr != want {
						t.Errorf("the bootnode is in a table at %v, and its record names %v", tn.Addr, want)
					}
				}
			})
		}
	}
}

// fork sets the fork of a record.
func fork(f byte) func(*enr.Builder) {
	return func(b *enr.Builder) { b.SetBytes("fork", []byte{f}) }
}

// sameFork is a table filter. Records without a fork pass only if lenient is set.
func sameFork(f byte, lenient bool) func(table.Node) bool {
	return func(n table.Node) bool {
		b, ok := n.Record.GetBytes("fork")
		return ok && len(b) == 1 && b[0] == f || !ok && lenient
	}
}

// The table filter refuses the bootnode. It is queried all the same, and is neither a member nor a
// result.
func TestFilterRefusesBootnode(t *testing.T) {
	nw := newNetwork(t)
	boot := nw.add(far(0), nil)
	nodes := nw.swarm(1, 12, boot.peer(), func(c *Config) { c.Table.Filter = sameFork(1, false) })
	for _, n := range nodes {
		n.restate(fork(1))
	}
	nw.run(4 * time.Minute)
	for i, n := range nodes {
		if live, room := n.e.table.LiveLen(), n.room(nodes); live < room {
			t.Errorf("node %d has %d live nodes, and room for %d", i, live, room)
		}
		if _, ok := n.e.table.Seq(boot.e.ID()); ok {
			t.Errorf("node %d: the bootnode is in the table", i)
		}
	}
	heard, results := nodes[3].search(boot.e.ID())
	if len(heard) < 11 || results[boot.e.ID()] || len(results) < 11 {
		t.Errorf("a lookup learns %d nodes and has %d results, the bootnode among them: %v", len(heard), len(results), results[boot.e.ID()])
	}
}

// A member whose newer record the filter refuses is removed immediately, and so is one whose newer
// record names no endpoint.
func TestFilterAppliesToMembers(t *testing.T) {
	nw := newNetwork(t)
	want := byte(1)
	a := nw.add(far(0), func(c *Config) {
		c.Table.Filter = func(n table.Node) bool { return sameFork(want, false)(n) }
	})
	b, c := nw.add(far(1), nil), nw.add(far(2), nil)
	for _, n := range []*node{b, c} {
		n.restate(fork(1))
		if r := n.ping(a); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	nw.run(5 * time.Second)
	if n := a.e.table.LiveLen(); n != 2 {
		t.Fatalf("%d live nodes", n)
	}
	b.restate(fork(2))
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(time.Second)
	if _, ok := a.e.table.Seq(b.e.ID()); ok {
		t.Error("a node whose newer record is refused is still in the table")
	}
	nw.run(10 * time.Minute)
	if _, ok := a.e.table.Seq(b.e.ID()); ok {
		t.Error("it has come back with its older record")
	}
	if n := a.e.table.LiveLen(); n != 1 {
		t.Fatalf("%d live nodes", n)
	}
	want = 2
	if n := a.e.ApplyFilter(nw.now); n != 1 || a.e.table.Len() != 0 {
		t.Errorf("%d nodes left, %d are in the table", n, a.e.table.Len())
	}
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(time.Second)
	if _, ok := a.e.table.Seq(b.e.ID()); !ok {
		t.Error("a node that the filter lets in now is not in the table")
	}
}

// A node starts its record at 1 again, at its endpoint or at another one. Once the old endpoint is
// dead it is in the table as before.
func TestSequenceFallsBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		seq   uint64
		addr  string
		known bool // the table still has the node when it comes back
	}{
		{"same endpoint", 1, far(2), true},
		{"another port", 1, "20.2.1.1:9001", true},
		{"another address", 1, "30.2.1.1:9000", true},
		{"another port, higher number", 51, "20.2.1.1:9001", true},
		{"another port, same number", 50, "20.2.1.1:9001", true},
		{"another address, same number", 50, "30.2.1.1:9000", true},
		{"another port, same number, after it was forgotten", 50, "20.2.1.1:9001", false},
		{"another port, after it was forgotten", 1, "20.2.1.1:9001", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			boot := nw.add(far(0), nil)
			watchers := append(nw.swarm(3, 8, boot.peer(), nil), boot)
			nw.run(time.Minute)
			b := nw.add(far(2), nil, boot.peer())
			b.restate(func(x *enr.Builder) { x.SetSeq(50) })
			nw.run(10 * time.Minute)
			before := nw.holders(watchers, b, b.addr, 50)
			if before < 5 {
				t.Fatalf("in %d tables: this tests nothing", before)
			}
			delete(nw.nodes, b.addr)
			nw.order = nw.order[:len(nw.order)-1]
			wait := 5 * time.Second
			if !c.known {
				wait = 10 * time.Minute
			}
			nw.run(wait)

			again := nw.add(c.addr, func(cfg *Config) {
				cfg.Key = b.key
				rec, err := enr.NewBuilder().SetSeq(c.seq).SetIP(netip.MustParseAddrPort(c.addr).Addr()).SetUDP(netip.MustParseAddrPort(c.addr).Port()).Sign(b.key)
				if err != nil {
					t.Fatal(err)
				}
				cfg.Record = rec
			}, boot.peer())
			nw.run(time.Minute)
			if n := nw.holders(watchers, again, again.addr, c.seq); n < before {
				t.Errorf("live with record %d in %d tables after a minute, before in %d", c.seq, n, before)
			}
		})
	}
}

// holders counts the tables in which a node is live at an address with a record of that number.
func (nw *network) holders(tables []*node, n *node, at netip.AddrPort, seq uint64) (count int) {
	for _, o := range tables {
		if tn, s, ok := o.e.table.Get(n.e.ID()); ok && s.Live && tn.Addr == at && tn.Seq() == seq {
			count++
		}
	}
	return count
}

// While the endpoint of the newer record answers, an older one from another address replaces
// nothing: it may be that of a second instance. Nor does an older record that others show.
func TestOlderRecordFromElsewhere(t *testing.T) {
	nw := newNetwork(t)
	a, b := nw.add(far(0), nil), nw.add(far(1), nil)
	b.restate(func(x *enr.Builder) { x.SetSeq(50) })
	if r := b.ping(a); r.Err != nil {
		t.Fatal(r.Err)
	}
	nw.run(5 * time.Second)
	second := nw.add(far(2), func(c *Config) {
		c.Key = b.key
		rec, err := enr.NewBuilder().SetSeq(2).SetIP(netip.MustParseAddr("20.2.1.1")).SetUDP(9000).Sign(b.key)
		if err != nil {
			t.Fatal(err)
		}
		c.Record = rec
	})
	for range 10 {
		if r := second.call(Request{Type: codec.TypePing, Peer: a.peer()}); r.Err != nil {
			t.Fatal(r.Err)
		}
		nw.run(10 * time.Second)
		if n, s, ok := a.e.table.Get(b.e.ID()); !ok || n.Addr != b.addr || n.Seq() != 50 || !s.Live {
			t.Fatalf("in the table: %v, at %v with record %d, live %v", ok, n.Addr, n.Seq(), s.Live)
		}
	}
	old, err := enr.NewBuilder().SetSeq(3).SetIP(b.addr.Addr()).SetUDP(b.addr.Port()).Sign(b.key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.e.PeerOf(old)
	if err != nil {
		t.Fatal(err)
	}
	if r := a.call(Request{Type: codec.TypePing, Peer: p}); r.Err != nil {
		t.Fatal(r.Err)
	}
	if n, _, _ := a.e.table.Get(b.e.ID()); n.Seq() != 50 {
		t.Errorf("record %d in the table", n.Seq())
	}
}

// rewriting makes the network rewrite the source port of requests of the host at inner, as source
// NAT behind a load balancer does. Packets to outer arrive, and are answered from there.
func (nw *network) rewriting(inner, outer netip.AddrPort) {
	asked := make(map[netip.AddrPort]bool) // who has sent to outer
	ports := make(map[netip.AddrPort]uint16)
	back := make(map[uint16]netip.AddrPort)
	next := nw.Route
	nw.Route = func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) {
		switch {
		case from == inner && asked[to]:
			return outer, to, true
		case from == inner:
			if ports[to] == 0 {
				ports[to] = uint16(40_000 + len(ports))
				back[ports[to]] = to
			}
			return netip.AddrPortFrom(outer.Addr(), ports[to]), to, true
		case to == outer:
			asked[from] = true
			return from, inner, true
		case to.Addr() == outer.Addr():
			return from, inner, back[to.Port()] == from
		}
		if next != nil {
			return next(from, to)
		}
		return from, to, true
	}
}

// A peer whose source port is rewritten is pinged once at the endpoint that its record states, and
// comes into the tables when it answers there.
func TestRewrittenSourcePort(t *testing.T) {
	for _, open := range []bool{true, false} {
		t.Run(fmt.Sprintf("endpoint open %v", open), func(t *testing.T) {
			nw := newNetwork(t)
			boot := nw.add(far(0), nil)
			watchers := append(nw.swarm(1, 12, boot.peer(), nil), boot)
			nw.run(2 * time.Minute)
			inner, outer := netip.MustParseAddrPort("10.9.0.2:9000"), netip.MustParseAddrPort("30.1.1.1:30303")
			nw.rewriting(inner, outer)
			if !open {
				route := nw.Route
				nw.Route = func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) {
					if to == outer {
						return from, to, false
					}
					return route(from, to)
				}
			}
			probes := make(map[netip.AddrPort]int)
			nw.Tap = func(from, to netip.AddrPort, _ []byte) { probes[from]++ }
			if !open {
				nw.Tap = nil
				route := nw.Route
				nw.Route = func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) {
					if to == outer {
						probes[from]++
					}
					return route(from, to)
				}
			}
			nd := nw.add(inner.String(), func(c *Config) { c.DetectAddress = -1 }, boot.peer())
			nd.restate(func(b *enr.Builder) { b.SetIP(outer.Addr()).SetUDP(outer.Port()) })
			nw.run(10 * time.Minute)
			n := nw.holders(watchers, nd, outer, nd.rec.Seq())
			if want := len(watchers) - 2; open && n < want || !open && n != 0 {
				t.Errorf("live in %d of %d tables", n, len(watchers))
			}
			if !open {
				for from, k := range probes {
					if k > 2 { // the second after five minutes
						t.Errorf("%v sent %d packets to the closed endpoint", from, k)
					}
				}
				if len(probes) == 0 {
					t.Error("nobody has tried")
				}
			}
		})
	}
}

// One family has no route. The family that has answered is used first from then on, also for new
// nodes.
func TestFamilyWithoutRoute(t *testing.T) {
	for _, listed := range []bool{true, false} {
		t.Run(fmt.Sprintf("nodes in the table %v", listed), func(t *testing.T) { familyWithoutRoute(t, listed) })
	}
}

func familyWithoutRoute(t *testing.T, listed bool) {
	nw := newNetwork(t)
	a := nw.add("[2a00:1450::1]:9000", func(c *Config) { c.Table.Filter = func(table.Node) bool { return listed } })
	nw.Drop = func(from, to netip.AddrPort, _ []byte) bool { return from == a.addr && to.Addr().Is4() }
	var slow []int
	for i := range 12 {
		_, rec := nw.dualStack(t, fmt.Sprintf("52.%d.0.7:9000", 16+i), fmt.Sprintf("[2a%02x:1450::2]:9000", i+1))
		for k := range 3 {
			p, err := a.e.PeerOf(rec)
			if err != nil {
				t.Fatal(err)
			}
			res, after := nw.ask(t, a, Request{Type: codec.TypePing, Peer: p}, 3*time.Second)
			if res.Err != nil {
				t.Fatalf("node %d: %v", i, res.Err)
			}
			if after > 500*time.Millisecond {
				slow = append(slow, i)
				if k > 0 {
					t.Errorf("node %d: request %d took %v", i, k, after)
				}
			}
		}
	}
	if len(slow) > familyMisses {
		t.Errorf("the first requests to nodes %v waited for IPv4", slow)
	}
}

// When a record changes, the neighbors have it within seconds. Rounds of PINGs are bounded.
func TestRecordChangeIsAnnounced(t *testing.T) {
	nw := newNetwork(t)
	boot := nw.add(far(0), nil)
	nodes := append(nw.swarm(1, 20, boot.peer(), nil), boot)
	nw.run(10 * time.Minute)
	n := nodes[3]
	neighbors := n.e.table.LiveLen()
	old := n.e.Record().Seq()
	pings := n.e.Counters()[OutPing]
	for i := range 20 {
		n.restate(func(b *enr.Builder) { b.SetBytes("attnets", []byte{byte(i)}) })
		nw.run(50 * time.Millisecond)
	}
	nw.run(6 * time.Second)
	current, has := 0, 0
	for _, o := range nodes {
		if seq, ok := o.e.table.Seq(n.e.ID()); ok && o != n {
			if has++; seq == n.rec.Seq() {
				current++
			} else if seq > old {
				t.Logf("one has record %d of %d", seq, n.rec.Seq())
			}
		}
	}
	if current < neighbors-1 || current < has-1 {
		t.Errorf("%d of %d tables have the newest record after 7 s; it has %d neighbors", current, has, neighbors)
	}
	if sent := int(n.e.Counters()[OutPing] - pings); sent > 3*neighbors+10 {
		t.Errorf("%d PINGs for 20 changes and %d neighbors", sent, neighbors)
	}
}

// In a network where a fifth of the nodes is odd, in ways that public bug reports describe, every
// node finds the others.
func TestOddNetwork(t *testing.T) {
	nw := newNetwork(t)
	boot := nw.add(far(0), nil)
	boot.restate(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("fe80::1")).SetUDP6(9000) })
	const n = 40
	var odd []*node // can be reached where their record says
	for i := 1; i < n; i++ {
		if i%5 != 0 {
			nw.add(far(i), nil, boot.peer())
			continue
		}
		at := netip.MustParseAddrPort(far(i))
		switch i / 5 % 4 {
		case 0: // a private address of the other family beside a public one
			nd := nw.add(far(i), nil, boot.peer())
			nd.restate(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("fd00::9")).SetUDP6(9000) })
			odd = append(odd, nd)
		case 1: // an entry that does not fit
			odd = append(odd, nw.add(far(i), func(c *Config) {
				c.Record = oddRecord(t, c.Key, at, "tcp", "\x83\x01\x11\x70")
			}, boot.peer()))
		case 2: // a rewritten source port
			inner := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}), 9000)
			nw.rewriting(inner, at)
			nd := nw.add(inner.String(), func(c *Config) { c.DetectAddress = -1 }, boot.peer())
			nd.restate(func(b *enr.Builder) { b.SetIP(at.Addr()).SetUDP(at.Port()) })
			odd = append(odd, nd)
		case 3: // a record without an address
			nd := nw.add(far(i), func(c *Config) { c.DetectAddress = -1 }, boot.peer())
			nd.restate(func(b *enr.Builder) { b.Delete("ip").Delete("udp") })
		}
	}
	reachable := make([]*node, 0, n)
	for _, o := range nw.order {
		if _, ok := o.e.Record().UDPEndpoint4(); ok {
			reachable = append(reachable, o)
		}
	}
	nw.run(5 * time.Minute)
	total, least := 0, n
	for i, o := range nw.order {
		live, room := o.e.table.LiveLen(), o.room(reachable)
		if total += live; live < least {
			least = live
		}
		if live < room*9/10 {
			t.Errorf("node %d has %d live nodes, and room for %d", i, live, room)
		}
	}
	t.Logf("%d nodes, %d of them reachable: %.1f live in a table, at least %d", n, len(reachable), float64(total)/n, least)
	for i, o := range odd {
		asks := nw.order[1+i*3%4]
		if _, results := asks.search(o.e.ID()); !results[o.e.ID()] {
			t.Errorf("a lookup does not find odd node %d at %v", i, o.addr)
		}
	}
}

// Lookups start from every node that has answered: one that the program contacted and that is not
// in the table, a bootnode, and a node that was removed from the table.
func TestLookupSources(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(t *testing.T, a, source *node)
	}{
		{"contact of the program", func(t *testing.T, a, source *node) {
			if r := a.call(Request{Type: codec.TypePing, Peer: source.peer()}); r.Err != nil {
				t.Fatal(r.Err)
			}
			if _, ok := a.e.table.Seq(source.e.ID()); ok {
				t.Fatal("in the table: this tests nothing")
			}
		}},
		{"bootnode", func(_ *testing.T, a, source *node) { a.e.SetBootnodes([]Peer{source.peer()}) }},
		{"bootnode without record", func(_ *testing.T, a, source *node) {
			a.e.SetBootnodes([]Peer{{ID: source.e.ID(), PublicKey: source.key.PublicKey(), Addr: source.addr}})
		}},
		{"node that has left the table", func(_ *testing.T, a, source *node) {
			a.e.removed.add(source.e.ID(), source.rec, source.addr)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			source := nw.add(far(0), nil)
			others := nw.swarm(1, 8, source.peer(), nil)
			nw.run(30 * time.Second)
			a := nw.add(far(20), func(c *Config) {
				c.Table.Filter = func(n table.Node) bool { return n.ID != source.e.ID() }
			})
			c.start(t, a, source)
			heard, results := a.search(enr.ID{1})
			for _, o := range others {
				if !heard[o.e.ID()] || !results[o.e.ID()] {
					t.Errorf("the lookup learned the node at %v: %v; it is a result: %v", o.addr, heard[o.e.ID()], results[o.e.ID()])
				}
			}
			if results[source.e.ID()] {
				t.Error("a node that the filter refuses is a result")
			}
		})
	}
}

// Responders are bounded, in all and for a site; those that do not answer are forgotten.
func TestRespondersAreBounded(t *testing.T) {
	var rs responders
	peer := func(i, site int) Peer {
		return Peer{ID: enr.ID{byte(i), byte(site)}, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(site), 1, byte(i)}), 9000)}
	}
	for i := range 20 {
		rs.answered(time.Duration(i), peer(i, 0))
	}
	if len(rs.list) != maxResponderSite || !rs.has(peer(19, 0).ID) || rs.has(peer(0, 0).ID) {
		t.Errorf("%d responders of one site", len(rs.list))
	}
	for site := range 200 {
		rs.answered(time.Second+time.Duration(site), peer(1, site))
	}
	if len(rs.list) != maxResponders || !rs.has(peer(1, 199).ID) || rs.has(peer(19, 0).ID) {
		t.Errorf("%d responders", len(rs.list))
	}
	last := peer(1, 199)
	for i := range responderFails {
		if !rs.has(last.ID) {
			t.Errorf("forgotten after %d failures", i)
		}
		rs.failed(last.ID, last.Addr)
	}
	if rs.has(last.ID) {
		t.Error("not forgotten")
	}
	if rs.remove(peer(1, 198).ID); rs.has(peer(1, 198).ID) {
		t.Error("not removed")
	}
}

// A peer that has fallen back to an older record may send it with its handshake, unasked. That is
// no different from one that is asked for it.
func TestOlderRecordInHandshake(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add(far(0), nil)
	first := nw.scriptedPeer(far(1), 7).listen()
	first.renewed(func(b *enr.Builder) { b.SetSeq(50) })
	first.connect(a)
	for range 20 {
		nw.run(100 * time.Millisecond)
		first.serve(a)
	}
	if _, s, ok := a.e.table.Get(first.Record.ID()); !ok || !s.Live {
		t.Fatal("not in the table")
	}
	again := nw.scriptedPeer(far(2), 7).listen() // the same key
	if again.Record.ID() != first.Record.ID() || again.Record.Seq() >= first.Record.Seq() {
		t.Fatal("another node, or no older record")
	}
	// which does not tell its number, as a PING does
	h := again.answer(again.challenge(a), a, askFor(256))
	nw.inject(again.Addr, a, again.encode(h, a))
	again.Keys = h.Keys
	for range 600 {
		nw.run(100 * time.Millisecond)
		again.serve(a)
	}
	n, s, ok := a.e.table.Get(again.Record.ID())
	if !ok || n.Addr != again.Addr || n.Seq() != again.Record.Seq() || !s.Live {
		t.Errorf("in the table: %v, at %v with record %d, live %v; want %v, %d", ok, n.Addr, n.Seq(), s.Live, again.Addr, again.Record.Seq())
	}
}
