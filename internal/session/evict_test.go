package session

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
)

// newSource returns the i-th identity of an attacker who owns one /24.
func newSource(i int) Key {
	var id [32]byte
	binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
	addr := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
	return MakeKey(netip.AddrPortFrom(addr, uint16(1024+i%60000)), &id)
}

// inUse makes n sessions with protectedAfter decrypted messages.
func inUse(t *testing.T, m *Map, n int) []*Keys {
	t.Helper()
	r := testRandom(t, 9)
	all := make([]*Keys, n)
	for i := range all {
		key := testKey(i)
		all[i] = new(Keys)
		if !shakeHands(m, 0, &key, r, all[i]) {
			t.Fatalf("session %d refused", i)
		}
		for range protectedAfter - 1 {
			all[i].Opened(0)
		}
	}
	return all
}

func checkHeld(t *testing.T, m *Map, all []*Keys) {
	t.Helper()
	lost := 0
	for i, k := range all {
		key := testKey(i)
		if f, ok := m.Lookup(&key, m.Hash(&key)); !ok || f.Current != k {
			lost++
		}
	}
	if lost != 0 {
		t.Errorf("%d of %d sessions in use are gone", lost, len(all))
	}
}

// TestS17NewSources: tens of thousands of identities that only complete a handshake, from one
// network or from everywhere, evict no session in use. Each of them is counted.
func TestS17NewSources(t *testing.T) {
	const n = 500
	for _, tt := range []struct {
		name  string
		flood int
		key   func(i int) Key
	}{
		{"one network", 50000, newSource},
		{"everywhere", 10000, func(i int) Key { return testKey(1000000 + i) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, r := NewMap(Config{Seed: 1, MaxSessions: 640, Shards: shards}), testRandom(t, 1)
			all := inUse(t, m, n)
			refused, now := uint64(0), time.Duration(0)
			for i := range tt.flood {
				now += 20 * ms
				if i%5000 == 0 { // each is used every 100 s
					for _, k := range all {
						k.Opened(now)
					}
				}
				k := tt.key(i)
				if !shakeHands(m, now, &k, r, new(Keys)) {
					refused++
				}
			}
			checkHeld(t, m, all)
			checkMap(t, m)
			st := m.Stats()
			if st.Refused != refused || uint64(st.Sessions)+st.Evicted+st.Refused != uint64(n+tt.flood) {
				t.Errorf("%+v; %d refused", st, refused)
			}
			if st.Evicted == 0 {
				t.Error("the new sources have not evicted each other")
			}
			if limit := len(m.shards) * m.shards[0].capacity; st.Sessions > limit {
				t.Errorf("%d sessions, limit %d", st.Sessions, limit)
			}
		})
	}
}

// TestS17Refused: when all sessions are in use, a new source is refused, whether it sent a
// handshake or this node did. After protectedFor without messages it is accepted.
func TestS17Refused(t *testing.T) {
	m, r := NewMap(Config{Seed: 1, MaxSessions: 1, Shards: shards}), testRandom(t, 1)
	var all []*Keys
	var keys []Key
	for i := 0; len(all) < len(m.shards)*m.shards[0].capacity; i++ {
		key, k := testKey(i), new(Keys)
		if s := m.shard(m.Hash(&key)); len(s.slots)-len(s.free) == s.capacity {
			continue
		}
		if !shakeHands(m, 0, &key, r, k) {
			t.Fatal("refused with room left")
		}
		for range protectedAfter {
			k.Opened(0)
		}
		all, keys = append(all, k), append(keys, key)
	}
	full := m.Stats()
	tries := func(now time.Duration) (in, offered int) {
		for i := range 200 {
			a, b := newSource(i), newSource(1000+i)
			if shakeHands(m, now, &a, r, new(Keys)) {
				in++
			}
			if m.Offer(now, &b, m.Hash(&b), new(Keys), now+second) {
				offered++
			}
		}
		return in, offered
	}
	if in, offered := tries(protectedFor - second); in != 0 || offered != 0 {
		t.Errorf("%d and %d new sources accepted", in, offered)
	}
	if st := m.Stats(); st.Refused != 400 || st.Evicted != 0 || st.Sessions != full.Sessions {
		t.Errorf("%+v", st)
	}
	for i, k := range all {
		if f, ok := m.Lookup(&keys[i], m.Hash(&keys[i])); !ok || f.Current != k {
			t.Fatal("a session in use is gone")
		}
	}
	in, offered := tries(protectedFor + second)
	if st := m.Stats(); in != 200 || offered != 200 || st.Evicted != 400 || st.Sessions != full.Sessions {
		t.Errorf("%d and %d new sources accepted later: %+v", in, offered, st)
	}
	checkMap(t, m)
}

