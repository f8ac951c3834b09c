package topic

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// checkCache checks what must hold between the parts of a cache.
func checkCache(t testing.TB, c *cache) {
	t.Helper()
	live, slots := 0, 0
	before := none
	for n := c.oldest; n != none; n = c.slots.at(n).newer {
		s := c.slots.at(n)
		slots++
		if s.older != before {
			t.Fatal("the list is broken")
		}
		before = n
		g := c.topics.at(s.topic())
		if c.find(&s.id, c.findTopic(&g.topic)) != n {
			t.Fatal("a slot is not found by its owner")
		}
		if !s.live() {
			if live > 0 {
				t.Fatal("an expired ad is behind a live one")
			}
			continue
		}
		if live == 0 && c.live != n {
			t.Fatal("live is not the oldest live ad")
		}
		live++
		if at, _ := c.at(s.topic(), s.place); s.place >= g.size() || at != n {
			t.Fatal("an ad is not at its place")
		}
		low := uint32(0)
		if s.class() > 0 {
			low = g.upTo[s.class()-1]
		}
		if s.place < low || s.place >= g.upTo[s.class()] {
			t.Fatal("an ad is among those of another class")
		}
	}
	if before != c.newest || live != c.ads || live != c.byPlace.len || slots != c.byOwner.len {
		t.Fatalf("%d ads, %d slots; counted %d, %d, %d", live, slots, c.ads, c.byPlace.len, c.byOwner.len)
	}
	vertices := 0
	for f := range c.tree.top {
		// sum counts the addresses below the link to a vertex, whose prefix begins with the first
		// depth bits of prefix.
		var sum func(link uint32, prefix uint64, depth uint8) uint32
		sum = func(link uint32, prefix uint64, depth uint8) uint32 {
			if link == none {
				return 0
			}
			vertices++
			v := c.tree.vertices.at(link)
			if v.depth < depth || common(v.prefix, prefix, depth) != depth || v.prefix != cut(v.prefix, v.depth) {
				t.Fatal("a vertex is below a prefix that is not its own")
			}
			if v.depth == levels[f] {
				return v.count
			}
			n := uint32(0)
			for i, k := range v.child {
				if k == none {
					t.Fatal("a vertex at which the tree does not branch")
				}
				n += sum(k, v.prefix|uint64(i)<<(63-v.depth), v.depth+1)
			}
			if n != v.count {
				t.Fatalf("a vertex counts %d addresses, and has %d below", v.count, n)
			}
			return n
		}
		top := &c.tree.top[f]
		for i, link := range top.links {
			if n := sum(link, uint64(i)<<(64-top.levels), top.levels); n != top.counts[len(top.links)+i] {
				t.Fatalf("a prefix counts %d addresses, and has %d below", top.counts[len(top.links)+i], n)
			}
		}
		for i := 1; i < len(top.links); i++ {
			if top.counts[i] != top.counts[2*i]+top.counts[2*i+1] {
				t.Fatal("a counter is not the sum of those below")
			}
		}
	}
	for n := c.tree.free; n != none; n = c.tree.vertices.at(n).child[0] {
		vertices++
	}
	if vertices != int(c.tree.vertices.used) {
		t.Fatalf("%d vertices of %d are in use or free", vertices, c.tree.vertices.used)
	}
}

func FuzzRegistrar(f *testing.F) {
	nodes := modelNodes(f)
	f.Add([]byte{0, 3, 0, 0, 3, 1, 0, 0, 200, 200, 5, 1, 2, 7, 0, 4, 2, 0, 0})
	f.Add([]byte{1, 3, 0, 0, 3, 1, 0, 3, 2, 0, 3, 3, 0, 3, 4, 0, 3, 5, 0, 3, 6, 0, 0, 255, 255})
	rnd := rand.New(seeded(7))
	for i := range 12 {
		b := make([]byte, 600)
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		b[0] = byte(i)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) == 0 || len(script) > 1000 {
			return
		}
		run := newModelRun(t, nodes, script[0])
		for s := script[1:]; len(s) >= 3; s = s[3:] {
			run.step(s[0], s[1], s[2])
		}
	})
}

// The comparison with the model comes to every result that the cache decides about.
func TestModelReachesEveryResult(t *testing.T) {
	var total [NumResults]uint64
	nodes := modelNodes(t)
	rnd := rand.New(seeded(8))
	for shape := range byte(6) {
		run := newModelRun(t, nodes, shape)
		for range 400 {
			run.step(byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()))
		}
		for result, n := range run.r.Stats().Results {
			total[result] += n
		}
	}
	for result := Admitted; result < Owner; result++ {
		if total[result] == 0 {
			t.Errorf("no request was %v", result)
		}
	}
}

// The compressed tree scores as the definition does.
func TestTreeAgainstDefinition(t *testing.T) {
	rnd := rand.New(seeded(3))
	for range 40 {
		m := newModel(Config{Random: zeros{}})
		tree := newIPTree(200)
		random := func() netip.Addr {
			var b [16]byte
			if rnd.IntN(3) == 0 { // IPv6 in few networks
				b = netip.MustParseAddr("2a00::").As16()
				b[1+rnd.IntN(7)] = byte(rnd.IntN(4))
				return netip.AddrFrom16(b)
			}
			return netip.AddrFrom4([4]byte{byte(11 + rnd.IntN(3)*60), byte(rnd.IntN(2)), byte(rnd.IntN(3)), byte(rnd.IntN(256))})
		}
		for step := range 200 {
			a := random()
			if !m.global(a) {
				continue
			}
			if step%3 == 2 && len(m.ads) > 0 {
				i := rnd.IntN(len(m.ads))
				tree.remove(keyOf(m.ads[i].source))
				m.ads = append(m.ads[:i], m.ads[i+1:]...)
			} else {
				tree.add(keyOf(a))
				m.ads = append(m.ads, modelAd{source: a})
			}
			a = random()
			got := tree.score(keyOf(a))
			points, depth := m.score(a)
			if int(got.points) != points || int(got.depth) != depth {
				t.Fatalf("%v among %d: %d points, depth %d; want %d, %d", a, len(m.ads), got.points, got.depth, points, depth)
			}
		}
		if tree.total(netaddr.IPv4)+tree.total(netaddr.IPv6) != uint32(len(m.ads)) {
			t.Fatal("the tops do not count the addresses")
		}
	}
}
