package limiter

import (
	"iter"
	"math/bits"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Limited iterates over the sources that have used up nine tenths or more of their bursts: those
// that send as much as their limit allows, or more. A source is an address or a prefix; an address
// that is limited and the prefix that contains it are two sources. Each source address may be
// forged.
//
// Limited reads the whole tables, at most Size bytes, beside concurrent calls of Allow and without
// slowing them. A source that changes meanwhile may be missing.
func (l *Limiter) Limited(now time.Duration) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		if l == nil {
			return
		}
		for family, levels := range l.levels {
			for i := range levels {
				for p := range levels[i].limited(int64(now)) {
					// The tables of a level hold both families.
					if netaddr.FamilyOf(p.Addr()) == netaddr.Family(family) && !yield(p) {
						return
					}
				}
			}
		}
	}
}

// limited iterates over the sources of a level.
func (lv *level) limited(now int64) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for c := range lv.sets.chunks {
			chunk := lv.sets.chunks[c].Load()
			if chunk == nil {
				continue
			}
			for s := range chunk {
				for e := range chunk[s].entries {
					if p, ok := chunk[s].entries[e].limited(now, lv); ok && !yield(p) {
						return
					}
				}
			}
		}
	}
}

// limited returns the prefix of an entry if it is limited. Such an entry is busy, so that no other
// source takes it over before the prefix is read.
func (e *entry) limited(now int64, lv *level) (netip.Prefix, bool) {
	tat := e.tat.Load()
	if tat == claimed || tat-now < lv.bucket.depth-lv.bucket.depth/10 {
		return netip.Prefix{}, false
	}
	addr := netaddr.Uint128{Hi: e.hi.Load(), Lo: e.lo.Load()}.Addr()
	length := bits.OnesCount64(lv.mask.Hi) + bits.OnesCount64(lv.mask.Lo)
	if addr.Is4() {
		length -= 96
	}
	return netip.PrefixFrom(addr, length), true
}
