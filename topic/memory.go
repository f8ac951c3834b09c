package topic

import (
	"time"

	"github.com/fastdisc/discv5/enr"
)

// memory remembers nodes for a time that is the same for all. It is bounded: the oldest is
// forgotten first.
type memory struct {
	most  int
	notes map[enr.ID]memo
	order []memoKey // oldest at head, as a ring once it has reached most
	head  int
}

type memo struct {
	seq   uint64
	until time.Duration
}

type memoKey struct {
	id    enr.ID
	until time.Duration
}

func newMemory(most int) memory { return memory{most: most, notes: make(map[enr.ID]memo)} }

// has reports whether a node is remembered, with a record at least as new as seq.
func (m *memory) has(now time.Duration, id enr.ID, seq uint64) bool {
	note, ok := m.notes[id]
	return ok && now < note.until && note.seq >= seq
}

// ever reports whether a node is remembered, however old the note is.
func (m *memory) ever(id enr.ID) bool {
	_, ok := m.notes[id]
	return ok
}

// put remembers a node until a time. Times must not decrease.
func (m *memory) put(id enr.ID, seq uint64, until time.Duration) {
	m.notes[id] = memo{seq, until}
	k := memoKey{id, until}
	if len(m.order) < m.most {
		m.order = append(m.order, k)
		return
	}
	if old := m.order[m.head]; m.notes[old.id].until == old.until && old.id != id {
		delete(m.notes, old.id)
	}
	m.order[m.head] = k
	m.head = (m.head + 1) % m.most
}
