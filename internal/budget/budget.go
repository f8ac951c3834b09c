package budget

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Cause is the reason why a Budget refused a packet.
type Cause uint8

// Causes.
const (
	// Allowed: the packet was not refused.
	Allowed Cause = iota
	// OverRate: the destination, its site or its wide prefix is over its rate.
	OverRate
	// Repeated: the node ID was already probed at the destination on behalf of the same namer.
	Repeated
	// Unfunded: the grant is used up.
	Unfunded
)

// String returns a name for metrics.
func (c Cause) String() string {
	return [...]string{"allowed", "rate", "repeated", "unfunded", "unknown"}[min(c, Unfunded+1)]
}

// Origin is the reason why this node sends a packet to an endpoint.
type Origin uint8

// Origins.
const (
	// Operator: the program or its user asked for it, or configured the destination.
	Operator Origin = iota
	// Known: the node has answered at this endpoint before, or has a session there.
	Known
	// Named: another node named the endpoint, or the node states it itself but has not been
	// contacted there.
	Named
)

// Purpose describes a packet to Spend.
type Purpose struct {
	Origin Origin
	// ID is the node ID behind the endpoint, for Named.
	ID [32]byte
	// Grant pays for the packet if Origin is Named. Without a Grant, an earlier message of the node
	// itself, at least as long as the packet, led to it.
	Grant *Grant
}

// Budget is the budget of one node. It is safe for concurrent use.
type Budget struct {
	seed   uint64
	proofs proofs

	mu       sync.Mutex
	address  *rateTable
	site     *rateTable
	wide     *rateTable
	operator *rateTable
	claims   *rateTable
	probes   *probeTable
}

// New returns a Budget for the given number of proofs, of 32 bytes each. The other tables take 176
// KiB. seed must be secret and random.
func New(seed uint64, endpoints int) *Budget {
	return &Budget{
		seed:     seed,
		proofs:   newProofs(endpoints),
		address:  newRateTable(MaxPerSecond),
		site:     newRateTable(MaxSitePerSecond),
		wide:     newRateTable(MaxWidePerSecond),
		operator: newRateTable(MaxOperatorPerSecond),
		claims:   newRateTable(MaxClaimsPerSecond),
		probes:   new(probeTable),
	}
}

func (b *Budget) hash(at netip.AddrPort) uint64 {
	var buf [18]byte
	a := at.Addr().As16()
	copy(buf[:], a[:])
	binary.BigEndian.PutUint16(buf[16:], at.Port())
	return xxh3.HashSeed(buf[:], b.seed)
}

// destination returns the key that counts packets to an endpoint.
func (b *Budget) destination(to netip.AddrPort, class netaddr.Class) uint64 {
	if class == netaddr.Loopback {
		return b.hash(to)
	}
	return b.hash(netip.AddrPortFrom(to.Addr(), 0))
}

// prefix returns the key of a prefix, which differs from all destination keys.
func (b *Budget) prefix(p netaddr.Prefix) uint64 {
	n := p.Netip()
	a := n.Addr().As16()
	var buf [19]byte
	copy(buf[:], a[:])
	buf[18] = byte(1 + n.Bits())
	return xxh3.HashSeed(buf[:], b.seed)
}

// source returns the key of the party at an endpoint: its site, or its address in a private
// network.
func (b *Budget) source(from netip.AddrPort) uint64 {
	class := netaddr.ClassOf(from.Addr())
	if class == netaddr.Global {
		return b.prefix(netaddr.Site(from.Addr()))
	}
	return b.destination(from, class)
}

// probe returns the key of a node ID that the namer of g, which may be nil, names at a destination.
func (b *Budget) probe(destination uint64, id *[32]byte, g *Grant) uint64 {
	var buf [48]byte
	copy(buf[:], id[:])
	binary.LittleEndian.PutUint64(buf[32:], destination)
	if g != nil {
		binary.LittleEndian.PutUint64(buf[40:], b.source(g.namer))
	}
	return xxh3.HashSeed(buf[:], b.seed)
}

// Spend charges a packet of size bytes to the endpoint to, unless the endpoint has a proof. If the
// result is not Allowed, nothing was charged and the caller must not send the packet. Spend
// allocates only if a grant pays.
func (b *Budget) Spend(now time.Duration, to netip.AddrPort, size int, p *Purpose) Cause {
	if b.Proven(now, to) {
		return Allowed
	}
	class := netaddr.ClassOf(to.Addr())
	dest := b.destination(to, class)
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.Origin == Operator {
		e := b.operator.look(now, dest)
		if e == nil {
			return OverRate
		}
		b.operator.charge(now, e, dest)
		return Allowed
	}
	levels := [...]struct {
		table *rateTable
		key   uint64
		entry *rateEntry
	}{{table: b.address, key: dest}, {table: b.site}, {table: b.wide}}
	counted := levels[:1]
	if class == netaddr.Global {
		counted = levels[:]
		levels[1].key = b.prefix(netaddr.Site(to.Addr()))
		levels[2].key = b.prefix(netaddr.Wide(to.Addr()))
	}
	for i := range counted {
		l := &counted[i]
		if l.entry = l.table.look(now, l.key); l.entry == nil {
			return OverRate
		}
	}
	if p.Origin == Named {
		key := b.probe(dest, &p.ID, p.Grant)
		e, ok := b.probes.look(now, key)
		if !ok {
			return Repeated
		}
		if p.Grant != nil {
			keys := [...]uint64{dest, levels[1].key}
			if !p.Grant.spend(size, keys[:min(len(counted), 2)]...) {
				return Unfunded
			}
		}
		b.probes.charge(now, e, key)
	}
	for i := range counted {
		counted[i].table.charge(now, counted[i].entry, counted[i].key)
	}
	return Allowed
}

// Probed reports whether Spend would refuse a packet to a named endpoint as Repeated. It changes
// nothing.
func (b *Budget) Probed(now time.Duration, to netip.AddrPort, id *[32]byte, g *Grant) bool {
	if b.Proven(now, to) {
		return false
	}
	key := b.probe(b.destination(to, netaddr.ClassOf(to.Addr())), id, g)
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.probes.look(now, key)
	return !ok
}

// Claim charges one claim to the site of source: an endpoint that a node there states for itself
// and that this node will probe, or a record that it will fetch. It returns false if the site has
// used up its claims. Sites of private and loopback addresses count by address. Members of the
// table count separately from other nodes.
func (b *Budget) Claim(now time.Duration, source netip.AddrPort, member bool) bool {
	key := b.source(source)
	if member {
		key ^= 1 << 63
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.claims.look(now, key)
	if e == nil {
		return false
	}
	b.claims.charge(now, e, key)
	return true
}
