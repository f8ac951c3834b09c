package session

// PrefetchSize is how many sessions Prefetch takes at a time.
const PrefetchSize = 16

// SlotRef is where Prefetch has seen a session. The zero SlotRef is nowhere.
type SlotRef struct{ slot *slot }

// SingleKey returns the keys of the session of k if it is still in this place and has one pair of keys
// alone. It takes no lock: what it returns was so at one moment during the call, as with Lookup.
// nil says nothing; Lookup knows.
func (p SlotRef) SingleKey(k *Key) *Keys {
	if p.slot == nil {
		return nil
	}
	if keys := p.slot.single.Load(); keys != nil && keys.owner == *k {
		return keys
	}
	return nil
}

// Prefetch finds the places of sessions with the given hashes, and reads the memory that opening their
// messages and sealing answers will need, so that the waits for it overlap: first the index of all,
// then the slot of all, then their keys and ciphers. A look-up under a lock waits for each in turn.
// It takes no lock, changes nothing, and may miss sessions or find others: see SlotRef.SingleKey. Where
// there is no session, the place of a challenge is read. At most PrefetchSize hashes are looked at. sum
// has no meaning.
func (m *Map) Prefetch(hashes []uint64, places *[PrefetchSize]SlotRef) (sum byte) {
	hashes = hashes[:min(len(hashes), PrefetchSize)]
	for i, h := range hashes {
		s := m.shard(h).view.Load()
		places[i].slot = nil
		if n, ok := s.sessions.lookupUnlocked(h); ok {
			places[i].slot = &s.slots[n]
		} else { // its sender will be challenged
			sum ^= m.challenges.prefetch(h)
		}
	}
	var keys [PrefetchSize]*Keys
	for i := range hashes {
		if e := places[i].slot; e != nil {
			keys[i] = e.single.Load()
		}
	}
	for _, k := range keys[:len(hashes)] {
		if k != nil {
			sum ^= k.Prefetch()
		}
	}
	return sum
}
