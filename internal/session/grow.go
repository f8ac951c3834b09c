package session

// firstSlots is the initial number of slots of a shard. It doubles on demand up to the capacity.
const firstSlots = 8

// shardView is the part of a shard that lookups without the lock see. grow replaces it as a whole.
type shardView struct {
	sessions index
	slots    []slot
}

// begin allocates the first slots of a shard.
func (s *shard) begin(capacity int) {
	s.capacity = capacity
	s.resize(min(firstSlots, capacity))
}

// grow adds slots. It returns false if the shard has its full capacity. Sessions move to other
// slots, so pointers to slots become invalid.
func (s *shard) grow(m *Map) bool {
	n := min(2*len(s.slots), s.capacity)
	if n == len(s.slots) {
		return false
	}
	old := s.slots
	s.resize(n)
	for i := range old {
		if old[i].live {
			old[i].copyTo(&s.slots[i])
			s.sessions.put(old[i].key.hash(m.cfg.Seed), uint32(i))
		}
	}
	s.view.Store(&shardView{s.sessions, s.slots})
	for i := range old {
		old[i].single.Store(nil) // a SlotRef to the old slot must look up the session once more
	}
	return true
}

// resize gives the shard n empty slots, and lists the new ones as free.
func (s *shard) resize(n int) {
	had := len(s.slots)
	s.sessions, s.slots = newIndex(n), make([]slot, n)
	s.step = stepOf(n)
	free := make([]uint32, 0, n)
	for i := n - 1; i >= had; i-- {
		free = append(free, uint32(i))
	}
	s.free = append(free, s.free...)
	if had == 0 {
		s.view.Store(&shardView{s.sessions, s.slots})
	}
}

// copyTo copies the session to the empty slot n.
func (e *slot) copyTo(n *slot) {
	n.key, n.live = e.key, e.live
	n.current, n.next, n.previous = e.current, e.next, e.previous
	n.nextUntil, n.previousUntil = e.nextUntil, e.previousUntil
	n.record, n.since, n.inbound = e.record, e.since, e.inbound
	n.publishSingle()
}