// TestS17Order checks the order of eviction.
func TestS17Order(t *testing.T) {
	const now = 10 * minute
	session := func(key Key, messages uint32, used time.Duration) *slot {
		e := &slot{key: key, live: true, current: new(Keys)}
		e.current.state.Store(messages)
		e.current.used.Store(int64(used))
		return e
	}
	k := newSource(1)
	offered := &slot{key: testKey(1), live: true, next: new(Keys)}
	offered.next.used.Store(int64(now))
	order := []*slot{ // first to last
		session(newSource(2), 1, now-second),
		session(newSource(3), protectedAfter-1, now),
		session(testKey(1), 1, now-minute),
		session(testKey(1), protectedAfter-1, now-second),
		offered,
		session(testKey(1), protectedAfter, now-time.Hour),
		session(newSource(4), protectedAfter, now-protectedFor-second),
	}
	last := time.Duration(1<<63 - 1)
	for i, e := range order {
		score := e.evictionScore(now, &k)
		if score <= 0 || score >= last {
			t.Errorf("%d: score %d after %d", i, score, last)
		}
		last = score
	}
	for _, e := range []*slot{
		session(testKey(1), protectedAfter, now-protectedFor+1), session(newSource(2), protectedAfter, now),
		session(testKey(1), protectedAfter, now+second), // another worker's clock is ahead
	} {
		if score := e.evictionScore(now, &k); score != 0 {
			t.Errorf("session in use has score %d", score)
		}
	}
}

// TestCapacity: a map holds the configured number of sessions, and more only to even out the
// hashing.
func TestCapacity(t *testing.T) {
	for _, n := range []int{1, 64, 1000, 16384} {
		m := NewMap(Config{Seed: 1, MaxSessions: n})
		for i := range n + n/2 + 3000 {
			key := testKey(i)
			m.Offer(0, &key, m.Hash(&key), new(Keys), second)
			if i == n-1 {
				if st := m.Stats(); st.Sessions != n || st.Evicted+st.Refused != 0 {
					t.Errorf("capacity %d: %+v after %d", n, st, n)
				}
			}
		}
		limit := len(m.shards) * m.shards[0].capacity
		if st := m.Stats(); st.Sessions > limit || float64(limit) > 1.3*float64(n) {
			t.Errorf("capacity %d: limit %d, %+v", n, limit, st)
		}
		checkMap(t, m)
	}
}

func TestSamePrefix(t *testing.T) {
	key := func(s string) Key { return MakeKey(netip.MustParseAddrPort(s), new([32]byte)) }
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"1.2.3.4:1", "1.2.3.255:2", true}, {"1.2.3.4:1", "1.2.4.4:1", false}, {"1.2.3.4:1", "[2001:db8::1]:1", false},
		{"[2001:db8:1::1]:1", "[2001:db8:1:ffff::2]:1", true}, {"[2001:db8:1::1]:1", "[2001:db8:2::1]:1", false},
		{"[::1]:1", "1.2.3.4:1", false}, {"1.2.3.4:1", "[::1]:1", false}, {"[::1]:1", "[::ffff:1.2.3.4]:1", false},
	} {
		a, b := key(tt.a), key(tt.b)
		if got := sameSite(&a, &b); got != tt.want {
			t.Errorf("%s, %s: %v", tt.a, tt.b, got)
		}
	}
}

// TestS17HandshakeAlone: a session whose peer only completed the handshake is not in use, however
// new it is. New sources evict it.
func TestS17HandshakeAlone(t *testing.T) {
	m, r := NewMap(Config{Seed: 1, MaxSessions: 1, Shards: shards}), testRandom(t, 1)
	const n, now = 3000, time.Hour
	for i := range n {
		key, k := testKey(i), new(Keys)
		if !shakeHands(m, now, &key, r, k) {
			t.Fatalf("new source %d refused", i)
		}
		for range protectedAfter - 2 {
			k.Opened(now)
		}
	}
	if st := m.Stats(); st.Refused != 0 || uint64(st.Sessions)+st.Evicted != n {
		t.Errorf("%+v", st)
	}
}

