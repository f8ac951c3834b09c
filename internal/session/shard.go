package session

import (
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// Callers of the methods of this file hold the shard's lock.

func (s *shard) locate(k *Key, h uint64) (*slot, uint32) {
	var i uint32
	for {
		n, ok := s.sessions.next(h, &i)
		if !ok {
			return nil, 0
		}
		if e := &s.slots[n]; e.key == *k {
			return e, n
		}
	}
}

func (s *shard) find(k *Key, h uint64) *slot {
	e, _ := s.locate(k, h)
	return e
}

// insert adds a session without keys. It returns nil when there is no room.
func (s *shard) insert(m *Map, now time.Duration, k *Key, h uint64) *slot {
	if len(s.free) == 0 && !s.grow(m) && !s.evict(m, now, k) {
		s.refused++
		return nil
	}
	i := s.free[len(s.free)-1]
	if !s.sessions.put(h, i) {
		s.refused++
		return nil
	}
	s.free = s.free[:len(s.free)-1]
	s.slots[i].reset(k, true)
	m.held.add(k)
	if m.cfg.Hold != nil {
		m.cfg.Hold(k.AddrPort())
	}
	return &s.slots[i]
}

func (s *shard) drop(m *Map, i uint32) {
	e := &s.slots[i]
	if m.cfg.OnEnd != nil && e.current != nil {
		k := e.key
		m.cfg.OnEnd(&k)
	}
	s.sessions.remove(e.key.hash(m.cfg.Seed), i)
	m.held.release(&e.key)
	if m.cfg.Release != nil {
		m.cfg.Release(e.key.AddrPort())
	}
	e.reset(new(Key), false)
	s.free = append(s.free, i)
}

// evict makes room for a new session k. It compares a few sessions and ends the least valuable one.
// Identities cost nothing, so a new session first evicts sessions of its own network prefix that
// never got beyond their handshake, then other such sessions, then idle ones.
//
// Sessions in use stay, with one exception: a session goes if its prefixes have many sessions, and
// more than the prefixes of k would have. evict chooses the one with the most crowded prefixes, and
// among several the one that was idle for longest (S39). If k itself comes from a crowded prefix, a
// session of such a prefix goes.
func (s *shard) evict(m *Map, now time.Duration, k *Key) bool {
	var seen [evictionSamples]uint32
	n := min(evictionSamples, len(s.slots))
	best, bestScore := -1, time.Duration(0)
	for i := range n {
		s.clockHand = (s.clockHand + s.step) % uint32(len(s.slots))
		seen[i] = s.clockHand
		if score := s.slots[s.clockHand].evictionScore(now, k); score > bestScore {
			best, bestScore = int(s.clockHand), score
		}
	}
	if best < 0 {
		best = s.crowded(m, now, seen[:n], k)
	}
	if best < 0 {
		best = s.overrepresented(now, seen[:n])
	}
	if best < 0 {
		return false
	}
	s.drop(m, uint32(best))
	s.evicted++
	return true
}

// stepOf returns the step of the clock hand over n slots: about 0.6 n, so that samples lie far
// apart, and coprime to n, so that the hand reaches every slot. Neighboring sessions were often
// made together, and all of them may be in use.
func stepOf(n int) uint32 {
	s := max(n*5/8, 1)
	for gcd(s, n) != 1 {
		s++
	}
	return uint32(s)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// crowded returns the slot of the sample whose prefixes have the most sessions in the map. It
// returns -1 if none has many, and more than those of k would have with it.
func (s *shard) crowded(m *Map, now time.Duration, slots []uint32, k *Key) int {
	m.held.mu.Lock()
	defer m.held.mu.Unlock()
	best, most, longest := -1, m.held.bar(k), time.Duration(0)
	for _, i := range slots {
		e := &s.slots[i]
		load, idle := m.held.quota.Load(e.key.AddrPort().Addr(), 0), now-e.lastUsed()
		if load > most || best >= 0 && load == most && idle > longest {
			best, most, longest = int(i), load, idle
		}
	}
	return best
}

// overrepresented returns the longest idle session of a prefix that has more than prefixQuota of
// the given slots, or -1.
func (s *shard) overrepresented(now time.Duration, slots []uint32) int {
	for _, i := range slots {
		count, best, longest := 0, -1, time.Duration(-1)
		for _, j := range slots {
			if e := &s.slots[j]; sameSite(&s.slots[i].key, &e.key) {
				count++
				if idle := now - e.lastUsed(); idle > longest {
					best, longest = int(j), idle
				}
			}
		}
		if count > prefixQuota {
			return best
		}
	}
	return -1
}

// evictionScore ranks a session for eviction. A score of 0 keeps it.
func (e *slot) evictionScore(now time.Duration, newKey *Key) time.Duration {
	const class = 1 << 60
	idle := max(now-e.lastUsed(), 0) + 1
	inUse := e.current != nil && e.current.messages() >= protectedAfter
	switch {
	case inUse && idle <= protectedFor:
		return 0
	case !inUse && sameSite(&e.key, newKey):
		return 2*class + idle
	case !inUse:
		return class + idle
	default:
		return idle
	}
}

// lastUsed returns the time of the last decrypted message or of the handshake.
func (e *slot) lastUsed() (t time.Duration) {
	for _, k := range [...]*Keys{e.current, e.next} {
		if k != nil {
			t = max(t, k.Used())
		}
	}
	return t
}

// sweep removes expired sessions and keys from the slots in [from, end).
func (s *shard) sweep(m *Map, now time.Duration, from, end int) {
	for i := from; i < end; i++ {
		e := &s.slots[i]
		if !e.live {
			continue
		}
		e.expireKeys(now)
		if e.current == nil && e.next == nil || now-e.lastUsed() > m.cfg.IdleTimeout {
			s.drop(m, uint32(i))
			s.expired++
		}
	}
}

func (e *slot) expireKeys(now time.Duration) {
	if e.next != nil && now > e.nextUntil {
		e.next = nil
		e.publishSingle()
	}
	if e.previous != nil && now > e.previousUntil {
		e.previous = nil
		e.publishSingle()
	}
}

// sameSite reports whether two endpoints lie in the same /24 (IPv4) or /48 (IPv6).
func sameSite(a, b *Key) bool { return netaddr.SameSite((*[16]byte)(a[:16]), (*[16]byte)(b[:16])) }
