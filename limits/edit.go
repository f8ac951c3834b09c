package limits

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// item is an entry to add or to remove.
type item struct {
	target Target
	action Action
	until  time.Duration // ignored for removal
}

// check returns an error if an item cannot be added.
func check(items []item) error {
	for _, i := range items {
		switch {
		case !i.target.Valid():
			return ErrTarget
		case i.until <= 0:
			return fmt.Errorf("%w: %s of %s", ErrDuration, i.action, i.target)
		}
	}
	return nil
}

// edit takes the lock and calls change.
func (a *Access) edit(remove, add []item) error {
	if err := check(add); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.change(remove, add)
}

// change removes and adds items and publishes the result. It does all or nothing. If several items
// have the same action and target, the last one counts.
func (a *Access) change(remove, add []item) error {
	var removed, added [netaddr.NumFamilies][]rule
	ids, cloned := a.ids, false
	editID := func(i item, until time.Duration) {
		if !cloned {
			if ids, cloned = maps.Clone(ids), true; ids == nil {
				ids = map[[IDSize]byte]terms{}
			}
		}
		t := ids[i.target.id]
		if i.action == Ban {
			t.ban = until
		} else {
			t.permit = until
		}
		if t == (terms{}) {
			delete(ids, i.target.id)
		} else {
			ids[i.target.id] = t
		}
	}
	for _, i := range remove {
		if i.target.node {
			editID(i, 0)
		} else {
			r, f := ruleOf(i)
			removed[f] = append(removed[f], r)
		}
	}
	for _, i := range add {
		if i.target.node {
			editID(i, i.until)
		} else {
			r, f := ruleOf(i)
			added[f] = append(added[f], r)
		}
	}
	rules := a.rules
	for f := range rules {
		if len(removed[f])+len(added[f]) > 0 {
			rules[f] = merge(rules[f], tidy(removed[f]), tidy(added[f]))
		}
	}
	return a.commit(rules, ids)
}

// tidy sorts rules and keeps the last of several equal ones.
func tidy(rules []rule) []rule {
	slices.Reverse(rules)
	slices.SortStableFunc(rules, func(r, s rule) int { return r.compare(&s) })
	return slices.CompactFunc(rules, func(r, s rule) bool { return r.compare(&s) == 0 })
}

// merge returns old without removed and with added, which replaces equal rules. All lists are
// sorted.
func merge(old, removed, added []rule) []rule {
	out := make([]rule, 0, len(old)+len(added))
	for i := range old {
		r := &old[i]
		for len(added) > 0 && added[0].compare(r) < 0 {
			out, added = append(out, added[0]), added[1:]
		}
		for len(removed) > 0 && removed[0].compare(r) < 0 {
			removed = removed[1:]
		}
		if len(added) > 0 && added[0].compare(r) == 0 || len(removed) > 0 && removed[0].compare(r) == 0 {
			continue
		}
		out = append(out, *r)
	}
	return append(out, added...)
}

// commit stores rules and ids if they are not too many, and publishes a view of them. It reuses the
// unchanged parts of the last view.
func (a *Access) commit(rules [netaddr.NumFamilies][]rule, ids map[[IDSize]byte]terms) error {
	count, next := 0, Forever
	restricted := false
	for _, list := range rules {
		count += len(list)
		for i := range list {
			next = min(next, list[i].until)
			restricted = restricted || list[i].action == within
		}
	}
	for _, t := range ids {
		for _, until := range [...]time.Duration{t.ban, t.permit} {
			if until > 0 {
				count++
				next = min(next, until)
			}
		}
	}
	if count > a.limit {
		return fmt.Errorf("%w: %d of %d entries", ErrFull, count, a.limit)
	}
	v := &view{ids: ids, restricted: restricted}
	last := a.view.Load()
	for f, list := range rules {
		if last != nil && len(list) > 0 && len(list) == len(a.rules[f]) && &list[0] == &a.rules[f][0] {
			v.addrs[f] = last.addrs[f]
		} else {
			v.addrs[f] = flatten(list, netaddr.Family(f))
		}
	}
	a.rules, a.ids, a.count, a.next = rules, ids, count, next
	if count == 0 {
		v = nil
	}
	a.view.Store(v)
	return nil
}

// Sweep removes expired entries and returns their number. Checks ignore expired entries anyway;
// Sweep makes room for others. It costs next to nothing if no entry has expired.
func (a *Access) Sweep(now time.Duration) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now < a.next || a.next == Forever {
		return 0
	}
	before := a.count
	rules := a.rules
	for f, list := range rules {
		rules[f] = slices.DeleteFunc(slices.Clone(list), func(r rule) bool { return r.until <= now })
	}
	ids := maps.Clone(a.ids)
	for id, t := range ids {
		if t.ban <= now {
			t.ban = 0
		}
		if t.permit <= now {
			t.permit = 0
		}
		if t == (terms{}) {
			delete(ids, id)
		} else {
			ids[id] = t
		}
	}
	a.commit(rules, ids) // fewer entries always fit
	return before - a.count
}

// ruleOf converts an item with an address range. It also returns the family.
func ruleOf(i item) (rule, netaddr.Family) {
	p, _ := i.target.Prefix()
	start, family := netaddr.Uint128Of(p.Addr())
	length := p.Bits()
	if family == netaddr.IPv4 {
		length += 96
	}
	return rule{start, uint8(length), i.action, i.until}, family
}

// target returns the range of r.
func (r *rule) target() Target {
	addr, length := r.start.Addr(), int(r.length)
	if addr.Is4() {
		length -= 96
	}
	return PrefixTarget(netip.PrefixFrom(addr, length))
}

// after returns now + d, at most Forever.
func after(now, d time.Duration) time.Duration {
	if d > math.MaxInt64-now {
		return Forever
	}
	return now + d
}
