package limits

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMaxEntries is the default number of entries of an Access.
const DefaultMaxEntries = 65536

// ErrFull: there is no room for another entry.
var ErrFull = errors.New("limits: access list is full")

// Verdict is what an Access says about a source.
type Verdict uint8

// Verdicts.
const (
	// Neutral: no list is about it.
	Neutral Verdict = iota
	// Permitted: a permit is. The caller may let it pass rate limits too.
	Permitted
	// Banned: a ban is, and no permit.
	Banned
	// Outside: it does not lie in the netrestrict. No permit lifts that.
	Outside

	// NumVerdicts is the number of verdicts.
	NumVerdicts
)

// Blocked reports whether what the source sent is to be dropped: Banned or Outside.
func (v Verdict) Blocked() bool { return v >= Banned }

// String returns a name for metrics: "neutral", "permitted", "banned" or "outside".
func (v Verdict) String() string {
	return [...]string{"neutral", "permitted", "banned", "outside", "unknown"}[min(v, NumVerdicts)]
}

// Access is the bans, permits and the netrestrict of one node. Check and CheckID serve the packet
// path; the other methods take a lock and time in proportion to the number of entries. It is safe
// for concurrent use. A nil Access is neutral about everything.
//
// A node ID in a packet header is a claim. So a permit of an ID does not lift the ban of an
// address: who knows a permitted ID could use it from there. Nor does a permit of an address lift
// the ban of an ID.
type Access struct {
	view atomic.Pointer[view] // nil while there are no entries

	mu    sync.Mutex
	limit int
	rules [2][]rule // of IPv6 and IPv4, sorted
	ids   map[[IDSize]byte]terms
	count int           // rules, bans of IDs and permits of IDs
	next  time.Duration // when the next entry expires
}

// NewAccess returns empty lists for at most maxEntries entries, those of the netrestrict among
// them. 0 or less stands for DefaultMaxEntries. An entry takes up to 140 bytes, twice that while a
// change is being made.
func NewAccess(maxEntries int) *Access {
	if maxEntries <= 0 {
		maxEntries = DefaultMaxEntries
	}
	return &Access{limit: maxEntries, next: Forever}
}

// Check says what the lists hold about an address. A zone does not matter, and an IPv4-mapped
// address is the IPv4 address. It takes no lock and does not allocate.
func (a *Access) Check(now time.Duration, addr netip.Addr) Verdict {
	if a == nil {
		return Neutral
	}
	v := a.view.Load()
	if v == nil {
		return Neutral
	}
	p, is4 := pointOf(addr)
	s := &v.addrs[family(is4)]
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

// CheckID says what the lists hold about a node ID. It takes no lock and does not allocate.
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

// Blocked reports whether packets from addr are to be dropped, and nothing is to be sent there.
func (a *Access) Blocked(now time.Duration, addr netip.Addr) bool {
	return a.Check(now, addr).Blocked()
}

// BlockedID reports whether packets of the node are to be dropped, and it is not to be contacted or
// stored.
func (a *Access) BlockedID(now time.Duration, id *[IDSize]byte) bool {
	return a.CheckID(now, id).Blocked()
}

func family(is4 bool) int {
	if is4 {
		return 1
	}
	return 0
}

// Ban bans a target until a given time, or Forever. A ban of the same target is replaced. The
// errors are ErrTarget, ErrDuration if the end is not above zero, and ErrFull: expired entries
// count until they are swept.
func (a *Access) Ban(t Target, until time.Duration) error {
	return a.edit(nil, []item{{t, Ban, until}})
}

// Permit permits a target; see Ban. Permits win over bans, be they wider or narrower.
func (a *Access) Permit(t Target, until time.Duration) error {
	return a.edit(nil, []item{{t, Permit, until}})
}

// Remove takes the ban or permit of exactly this target away. It reports whether there was one.
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

// Restrict sets the netrestrict in place of the last one: from now on what does not lie in one of
// the ranges is Outside. Without ranges there is no restriction. On error, ErrTarget or ErrFull,
// nothing changes.
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

// Len is the number of entries, those of the netrestrict and expired ones among them.
func (a *Access) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}
