package session

// PrefetchSize is the largest number of sessions per Prefetch.
const PrefetchSize = 16

// SlotRef refers to the slot of a session that Prefetch found. The zero SlotRef refers to none.
type SlotRef struct{ slot *slot }

// SingleKey returns the keys of the session of k if the slot still holds it and it has only one
// pair. It takes no lock: the result was true at one moment during the call, as with Lookup. A nil
// result is inconclusive; use Lookup.
func (p SlotRef) SingleKey(k *Key) *Keys {
	if p.slot == nil {
		return nil
	}
	if keys := p.slot.single.Load(); keys != nil && keys.owner == *k {
		return keys
	}
	return nil
}

// Prefetch finds the slots of the sessions with the given hashes, and reads the memory that opening
// their messages and sealing answers will need. It reads the index for all hashes, then all slots,
// then all keys and ciphers, so that the cache misses overlap. Lookups under a lock would miss one
// after the other.
//
// Prefetch takes no lock and changes nothing. It may miss sessions or find others: see
// SlotRef.SingleKey. If there is no session, it reads the slot of the next challenge. It uses at
// most PrefetchSize hashes. sum has no meaning.
func (m *Map) Prefetch(hashes []uint64, refs *[PrefetchSize]SlotRef) (sum byte) {
	hashes = hashes[:min(len(hashes), PrefetchSize)]
	for i, h := range hashes {
		s := m.shard(h).view.Load()
		refs[i].slot = nil
		if n, ok := s.sessions.lookupUnlocked(h); ok {
			refs[i].slot = &s.slots[n]
		} else { // the sender will be challenged
			sum ^= m.challenges.prefetch(h)
		}
	}
	var keys [PrefetchSize]*Keys
	for i := range hashes {
		if e := refs[i].slot; e != nil {
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
