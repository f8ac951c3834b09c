package topic

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Levels of the address trees below their roots. An IPv6 tree covers the first 64 bits: a /64 is
// one customer, who can use any address in it.
const (
	levels4 = 32
	levels6 = 64
)

var levels = [netaddr.NumFamilies]uint8{netaddr.IPv4: levels4, netaddr.IPv6: levels6}

// ipKey is an address as the trees see it: its first bits, from the highest bit down.
type ipKey struct {
	bits   uint64
	family netaddr.Family
}

// keyOf returns the key of an address in canonical form.
func keyOf(addr netip.Addr) ipKey {
	if addr.Is4() {
		a := addr.As4()
		return ipKey{uint64(binary.BigEndian.Uint32(a[:])) << 32, netaddr.IPv4}
	}
	a := addr.As16()
	return ipKey{binary.BigEndian.Uint64(a[:8]), netaddr.IPv6}
}

// ipTree counts addresses by prefix (discv5-theory.md, IP Similarity Tree). The first levels are
// arrays: in a full cache most of their prefixes have addresses, and their counters can be read
// without waiting for one another. The levels below are compressed: a vertex stands for all
// prefixes between its parent and itself, which have the same count. A tree of n different
// addresses has at most 2n-1 vertices.
type ipTree struct {
	vertices slab[vertex]
	free     uint32 // head of the list of free vertices, linked by child[0]
	top      [netaddr.NumFamilies]treeTop
	last     walk
}

// walk is the way of an address down the tree. The registrar often
// adds an address after it has asked for its score. It need not walk again, which would wait for
// the memory of each vertex.
type walk struct {
	known bool // the way is that of key, and the tree has not changed
	key   ipKey
	path  [levels6]uint32 // vertices whose whole prefix is one of the address
	n     int             // of them
	// behind the last of them: to the vertex with the rest of depth, or to none
	link  *uint32
	depth uint8 // length of the longest prefix of the address that the tree holds
}

// treeTop is the first levels of the tree of a family.
type treeTop struct {
	levels uint8
	// counts has the counter of the prefix p of i bits at 1<<i + p. That of all addresses is
	// counts[1].
	counts []uint32
	links  []uint32 // for each prefix of that many levels, the vertex below
}

// vertex is a prefix below the top at which the tree branches or ends.
type vertex struct {
	prefix uint64 // the first depth bits; the others are zero
	child  [2]uint32
	count  uint32
	depth  uint8
}

// none is the number of no vertex and of no slot.
const none = ^uint32(0)

// newIPTree returns a tree for that many addresses. The top of the tree for IPv4 has one link for
// every one or two of them. Addresses of IPv6 lie too close together for that: most of its top
// would remain empty.
func newIPTree(capacity int) ipTree {
	t := ipTree{vertices: newSlab[vertex](2 * capacity), free: none}
	t.top[netaddr.IPv4] = newTreeTop(min(bits.Len(uint(capacity))-1, maxTop))
	t.top[netaddr.IPv6] = newTreeTop(0)
	return t
}

// maxTop is the number of levels in the largest top.
const maxTop = 15

func newTreeTop(levels int) treeTop {
	t := treeTop{levels: uint8(levels), counts: make([]uint32, 2<<levels), links: make([]uint32, 1<<levels)}
	for i := range t.links {
		t.links[i] = none
	}
	return t
}

// total returns the number of addresses of a family.
func (t *ipTree) total(f netaddr.Family) uint32 { return t.top[f].counts[1] }

// place returns where the counter of the longest prefix of an address is, and the link to the
// vertex below. The counter of a prefix that is one bit shorter is at half of that.
func (t *treeTop) place(address uint64) (counter int, link *uint32) {
	prefix := int(address >> 1 >> (63 - t.levels)) // by 64 at most
	return len(t.links) + prefix, &t.links[prefix]
}

// count adds n to the counters of the prefixes of an address, and returns the link to the vertex
// below.
func (t *treeTop) count(address uint64, n uint32) *uint32 {
	i, link := t.place(address)
	for ; i > 0; i >>= 1 {
		t.counts[i] += n
	}
	return link
}

// common returns how many leading bits a and b share, at most limit.
func common(a, b uint64, limit uint8) uint8 {
	return min(uint8(bits.LeadingZeros64(a^b)), limit)
}

// cut returns the first n bits of b.
func cut(b uint64, n uint8) uint64 { return b &^ (^uint64(0) >> n) }

