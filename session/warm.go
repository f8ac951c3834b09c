package session

// WarmSize is how many sessions Warm takes at a time.
const WarmSize = 16

// Warm reads the memory that looking up and opening messages of sessions with the given hashes will need, so that the
// waits for it overlap: first the index of all, then the slot of all, then their keys and ciphers. A look-up under a lock waits
// for each in turn. It takes no lock, changes nothing, and may miss sessions or warm others; nothing depends on it.
// At most WarmSize hashes are looked at. The result has no meaning.
func (m *Map) Warm(hashes []uint64) (sum byte) {
	var keys [WarmSize]*Keys
	var slots [WarmSize]*slot
	hashes = hashes[:min(len(hashes), WarmSize)]
	for i, h := range hashes {
		s := m.shard(h)
		if n, ok := s.sessions.guess(h); ok {
			slots[i] = &s.slots[n]
		}
	}
	for i, e := range slots {
		if e != nil {
			keys[i] = e.warm.Load()
		}
	}
	for _, k := range keys {
		if k != nil {
			sum ^= k.Touch()
		}
	}
	return sum
}
