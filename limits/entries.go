package limits

import (
	"bytes"
	"maps"
	"slices"
	"time"
)

// Entry is a ban or permit for display or storage. Its JSON form has the target as text.
type Entry struct {
	Target Target `json:"target"`
	Action Action `json:"action"`
	// Expires is wall-clock time; the zero time means never.
	Expires time.Time `json:"expires,omitzero"`
}

// List returns the bans and permits that have not expired: first the ranges, then the node IDs,
// both in order. now is the monotonic time, and wall the time of day of the same
// instant.
func (a *Access) List(now time.Duration, wall time.Time) []Entry {
	a.mu.Lock()
	rules, ids := a.rules, a.ids // immutable once stored
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
	for _, list := range rules {
		for i := range list {
			if r := &list[i]; r.action != within {
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

// Update applies the rules of a file. old are the rules that the file held before, or nil: Update
// removes those that are no longer among rules. It leaves a rule alone that is in both with the
// same duration, so reading a file again does not extend its bans. It returns the errors of Ban, or
// ErrAction; then nothing changes.
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

// lengths returns the duration of each rule by target. The last rule of a target counts.
func lengths(rules []Rule) map[Target]time.Duration {
	m := make(map[Target]time.Duration, len(rules))
	for _, r := range rules {
		m[r.Target] = r.For
	}
	return m
}
