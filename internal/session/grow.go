package session

// firstSlots is how many slots a shard has at first. It doubles them as sessions come, up to its
// capacity.
const firstSlots = 8

// shardView is what readers without the lock see of a shard. It is replaced as a whole when the
// shard grows.
type shardView struct {
	sessions index
	slots    []slot
}

// begin gives a new shard its first slots.
func (s *shard) begin(capacity int) {
	s.capacity = capacity
	s.resize(min(firstSlots, capacity))
}

// grow gives the shard more slots. It reports false if it has all that it can have. The sessions
// move to other slots: pointers to the old ones end here.
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
		old[i].single.Store(nil) // whoever has the old slot looks the session up
	}
	return true
}

// resize gives the shard n empty slots, of which those that it did not have are free.
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

// copyTo makes n, which is empty, the same session.
func (e *slot) copyTo(n *slot) {
	n.key, n.live = e.key, e.live
	n.current, n.next, n.previous = e.current, e.next, e.previous
	n.nextUntil, n.previousUntil = e.nextUntil, e.previousUntil
	n.record, n.since, n.inbound = e.record, e.since, e.inbound
	n.publishSingle()
}
