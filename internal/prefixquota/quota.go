package prefixquota

import (
	"net/netip"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Config says what a Quota allows.
type Config struct {
	// Limits are the limits of each width. A limit of 0 or less is none.
	Limits Limits
	// Free is the number of items below which no limit applies.
	Free int
	// Strict exempts no address, not even loopback.
	Strict bool
}

// Quota counts items by prefix. The zero value limits nothing; see New. It is not safe for
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

// SetExemptPrivate says whether private addresses are exempt from all limits.
func (q *Quota) SetExemptPrivate(exempt bool) { q.exemptPrivate = exempt }

// Exempt reports whether no limit applies to addr.
func (q *Quota) Exempt(addr netip.Addr) bool { return q.exempt(netaddr.ClassOf(addr)) }

func (q *Quota) exempt(class netaddr.Class) bool {
	return !q.cfg.Strict && exempt(class, q.exemptPrivate)
}

// Exempt reports whether no limit applies to addr where private networks are exempt, or are not.
func Exempt(addr netip.Addr, exemptPrivate bool) bool {
	return exempt(netaddr.ClassOf(addr), exemptPrivate)
}

func exempt(class netaddr.Class, exemptPrivate bool) bool {
	return class == netaddr.Loopback || class == netaddr.Private && exemptPrivate
}

// Len returns the number of items.
func (q *Quota) Len() int { return q.len }

// Prefixes returns the number of counters in use, of all widths together.
func (q *Quota) Prefixes() int { return len(q.count) }

// Count returns the number of items in the prefix of width w that addr lies in.
func (q *Quota) Count(addr netip.Addr, w Width) int { return int(q.count[w.Prefix(addr)]) }

// Fits reports whether one more item at addr keeps within the limits. Otherwise it names the
// narrowest width whose limit has been reached.
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

// Take counts one more item at addr if Fits allows it, and reports what Fits does. An item that was
// taken is given back by Release, with the same address.
func (q *Quota) Take(addr netip.Addr) (w Width, ok bool) {
	if w, ok = q.Fits(addr); ok {
		q.Add(addr)
	}
	return w, ok
}

// Add counts one more item at addr whatever the limits are. Release gives it back.
func (q *Quota) Add(addr netip.Addr) {
	q.len++
	for w := range Width(NumWidths) {
		q.count[w.Prefix(addr)]++
	}
}

// Release gives back one item that Take or Add has counted at addr.
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

// Load says how far the fullest prefix of an address has used its limit: 0 for not at all, LoadUnit
// for a limit that is just reached.
type Load int64

// LoadUnit is the Load of a limit that is just reached.
const LoadUnit Load = 1 << 20

// Load returns the load of addr with extra more items at it. It is 0 for an exempt address and
// where there is no limit.
func (q *Quota) Load(addr netip.Addr, extra int) Load {
	p := PrefixesOf(addr)
	return q.LoadOf(&p, extra)
}

// LoadOf is Load for an address by its prefixes.
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

// Displaces reports whether a candidate, not counted yet, should take the place of an item at
// holder, which is counted: the load of the candidate, itself included, is lower than the load of
// the holder. The answer is never yes in both directions.
func (q *Quota) Displaces(candidate, holder netip.Addr) bool {
	return q.Load(candidate, 1) < q.Load(holder, 0)
}
