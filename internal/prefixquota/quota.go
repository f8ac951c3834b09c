package prefixquota

import (
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Config configures a Quota.
type Config struct {
	// Limits are the limits of each width. 0 or less means no limit.
	Limits Limits
	// Free is the number of items below which no limit applies.
	Free int
	// Strict exempts no address, not even loopback.
	Strict bool
}

// Quota counts items by prefix. The zero value has no limits; see New. It is not safe for
// concurrent use.
type Quota struct {
	cfg           Config
	limits        [NumWidths]int
	exemptPrivate bool
	len           int
	count         map[netaddr.Prefix]int32
}

// New returns a Quota without items.
func New(cfg Config) *Quota {
	q := new(Quota)
	q.Init(cfg)
	return q
}

// Init makes q a Quota without items.
func (q *Quota) Init(cfg Config) {
	*q = Quota{cfg: cfg, limits: cfg.Limits.Widths(), count: make(map[netaddr.Prefix]int32)}
}

// SetExemptPrivate sets whether private addresses are exempt from all limits.
func (q *Quota) SetExemptPrivate(exempt bool) { q.exemptPrivate = exempt }

// Exempt reports whether no limit applies to addr.
func (q *Quota) Exempt(addr netip.Addr) bool { return q.exempt(netaddr.ClassOf(addr)) }

func (q *Quota) exempt(class netaddr.Class) bool {
	return !q.cfg.Strict && exempt(class, q.exemptPrivate)
}

// Exempt reports whether no limit applies to addr, given whether private networks are exempt.
func Exempt(addr netip.Addr, exemptPrivate bool) bool {
	return exempt(netaddr.ClassOf(addr), exemptPrivate)
}

func exempt(class netaddr.Class, exemptPrivate bool) bool {
	return class == netaddr.Loopback || class == netaddr.Private && exemptPrivate
}

// Len returns the number of items.
func (q *Quota) Len() int { return q.len }

// Prefixes returns the number of counters in use at all widths.
func (q *Quota) Prefixes() int { return len(q.count) }

// Count returns the number of items in the prefix of width w that contains addr.
func (q *Quota) Count(addr netip.Addr, w Width) int { return int(q.count[w.Prefix(addr)]) }

// Fits reports whether the limits allow one more item at addr. Otherwise it returns the narrowest
// width whose limit is reached.
func (q *Quota) Fits(addr netip.Addr) (w Width, ok bool) {
	if q.len < q.cfg.Free || q.Exempt(addr) {
		return 0, true
	}
	for w, limit := range q.limits {
		if limit > 0 && q.Count(addr, Width(w)) >= limit {
			return Width(w), false
		}
	}
	return 0, true
}

// Take counts one more item at addr if Fits allows it, and returns the result of Fits. Call Release
// with the same address when the item is gone.
func (q *Quota) Take(addr netip.Addr) (w Width, ok bool) {
	if w, ok = q.Fits(addr); ok {
		q.Add(addr)
	}
	return w, ok
}

// Add counts one more item at addr whatever the limits. Call Release when the item is gone.
func (q *Quota) Add(addr netip.Addr) {
	q.len++
	for w := range Width(NumWidths) {
		q.count[w.Prefix(addr)]++
	}
}

// Release removes one item at addr that Take or Add has counted.
func (q *Quota) Release(addr netip.Addr) {
	q.len--
	for w := range Width(NumWidths) {
		p := w.Prefix(addr)
		if n := q.count[p]; n > 1 {
			q.count[p] = n - 1
		} else {
			delete(q.count, p)
		}
	}
}

// Load is the used fraction of the limit of an address's fullest prefix: 0 for none, LoadUnit for a
// limit that is just reached.
type Load int64

// LoadUnit is the Load of a limit that is just reached.
const LoadUnit Load = 1 << 20

// Load returns the load of addr with extra more items. It is 0 for an exempt address and without
// limits.
func (q *Quota) Load(addr netip.Addr, extra int) Load {
	p := PrefixesOf(addr)
	return q.LoadOf(&p, extra)
}

// LoadOf is Load for the prefixes of an address.
func (q *Quota) LoadOf(p *Prefixes, extra int) (most Load) {
	if q.exempt(p.class) {
		return 0
	}
	for w, limit := range q.limits {
		if limit > 0 {
			most = max(most, Load(int(q.count[p.at[w]])+extra)*LoadUnit/Load(limit))
		}
	}
	return most
}

// Displaces reports whether a candidate, which is not counted yet, should replace a counted item at
// holder: the load of the candidate, including itself, is lower than the load of the holder. It
// never returns true in both directions.
func (q *Quota) Displaces(candidate, holder netip.Addr) bool {
	return q.Load(candidate, 1) < q.Load(holder, 0)
}
