package limits

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// DefaultMaxEntries is the default number of entries of an Access.
const DefaultMaxEntries = 65536

// ErrFull reports that an Access has no room for another entry.
var ErrFull = errors.New("limits: access list is full")

// Verdict is the result of a check.
type Verdict uint8

// Verdicts.
const (
	// Neutral: no list contains the source.
	Neutral Verdict = iota
	// Permitted: a permit applies. The caller may also skip its rate limits.
	Permitted
	// Banned: a ban applies, and no permit.
	Banned
	// Outside: the netrestrict does not contain the source. A permit does not change that.
	Outside

	// NumVerdicts is the number of verdicts.
	NumVerdicts
)

// Blocked reports whether to drop packets from the source: v is Banned or Outside.
func (v Verdict) Blocked() bool { return v >= Banned }

// String returns a name for metrics: "neutral", "permitted", "banned" or "outside".
func (v Verdict) String() string {
	return [...]string{"neutral", "permitted", "banned", "outside", "unknown"}[min(v, NumVerdicts)]
}

// Access holds the bans, permits and netrestrict of one node. Check and CheckID serve the packet
// path; the other methods take a lock, and time in proportion to the number of entries. It is safe
// for concurrent use. A nil Access is neutral about everything.
//
// A node ID in a packet header is a claim that anyone can make. A permit of an ID therefore does
// not lift the ban of an address: anyone who knows a permitted ID could use it from there. A permit
// of an address does not lift the ban of an ID either.
type Access struct {
	view atomic.Pointer[view] // nil while there are no entries

	mu    sync.Mutex
	limit int
	rules [netaddr.NumFamilies][]rule // by family, sorted
	ids   map[[IDSize]byte]terms
	count int           // rules, banned IDs and permitted IDs
	next  time.Duration // expiry of the next entry
}

// NewAccess returns an Access for at most maxEntries entries, including those of the netrestrict. 0
// or less means DefaultMaxEntries. An entry takes up to 140 bytes, and twice that during a change.
func NewAccess(maxEntries int) *Access {
	if maxEntries <= 0 {
		maxEntries = DefaultMaxEntries
	}
	return &Access{limit: maxEntries, next: Forever}
}

// Check returns the verdict on an address. It ignores a zone and treats an IPv4-mapped address as
// the IPv4 address. It takes no lock and does not allocate.
func (a *Access) Check(now time.Duration, addr netip.Addr) Verdict {
	if a == nil {
		return Neutral
	}
	v := a.view.Load()
	if v == nil {
		return Neutral
	}
	p, family := netaddr.Uint128Of(addr)
	s := &v.addrs[family]
	if len(s.starts) == 0 {
		if v.restricted {
			return Outside
		}
		return Neutral
	}
	t := s.find(p)
	if v.restricted && !t.inside {
		return Outside
	}
	return t.verdict(now)
}

// CheckID returns the verdict on a node ID. It takes no lock and does not allocate.
func (a *Access) CheckID(now time.Duration, id *[IDSize]byte) Verdict {
	if a == nil {
		return Neutral
	}
	v := a.view.Load()
	if v == nil || len(v.ids) == 0 {
		return Neutral
	}
	t := v.ids[*id]
	return t.verdict(now)
}

// Blocked reports whether to drop packets from addr and to send nothing there.
func (a *Access) Blocked(now time.Duration, addr netip.Addr) bool {
	return a.Check(now, addr).Blocked()
}

// BlockedID reports whether to drop packets from the node, and neither contact nor store it.
func (a *Access) BlockedID(now time.Duration, id *[IDSize]byte) bool {
	return a.CheckID(now, id).Blocked()
}

// Ban bans a target until the given time, or Forever. It replaces an earlier ban of the same
// target. It returns ErrTarget, ErrDuration if until is not positive, or ErrFull. Expired entries
// count toward the limit until Sweep removes them.
func (a *Access) Ban(t Target, until time.Duration) error {
	return a.edit(nil, []item{{t, Ban, until}})
}

// Permit permits a target like Ban. Permits win over bans, whichever of the two ranges is wider.
func (a *Access) Permit(t Target, until time.Duration) error {
	return a.edit(nil, []item{{t, Permit, until}})
}

// Remove removes the ban or permit of exactly this target. It reports whether there was one.
func (a *Access) Remove(action Action, t Target) bool {
	if !t.Valid() || action > Permit {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.count
	a.change([]item{{t, action, 0}}, nil)
	return a.count < before
}

// Restrict replaces the netrestrict. Every address that no range contains is then Outside. No
// ranges mean no restriction. On error, ErrTarget or ErrFull, nothing changes.
func (a *Access) Restrict(ranges []netip.Prefix) error {
	var old, add []item
	for _, p := range ranges {
		add = append(add, item{PrefixTarget(p), within, Forever})
	}
	if err := check(add); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, list := range a.rules {
		for _, r := range list {
			if r.action == within {
				old = append(old, item{r.target(), within, 0})
			}
		}
	}
	return a.change(old, add)
}

// Len returns the number of entries, including expired ones and the netrestrict.
func (a *Access) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}
