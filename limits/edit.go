package limits

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"
)

// item is an entry that is put in or taken out.
type item struct {
	target Target
	action Action
	until  time.Duration // unused where it is taken out
}

// check says whether the items can be put in.
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

// edit is change for callers without the lock.
func (a *Access) edit(remove, add []item) error {
	if err := check(add); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.change(remove, add)
}

// change takes items out, puts others in and publishes the result, all or nothing. Of items with
// the same action and target the last one counts.
func (a *Access) change(remove, add []item) error {
	var gone, fresh [2][]rule
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
			gone[f] = append(gone[f], r)
		}
	}
	for _, i := range add {
		if i.target.node {
			editID(i, i.until)
		} else {
			r, f := ruleOf(i)
			fresh[f] = append(fresh[f], r)
		}
	}
	rules := a.rules
	for f := range rules {
		if len(gone[f])+len(fresh[f]) > 0 {
			rules[f] = merge(rules[f], tidy(gone[f]), tidy(fresh[f]))
		}
	}
	return a.commit(rules, ids)
}

// tidy sorts rules and keeps the last of equals.
func tidy(rules []rule) []rule {
	slices.Reverse(rules)
	slices.SortStableFunc(rules, func(r, s rule) int { return r.compare(&s) })
	return slices.CompactFunc(rules, func(r, s rule) bool { return r.compare(&s) == 0 })
}

// merge returns old without gone and with fresh, which takes the place of equals. All are sorted.
func merge(old, gone, fresh []rule) []rule {
	out := make([]rule, 0, len(old)+len(fresh))
	for i := range old {
		r := &old[i]
		for len(fresh) > 0 && fresh[0].compare(r) < 0 {
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
		for len(gone) > 0 && gone[0].compare(r) < 0 {
			gone = gone[1:]
		}
		if len(fresh) > 0 && fresh[0].compare(r) == 0 || len(gone) > 0 && gone[0].compare(r) == 0 {
			continue
		}
		out = append(out, *r)
	}
	return append(out, fresh...)
}

// commit makes rules and ids the state, if there is room, and publishes a view of them. What has
// not changed is shared with the last view.
func (a *Access) commit(rules [2][]rule, ids map[[IDSize]byte]terms) error {
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
			v.addrs[f] = flatten(list, f == family(true))
		}
	}
	a.rules, a.ids, a.count, a.next = rules, ids, count, next
	if count == 0 {
		v = nil
	}
	a.view.Store(v)
	return nil
}

// Sweep takes out entries that have expired, and returns their number. Checks do without it; it
// makes room. It costs next to nothing while none has expired.
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

// ruleOf is an item about a range as a rule, and its family.
func ruleOf(i item) (rule, int) {
	p, _ := i.target.Prefix()
	start, is4 := pointOf(p.Addr())
	length := p.Bits()
	if is4 {
		length += 96
	}
	return rule{start, uint8(length), i.action, i.until}, family(is4)
}

// target is the range that r is about.
func (r *rule) target() Target {
	addr, length := r.start.addr(), int(r.length)
	if addr.Is4() {
		length -= 96
	}
	return PrefixTarget(netip.PrefixFrom(addr, length))
}

// after is the time d after now, at most Forever.
func after(now, d time.Duration) time.Duration {
	if d > math.MaxInt64-now {
		return Forever
	}
	return now + d
}
