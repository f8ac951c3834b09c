package limits

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"
)

// Sizes of a Limiter.
const (
	// DefaultSets is the number of sets of each level.
	DefaultSets = 1024
	// MaxSets bounds Config.Sets.
	MaxSets = 1 << 20
	// DefaultSize is the most memory of a Limiter with DefaultSets, in bytes: 1 MiB.
	DefaultSize = numLevels * DefaultSets * setSize
)

// Config says what a Limiter limits. Zero values give the defaults that are named.
type Config struct {
	// Rates are the limits; default Unverified(). A level with a zero Rate is not limited if
	// another one is.
	Rates Rates
	// Sets is the number of sets of each level, rounded up to a power of two; default DefaultSets,
	// at most MaxSets. Each set has 10 entries and takes 256 bytes, at each of the four levels.
	Sets int
	// Exempt says which sources pass uncounted; default ExemptLocal.
	Exempt Exempt
	// Seed of the hash. It must be secret and random: who knows it can choose sources that share a
	// set.
	Seed uint64
}

// Cause says why a Limiter refused a datagram.
type Cause uint8

// Causes.
const (
	// Allowed: it did not.
	Allowed Cause = iota
	// OverAddress: the address has used up its allowance.
	OverAddress
	// Over64: the IPv6 /64 has.
	Over64
	// Over56: the IPv6 /56 has.
	Over56
	// OverNetwork: the IPv4 /24 or IPv6 /48 has.
	OverNetwork
	// Crowded: the source has no entry, none is idle, and the newcomers have used up what they
	// share.
	Crowded

	// NumCauses is the number of causes, with Allowed.
	NumCauses
)

// String returns a name for metrics: "allowed", "address", "prefix64", "prefix56", "network" or
// "crowded".
func (c Cause) String() string {
	return [...]string{"allowed", "address", "prefix64", "prefix56", "network", "crowded", "unknown"}[min(c, NumCauses)]
}

// numLevels is the number of levels.
const numLevels = 4

// Limiter limits datagrams by source. It is safe for concurrent use; see the package comment. A nil
// Limiter allows everything.
type Limiter struct {
	exempt atomic.Uint32 // Exempt
	levels [2][]level    // of IPv6 and IPv4, widest first; those of the same width share a table
	size   int
}

// level is one prefix length of one family.
type level struct {
	mask   point
	bucket bucket
	sets   sets
	seed   uint64
	cause  Cause
}

// New returns a limiter. Memory for a source is taken when the first of its datagrams comes, 4 KiB
// for it and up to 15 others.
func New(cfg Config) *Limiter {
	if cfg.Rates == (Rates{}) {
		cfg.Rates = Unverified()
	}
	if cfg.Sets <= 0 {
		cfg.Sets = DefaultSets
	}
	sets := 1 << bits.Len(uint(min(cfg.Sets, MaxSets)-1))
	l := new(Limiter)
	l.SetExempt(cfg.Exempt)
	for i, w := range [numLevels]struct {
		rate  Rate
		cause Cause
		// of the prefix in 128 bits, IPv6 and IPv4; 0 where a family has no such level
		lengths [2]int
	}{
		{cfg.Rates.Network, OverNetwork, [2]int{48, 96 + 24}},
		{cfg.Rates.Prefix56, Over56, [2]int{56, 0}},
		{cfg.Rates.Prefix64, Over64, [2]int{64, 0}},
		{cfg.Rates.Address, OverAddress, [2]int{128, 128}},
	} {
		if w.rate.PerSecond <= 0 {
			continue
		}
		lv := level{bucket: w.rate.bucket(), sets: newSets(sets), seed: cfg.Seed + uint64(i), cause: w.cause}
		l.size += sets * setSize
		for family, length := range w.lengths {
			if length > 0 {
				lv.mask = mask(length)
				l.levels[family] = append(l.levels[family], lv)
			}
		}
	}
	return l
}

// SetExempt changes which sources pass uncounted. It may be called at any time; a nil Limiter has
// none.
func (l *Limiter) SetExempt(e Exempt) {
	if l != nil {
		l.exempt.Store(uint32(e))
	}
}

// Size is the most memory that the tables can take, in bytes. It never changes.
func (l *Limiter) Size() int { return l.size }

// Allow charges a datagram from addr to the address and to the prefixes that it lies in, if all of
// them allow it. Else it charges nothing and names the widest that does not. now is monotonic time,
// not negative; that of workers may differ a little. Allow does not block, allocates only what New
// speaks of, and its work is bounded by four sets.
func (l *Limiter) Allow(now time.Duration, addr netip.Addr) (ok bool, cause Cause) {
	if l == nil {
		return true, Allowed
	}
	p, is4 := pointOf(addr)
	if Exempt(l.exempt.Load()).covers(p, is4) {
		return true, Allowed
	}
	levels := l.levels[0]
	if is4 {
		levels = l.levels[1]
	}
	// Look at all before any is charged: who is refused must neither use up a wider limit nor take
	// an entry.
	var places [numLevels]place
	for i := range levels {
		lv, at := &levels[i], &places[i]
		at.key = p.and(lv.mask)
		at.set = lv.find(at.key)
		at.look(int64(now))
		if !at.allows(int64(now), &lv.bucket) {
			return false, at.refusal(lv)
		}
	}
	for i := range levels {
		lv, at := &levels[i], &places[i]
		if !at.charge(int64(now), &lv.bucket) {
			return false, at.refusal(lv)
		}
	}
	return true, Allowed
}

// find returns the set of a prefix.
func (lv *level) find(key point) *set {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], key.hi)
	binary.LittleEndian.PutUint64(b[8:], key.lo)
	return lv.sets.at(xxh3.HashSeed(b[:], lv.seed))
}

func (p *place) refusal(lv *level) Cause {
	if p.kind == shared {
		return Crowded
	}
	return lv.cause
}