// crowdOf makes n sessions of one network that are in use. Those with an even number are idle for a
// second longer.
func crowdOf(t *testing.T, m *Map, r *aead.Random, n int) (theirs []*Keys) {
	t.Helper()
	for i := range n {
		k, keys := newSource(i), new(Keys)
		if !shakeHands(m, second, &k, r, keys) {
			t.Fatal("refused with room left")
		}
		for range protectedAfter {
			keys.Opened(time.Duration(1+i%2) * second)
		}
		theirs = append(theirs, keys)
	}
	return theirs
}

// TestS17PrefixQuota: an attacker that keeps many sessions of one network in use does not keep
// others out. New sources evict sessions of that network, the longest idle of a sample first, and
// no others. New sources from that network evict only its own sessions.
func TestS17PrefixQuota(t *testing.T) {
	const honest, crowd = 32, 64
	m, r := NewMap(Config{Seed: 1, MaxSessions: honest + crowd, Shards: 1}), testRandom(t, 1)
	all, theirs := inUse(t, m, honest), crowdOf(t, m, r, crowd)
	held := func() (n, idle int) {
		for i, keys := range theirs {
			k := newSource(i)
			if f, ok := m.Lookup(&k, m.Hash(&k)); ok && f.Current == keys {
				n++
				idle += 1 - i%2
			}
		}
		return n, idle
	}
	const now, came = 3 * second, 16
	for i := range came {
		k := testKey(1000 + i)
		if keys := new(Keys); !shakeHands(m, now, &k, r, keys) {
			t.Fatalf("new source %d refused", i)
		} else {
			for range protectedAfter {
				keys.Opened(now)
			}
		}
	}
	checkHeld(t, m, all)
	if n, idle := held(); n != crowd-came || idle != crowd/2-came {
		t.Errorf("%d sessions of the network are left, %d of those that were idle for longer; want %d and %d", n, idle, crowd-came, crowd/2-came)
	}
	for i := range 1000 {
		k := newSource(1000 + i)
		shakeHands(m, now, &k, r, new(Keys))
	}
	checkHeld(t, m, all)
	checkMap(t, m)
}

// TestEvictionLooksFarApart: the clock hand reaches every slot before it repeats one, and skips
// neighbors. Otherwise a run of sessions that were made together and are in use could hide
// evictable ones.
func TestEvictionLooksFarApart(t *testing.T) {
	for n := 1; n <= 3000; n++ {
		step, seen := int(stepOf(n)), make([]bool, n)
		at := 0
		for range n {
			at = (at + step) % n
			if seen[at] {
				t.Fatalf("%d slots: slot %d twice in one turn", n, at)
			}
			seen[at] = true
		}
	}
	const n = 400
	at, near := 0, 0
	for range evictionSamples {
		next := (at + int(stepOf(n))) % n
		if d := next - at; max(d, -d) < n/4 {
			near++
		}
		at = next
	}
	if near > 0 {
		t.Errorf("%d of %d steps go to a neighborhood", near, evictionSamples)
	}
}

