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

// ipTree counts addresses by prefix (discv5-theory.md, IP Similarity Tree). It is compressed: a
// vertex stands for all prefixes between its parent and itself, which have the same count. A tree
// of n different addresses has at most 2n-1 vertices and the root.
type ipTree struct {
	vertices slab[vertex]
	free     uint32 // head of the list of free vertices, linked by child[0]
	root     [netaddr.NumFamilies]vertex
}

// vertex is a prefix at which the tree branches or ends.
type vertex struct {
	prefix uint64 // the first depth bits; the others are zero
	child  [2]uint32
	count  uint32
	depth  uint8
}

// none is the number of no vertex and of no slot.
const none = ^uint32(0)

func newIPTree(capacity int) ipTree {
	t := ipTree{vertices: newSlab[vertex](2 * capacity), free: none}
	for f := range t.root {
		t.root[f].child = [2]uint32{none, none}
	}
	return t
}

// common returns how many leading bits a and b share, at most limit.
func common(a, b uint64, limit uint8) uint8 {
	return min(uint8(bits.LeadingZeros64(a^b)), limit)
}

// cut returns the first n bits of b.
func cut(b uint64, n uint8) uint64 { return b &^ (^uint64(0) >> n) }

// bit returns bit i of b, counted from the highest.
func bit(b uint64, i uint8) int { return int(b >> (63 - i) & 1) }

// match is what a walk down the tree finds out about an address.
type match struct {
	points uint8 // levels at which the address's prefix is over-represented
	levels uint8
	depth  uint8 // length of the longest prefix of the address that the tree holds
}

// score walks along the address. A prefix of i bits with n addresses scores a point if n > N/2^i,
// where N is the number of addresses in the tree: that is what a balanced tree would have.
func (t *ipTree) score(k ipKey) match {
	m := match{levels: levels[k.family]}
	v := &t.root[k.family]
	total := v.count
	for m.depth < m.levels {
		n := v.child[bit(k.bits, m.depth)]
		if n == none {
			return m
		}
		v = t.vertices.at(n)
		shared := common(k.bits, v.prefix, v.depth)
		// All prefixes from here to shared have v.count addresses. The condition holds from a
		// level on.
		from := max(threshold(v.count, total), m.depth+1)
		if from <= shared {
			m.points += shared - from + 1
		}
		m.depth = shared
		if shared < v.depth {
			return m
		}
	}
	return m
}

// threshold returns the smallest i with n<<i > total. n is between 1 and total.
func threshold(n, total uint32) uint8 {
	i := bits.Len32(total) - bits.Len32(n)
	if uint64(n)<<i > uint64(total) {
		return uint8(i)
	}
	return uint8(i + 1)
}

// add counts an address. The caller adds at most as many as the tree has capacity for.
func (t *ipTree) add(k ipKey) {
	full := levels[k.family]
	v := &t.root[k.family]
	v.count++
	for v.depth < full {
		link := &v.child[bit(k.bits, v.depth)]
		if *link == none {
			*link = t.take(vertex{k.bits, [2]uint32{none, none}, 1, full})
			return
		}
		below := t.vertices.at(*link)
		shared := common(k.bits, below.prefix, below.depth)
		if shared < below.depth {
			fork := vertex{cut(k.bits, shared), [2]uint32{none, none}, below.count, shared}
			fork.child[bit(below.prefix, shared)] = *link
			*link = t.take(fork)
			below = t.vertices.at(*link)
		}
		below.count++
		v = below
	}
}

// remove takes back one add of the address.
func (t *ipTree) remove(k ipKey) {
	full := levels[k.family]
	v := &t.root[k.family]
	v.count--
	var above *uint32 // the link to v, nil for the root
	for v.depth < full {
		link := &v.child[bit(k.bits, v.depth)]
		below := t.vertices.at(*link)
		below.count--
		if below.count == 0 {
			t.give(*link)
			*link = none
			// v has one child left: v's prefix is no place where the tree branches
			if above != nil {
				gone := *above
				*above = v.child[1-bit(k.bits, v.depth)]
				t.give(gone)
			}
			return
		}
		above, v = link, below
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
