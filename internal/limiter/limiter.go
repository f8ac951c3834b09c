package limiter

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/limits"
)

// Sizes of a Limiter.
const (
	// DefaultSets is the default number of sets per level.
	DefaultSets = 1024
	// MaxSets is the largest number of sets per level.
	MaxSets = 1 << 20
	// DefaultSize is the largest memory of a Limiter with DefaultSets, in bytes: 1 MiB.
	DefaultSize = numLevels * DefaultSets * setSize
)

// Config configures a Limiter. The zero value is valid.
type Config struct {
	// Rates are the limits; default Unverified(). A level with a zero Rate has no limit, unless all
	// levels are zero.
	Rates limits.Rates
	// Sets is the number of sets per level; default DefaultSets, at most MaxSets. New rounds it up
	// to a power of two. Each set has 10 entries and takes 256 bytes at each of the four levels.
	Sets int
	// Exempt selects the sources that are not limited; default ExemptLocal.
	Exempt Exempt
	// Seed seeds the hash. It must be secret and random: with a known seed an attacker can choose
	// sources that share a set.
	Seed uint64
}

// cause is the reason why a Limiter refused a datagram. Tests read it.
type cause uint8

const (
	allowed cause = iota
	overAddress
	over64
	over56
	overNetwork // an IPv4 /24 or IPv6 /48
	crowded     // no entry is idle, and the bucket that new sources share is empty
)

func (c cause) String() string {
	return [...]string{"allowed", "address", "/64", "/56", "network", "crowded"}[c]
}

// numLevels is the number of levels.
const numLevels = 4

// Limiter limits datagrams by source. It is safe for concurrent use; see the package comment. A nil
// Limiter allows everything.
type Limiter struct {
	exempt atomic.Uint32 // Exempt
	// by family, widest first; both families share the table of a level
	levels [netaddr.NumFamilies][]level
	size   int
}

// level is one prefix length of one family.
type level struct {
	mask   netaddr.Uint128
	bucket bucket
	sets   sets
	seed   uint64
	cause  cause
}

// New returns a Limiter. It allocates memory for a source with the source's first datagram: a chunk
// of 4 KiB, which serves 15 other sets too.
func New(cfg Config) *Limiter {
	if cfg.Rates == (limits.Rates{}) {
		cfg.Rates = Unverified()
	}
	if cfg.Sets <= 0 {
		cfg.Sets = DefaultSets
	}
	sets := 1 << bits.Len(uint(min(cfg.Sets, MaxSets)-1))
	l := new(Limiter)
	l.SetExempt(cfg.Exempt)
	for i, w := range [numLevels]struct {
		rate  limits.Rate
		cause cause
		// prefix length in 128 bits by family; 0 if the family does not have the level
		lengths [netaddr.NumFamilies]int
	}{
		{cfg.Rates.Network, overNetwork, [...]int{96 + netaddr.SiteBits4, netaddr.SiteBits6}},
		{cfg.Rates.Prefix56, over56, [...]int{0, 56}},
		{cfg.Rates.Prefix64, over64, [...]int{0, netaddr.SubnetBits6}},
		{cfg.Rates.Address, overAddress, [...]int{128, 128}},
	} {
		if w.rate.PerSecond <= 0 {
			continue
		}
		lv := level{bucket: newBucket(w.rate), sets: newSets(sets), seed: cfg.Seed + uint64(i), cause: w.cause}
		l.size += sets * setSize
		for family, length := range w.lengths {
			if length > 0 {
				lv.mask = netaddr.Mask(length)
				l.levels[family] = append(l.levels[family], lv)
			}
		}
	}
	return l
}

// SetExempt changes which sources are not limited. You may call it at any time. It does nothing on
// a nil Limiter.
func (l *Limiter) SetExempt(e Exempt) {
	if l != nil {
		l.exempt.Store(uint32(e))
	}
}

// Size returns the largest memory that the tables can take, in bytes. It never changes.
func (l *Limiter) Size() int { return l.size }

// Allow reports whether the limits allow a datagram from addr, and if so charges it to the address
// and to the prefixes that contain it. A refused datagram is not charged.
//
// now is monotonic time and not negative; the clocks of workers may differ a little. Allow does not
// block, reads at most four sets, and allocates only as described at New.
func (l *Limiter) Allow(now time.Duration, addr netip.Addr) bool {
	return l == nil || l.charge(now, addr) == allowed
}

// charge implements Allow, and names the widest level that refuses.
func (l *Limiter) charge(now time.Duration, addr netip.Addr) cause {
	n, family := netaddr.Uint128Of(addr)
	if Exempt(l.exempt.Load()).covers(n, family) {
		return allowed
	}
	levels := l.levels[family]
	// Check all levels before charging any: a refused datagram must neither use up a wider limit
	// nor take an entry.
	var slots [numLevels]slot
	for i := range levels {
		lv, at := &levels[i], &slots[i]
		at.key = n.And(lv.mask)
		at.set = lv.find(at.key)
		at.look(int64(now))
		if !at.allows(int64(now), &lv.bucket) {
			return at.refusal(lv)
		}
	}
	for i := range levels {
		lv, at := &levels[i], &slots[i]
		if !at.charge(int64(now), &lv.bucket) {
			return at.refusal(lv)
		}
	}
	return allowed
}

// find returns the set of a prefix.
func (lv *level) find(key netaddr.Uint128) *set {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], key.Hi)
	binary.LittleEndian.PutUint64(b[8:], key.Lo)
	return lv.sets.at(xxh3.HashSeed(b[:], lv.seed))
}

func (s *slot) refusal(lv *level) cause {
	if s.kind == shared {
		return crowded
	}
	return lv.cause
}
