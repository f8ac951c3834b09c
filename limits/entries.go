package limits

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Entry is a ban or permit as it is kept in a file or shown to people. It has a JSON form, with the
// target as text.
type Entry struct {
	Target Target `json:"target"`
	Action Action `json:"action"`
	// Expires is by the wall clock; the zero time stands for never.
	Expires time.Time `json:"expires,omitzero"`
}

// List returns the bans and permits that have not expired: ranges in order, then node IDs in order.
// now and wall are the same moment by both clocks.
func (a *Access) List(now time.Duration, wall time.Time) []Entry {
	a.mu.Lock()
	rules, ids := a.rules, a.ids // neither is changed once it is here
	a.mu.Unlock()

	wall = wall.Round(0).UTC()
	var list []Entry
	add := func(t Target, action Action, until time.Duration) {
		if until <= now {
			return
		}
		e := Entry{Target: t, Action: action}
		if until != Forever {
			e.Expires = wall.Add(until - now)
		}
		list = append(list, e)
	}
	for _, f := range [2]int{1, 0} { // IPv4 first
		for i := range rules[f] {
			if r := &rules[f][i]; r.action != within {
				add(r.target(), r.action, r.until)
			}
		}
	}
	order := func(a, b [IDSize]byte) int { return bytes.Compare(a[:], b[:]) }
	for _, id := range slices.SortedFunc(maps.Keys(ids), order) {
		add(NodeTarget(id), Ban, ids[id].ban)
		add(NodeTarget(id), Permit, ids[id].permit)
	}
	return list
}

// Restore adds what List returned, perhaps in an earlier life of the program. Entries that have
// expired since are left out. The errors are those of Ban and ErrAction; then nothing is added.
func (a *Access) Restore(now time.Duration, wall time.Time, entries []Entry) error {
	items := make([]item, 0, len(entries))
	wall = wall.Round(0)
	for _, e := range entries {
		if e.Action > Permit {
			return fmt.Errorf("%w: entry of %s", ErrAction, e.Target)
		}
		until := Forever
		if !e.Expires.IsZero() {
			left := e.Expires.Sub(wall)
			if left <= 0 {
				continue
			}
			until = after(now, left)
		}
		items = append(items, item{e.Target, e.Action, until})
	}
	return a.edit(nil, items)
}

// Update puts rules in force, from a file that has been read, and takes out those of old, what the
// same file held before, that are no longer among them; old may be nil. A rule that is in both with
// the same duration is left as it is, so that reading a file again does not prolong its bans. The
// errors are those of Ban and ErrAction; then nothing changes.
func (a *Access) Update(now time.Duration, action Action, old, rules []Rule) error {
	if action > Permit {
		return ErrAction
	}
	had, want := lengths(old), lengths(rules)
	var remove, add []item
	for t, length := range want {
		if was, ok := had[t]; ok && was == length {
			continue
		}
		until := Forever
		if length > 0 {
			until = after(now, length)
		}
		add = append(add, item{t, action, until})
	}
	for t := range had {
		if _, ok := want[t]; !ok && t.Valid() {
			remove = append(remove, item{t, action, 0})
		}
	}
	return a.edit(remove, add)
}

// lengths is for how long rules hold by target. The last rule about a target counts.
func lengths(rules []Rule) map[Target]time.Duration {
	m := make(map[Target]time.Duration, len(rules))
	for _, r := range rules {
		m[r.Target] = r.For
	}
	return m
}