// TestS39CrowdedPrefixesGiveWay: sessions in use of a few networks that fill the map do not keep
// others out. A new session of a network with few sessions evicts one of a network with many, in
// use or not. The sessions of other networks stay.
func TestS39CrowdedPrefixesGiveWay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		shards int
		addr   func(i int) [16]byte
	}{
		{"64 /24s", 1, func(i int) [16]byte { return mapped(203, byte(i%64), 113, byte(i/64)) }},
		{"64 /24s, 64 shards", shards, func(i int) [16]byte { return mapped(203, byte(i%64), 113, byte(i/64)) }},
		{"one machine", 1, func(i int) [16]byte { return mapped(127, byte(i%64), 0, 1) }},
		{"one /16", 1, func(i int) [16]byte { return mapped(203, 7, byte(i), 1) }},
		{"64 /48s of one /32", 1, func(i int) [16]byte { return [16]byte{0x2a, 1, 0, 1, 0, byte(i % 64), 15: byte(i / 64)} }},
		{"/48s of one /32", 1, func(i int) [16]byte { return [16]byte{0x2a, 1, 0, 1, byte(i >> 8), byte(i), 15: 1} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const honest, capacity, came = 40, 512, 40
			m, r := NewMap(Config{Seed: 1, MaxSessions: capacity, Shards: tt.shards}), testRandom(t, 1)
			all := inUse(t, m, honest)
			size := len(m.shards) * m.shards[0].capacity
			for i := range 40 * size {
				if m.Stats().Sessions == size {
					break
				}
				var id [32]byte
				binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
				k := MakeKey(netip.AddrPortFrom(netip.AddrFrom16(tt.addr(i)).Unmap(), uint16(1024+i%60000)), &id)
				keys := new(Keys)
				if !shakeHands(m, second, &k, r, keys) {
					continue
				}
				for range protectedAfter {
					keys.Opened(second)
				}
			}
			for _, k := range all {
				k.Opened(second)
			}
			in := 0
			for i := range came {
				k, keys := testKey(1000*(1+i)), new(Keys)
				if shakeHands(m, 2*second, &k, r, keys) {
					in++
				}
				for range protectedAfter {
					keys.Opened(2 * second)
				}
			}
			if in != came {
				t.Errorf("%d of %d new sources got in", in, came)
			}
			checkHeld(t, m, all)
			checkMap(t, m)
		})
	}
}

// mapped returns an IPv4 address in 16 bytes.
func mapped(a, b, c, d byte) [16]byte { return netip.AddrFrom4([4]byte{a, b, c, d}).As16() }

// TestS39LessCrowdedPrefixesStay: a new session of a crowded prefix evicts none of a less crowded
// one.
func TestS39LessCrowdedPrefixesStay(t *testing.T) {
	const few, many = 120, 3 // of 30 networks, and of one
	m, r := NewMap(Config{Seed: 1, MaxSessions: few + many, Shards: 1}), testRandom(t, 1)
	key := func(net byte, i int) Key {
		var id [32]byte
		binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
		return MakeKey(netip.AddrPortFrom(netip.AddrFrom4([4]byte{net, 1, 1, byte(i)}), 9000), &id)
	}
	for i := range few + many {
		k, keys := key(byte(70+i%30), i), new(Keys)
		if i >= few {
			k = key(60, i) // later
		}
		if !shakeHands(m, 0, &k, r, keys) {
			t.Fatal("refused with room left")
		}
		for range protectedAfter {
			keys.Opened(time.Duration(i/few) * second) // the sessions of few are idle for longer
		}
	}
	for i := range 1000 {
		k := key(60, 1000+i)
		shakeHands(m, 10*second, &k, r, new(Keys))
	}
	lost := 0
	for i := range few {
		k := key(byte(70+i%30), i)
		if _, ok := m.Lookup(&k, m.Hash(&k)); !ok {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d sessions of the network with few are gone", lost, few)
	}
	checkMap(t, m)
}

// TestS39EqualPrefixesStay: if every network has as few sessions as the new one would have,
// sessions in use stay. Otherwise networks would evict each other forever.
func TestS39EqualPrefixesStay(t *testing.T) {
	const n = 200
	m, r := NewMap(Config{Seed: 1, MaxSessions: n, Shards: 1}), testRandom(t, 1)
	key := func(i int) Key { // each in its own /16
		var id [32]byte
		binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
		return MakeKey(netip.AddrPortFrom(netip.AddrFrom4([4]byte{1 + byte(i>>8), byte(i), 3, 4}), 9000), &id)
	}
	for i := range n {
		k, keys := key(i), new(Keys)
		if !shakeHands(m, 0, &k, r, keys) {
			t.Fatal("refused with room left")
		}
		for range protectedAfter {
			keys.Opened(0)
		}
	}
	for i := range 500 {
		k := key(1000 + i)
		if shakeHands(m, second, &k, r, new(Keys)) {
			t.Errorf("new source %d got in", i)
		}
	}
	if st := m.Stats(); st.Evicted > 0 || st.Refused != 500 {
		t.Errorf("%+v", st)
	}
}