// bit returns bit i of b, counted from the highest. i is less than 64.
func bit(b uint64, i uint8) int { return int(b << (i % 64) >> 63) }

// match is what a walk down the tree finds out about an address.
type match struct {
	points uint8 // levels at which the address's prefix is over-represented
	levels uint8
	depth  uint8 // length of the longest prefix of the address that the tree holds
}

// score walks along the address. A prefix of i bits with n addresses scores a point if n > N/2^i,
// where N is the number of addresses in the tree: that is what a balanced tree would have.
func (t *ipTree) score(k ipKey) match {
	top := &t.top[k.family]
	total := top.counts[1]
	// of type int, as all that decides here: the compiler needs no branches then
	points, depth := 0, 0
	i, link := top.place(k.bits)
	for level := int(top.levels); level > 0; level-- {
		n := top.counts[i]
		points += exceeds(n, total, level)
		depth += exceeds(n, 0, 0) // a prefix has addresses if a longer one has
		i >>= 1
	}
	w := &t.last
	full, steps := int(levels[k.family]), 0
	for *link != none {
		v := t.vertices.at(*link)
		all := int(v.depth)
		shared := min(bits.LeadingZeros64(k.bits^v.prefix), all)
		// All prefixes from here to shared have v.count addresses. The condition holds from a
		// level on.
		from := max(threshold(v.count, total), depth+1)
		points += max(shared+1-from, 0)
		depth = shared
		if shared < all {
			break
		}
		w.path[steps%len(w.path)] = *link
		steps++
		if all == full {
			break
		}
		link = &v.child[bit(k.bits, v.depth)] // does not wait for shared
	}
	w.key, w.known, w.n, w.link, w.depth = k, true, steps, link, uint8(depth)
	return match{uint8(points), uint8(full), uint8(depth)}
}

// exceeds returns 1 if n<<i > total, and otherwise 0. It has no branch: whether a prefix scores is
// as good as random. n and total are numbers of addresses.
func exceeds(n, total uint32, i int) int {
	return int((uint64(total) - uint64(n)<<(uint(i)%64)) >> 63)
}

// threshold returns the smallest i with n<<i > total. n is between 1 and total.
func threshold(n, total uint32) int {
	i := bits.Len32(total) - bits.Len32(n)
	return i + 1 - exceeds(n, total, i)
}

// add counts an address. The caller adds at most as many as the tree has capacity for.
func (t *ipTree) add(k ipKey) {
	w := &t.last
	if !w.known || w.key != k {
		t.score(k)
	}
	w.known = false
	t.top[k.family].count(k.bits, 1)
	for _, n := range w.path[:w.n] {
		t.vertices.at(n).count++
	}
	full := levels[k.family]
	if w.depth == full {
		return
	}
	leaf := t.take(vertex{k.bits, [2]uint32{none, none}, 1, full})
	below := *w.link
	if below == none {
		*w.link = leaf
		return
	}
	v := t.vertices.at(below)
	fork := vertex{prefix: cut(k.bits, w.depth), count: v.count + 1, depth: w.depth}
	side := bit(k.bits, w.depth)
	fork.child[side], fork.child[1-side] = leaf, below
	*w.link = t.take(fork)
}

// remove takes back one add of the address.
func (t *ipTree) remove(k ipKey) {
	full := levels[k.family]
	t.last.known = false
	link := t.top[k.family].count(k.bits, ^uint32(0))
	var above *uint32 // the link to the vertex that has link, nil for the top
	for {
		v := t.vertices.at(*link)
		v.count--
		if v.count == 0 {
			break
		}
		if v.depth == full {
			return
		}
		above, link = link, &v.child[bit(k.bits, v.depth)]
	}
	t.give(*link)
	*link = none
	if above != nil {
		// The vertex above has one child left: its prefix is no place where the tree branches.
		gone := *above
		v := t.vertices.at(gone)
		*above = v.child[1-bit(k.bits, v.depth)]
		t.give(gone)
	}
}

func (t *ipTree) take(v vertex) uint32 {
	n := t.free
	if n != none {
		t.free = t.vertices.at(n).child[0]
	} else {
		n, _ = t.vertices.next()
	}
	*t.vertices.at(n) = v
	return n
}

func (t *ipTree) give(n uint32) {
	*t.vertices.at(n) = vertex{child: [2]uint32{t.free, none}}
	t.free = n
}
