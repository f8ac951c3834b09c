package session

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

func (f Found) is(current, next, previous *Keys) bool { return f == Found{current, next, previous} }

// TestMapTransitions walks through the rules of doc.go for the keys of a session.
func TestMapTransitions(t *testing.T) {
	m, r := NewMap(Config{Seed: 1}), testRandom(t, 1)
	key := testKey(1)
	h := m.Hash(&key)
	k1, k2, k3, k4, foreign := new(Keys), new(Keys), new(Keys), new(Keys), new(Keys)
	expect := func(what string, current, next, previous *Keys) {
		t.Helper()
		f, ok := m.Lookup(&key, h)
		if !ok || !f.is(current, next, previous) {
			t.Fatalf("%s: %p %p %p", what, f.Current, f.Next, f.Previous)
		}
		sender, ok := m.Sender(&key, h)
		if ok != (current != nil) || sender != current {
			t.Fatalf("%s: sends with %p", what, sender)
		}
		checkMap(t, m)
	}
	if f, ok := m.Lookup(&key, h); ok || !f.is(nil, nil, nil) {
		t.Fatal("found in an empty map")
	}
	if m.Promote(0, &key, h, k1) {
		t.Fatal("promoted in an empty map")
	}
	if !m.Offer(0, &key, h, k1, second) {
		t.Fatal("refused")
	}
	expect("handshake sent", nil, k1, nil)
	if m.Promote(0, &key, h, foreign) {
		t.Error("foreign keys promoted")
	}
	expect("foreign keys", nil, k1, nil)
	if !m.Promote(0, &key, h, k1) {
		t.Error("not answered")
	}
	expect("answered", k1, nil, nil)
	if m.Promote(0, &key, h, k1) {
		t.Error("answered twice")
	}
	m.Offer(0, &key, h, k2, second)
	expect("second handshake sent", k1, k2, nil)
	if !m.Promote(0, &key, h, k2) {
		t.Error("second not answered")
	}
	expect("second answered", k2, nil, k1)
	if m.Promote(0, &key, h, k1) {
		t.Error("previous keys pass for an answer")
	}
	expect("replay under previous keys", k2, nil, k1)
	k1.preferred = true // as if the handshakes had crossed, and k1 belonged to the lower ID
	m.Promote(0, &key, h, k1)
	expect("previous used", k1, nil, k2)
	m.Promote(0, &key, h, k2)
	expect("no way back", k1, nil, k2)
	m.Offer(0, &key, h, k3, second)
	if !shakeHands(m, 0, &key, r, k4) {
		t.Fatal("not established")
	}
	expect("crossed", k4, k3, k1)
	m.Promote(0, &key, h, k1)
	expect("previous used while crossed", k1, k3, k4)
	m.Promote(0, &key, h, k2)
	expect("keys long gone", k1, k3, k4)
	m.Remove(&key, h)
	if _, ok := m.Lookup(&key, h); ok {
		t.Error("found after removal")
	}
	m.Remove(&key, h)
	if st := m.Stats(); st != (Stats{}) {
		t.Errorf("%+v", st)
	}
	checkMap(t, m)
}

// TestMapSeparate: a node at another endpoint, and another node at the same endpoint, have other
// sessions.
func TestMapSeparate(t *testing.T) {
	m, r := NewMap(Config{Seed: 1}), testRandom(t, 1)
	key, keys := testKey(1), new(Keys)
	shakeHands(m, 0, &key, r, keys)
	for i := range key {
		other := key
		other[i] ^= 1
		h := m.Hash(&other)
		if _, ok := m.Lookup(&other, h); ok {
			t.Errorf("byte %d of the key does not matter", i)
		}
		m.Promote(0, &other, h, keys)
		m.Remove(&other, h)
	}
	if _, ok := m.Lookup(&key, m.Hash(&key)); !ok {
		t.Error("removed under another key")
	}
}

func TestSweep(t *testing.T) {
	t.Run("bit by bit", func(t *testing.T) { testSweep(t, sweepAll) })
	t.Run("at once", func(t *testing.T) { testSweep(t, (*Map).SweepAll) })
}

func testSweep(t *testing.T, sweep func(*Map, time.Duration)) {
	const idle = 10 * minute
	m, r := NewMap(Config{Seed: 1, IdleTimeout: idle}), testRandom(t, 1)
	busy, quiet, offered := testKey(1), testKey(2), testKey(3)
	hb, hq, ho := m.Hash(&busy), m.Hash(&quiet), m.Hash(&offered)
	k1, k2, k3, k4 := new(Keys), new(Keys), new(Keys), new(Keys)
	shakeHands(m, 0, &busy, r, k1)
	shakeHands(m, 0, &quiet, r, new(Keys))
	m.Offer(0, &offered, ho, new(Keys), 2*second)
	m.Offer(0, &busy, hb, k2, 2*second)
	expect := func(now time.Duration, what string, current, next, previous *Keys) {
		t.Helper()
		sweep(m, now)
		if f, _ := m.Lookup(&busy, hb); !f.is(current, next, previous) {
			t.Fatalf("%s at %v: %p %p %p", what, now, f.Current, f.Next, f.Previous)
		}
		checkMap(t, m)
	}
	expect(2*second, "next keys", k1, k2, nil)
	if _, ok := m.Lookup(&offered, ho); !ok {
		t.Error("a handshake is given up early")
	}
	expect(2*second+1, "next keys given up", k1, nil, nil)
	if _, ok := m.Lookup(&offered, ho); ok {
		t.Error("a handshake without answer stays")
	}
	shakeHands(m, 3*second, &busy, r, k3)
	expect(3*second+previousFor, "previous keys", k3, nil, k1)
	expect(3*second+previousFor+1, "previous keys dropped", k3, nil, nil)
	m.Offer(5*minute, &busy, hb, k4, 6*minute)
	m.Promote(5*minute, &busy, hb, k4)
	if n := m.Stats().Expired; n != 1 { // the unanswered handshake
		t.Errorf("%d expired", n)
	}
	k4.Opened(9 * minute)
	expect(idle, "idle time", k4, nil, nil)
	if _, ok := m.Lookup(&quiet, hq); !ok {
		t.Error("a quiet session ends early")
	}
	expect(idle+1, "idle time of another", k4, nil, nil)
	if _, ok := m.Lookup(&quiet, hq); ok {
		t.Error("an idle session stays")
	}
	expect(19*minute, "idle time", k4, nil, nil)
	sweep(m, 19*minute+1)
	if st := m.Stats(); st != (Stats{Expired: 3}) {
		t.Errorf("%+v", st)
	}
}

// TestSweepFresh: a session that has just begun, by either side, is not idle.
func TestSweepFresh(t *testing.T) {
	const now, idle = 1000 * time.Hour, minute
	m, r := NewMap(Config{Seed: 1, IdleTimeout: idle}), testRandom(t, 1)
	in, out := testKey(1), testKey(2)
	shakeHands(m, now, &in, r, new(Keys))
	m.Offer(now, &out, m.Hash(&out), new(Keys), now+time.Hour)
	sweepAll(m, now+idle)
	if st := m.Stats(); st.Sessions != 2 {
		t.Errorf("%+v after the idle time", st)
	}
	sweepAll(m, now+idle+1)
	if st := m.Stats(); st != (Stats{Expired: 2}) {
		t.Errorf("%+v later", st)
	}
}

// TestSweepReachesAll: one call covers a window, and all calls together cover everything, including
// challenges.
func TestSweepReachesAll(t *testing.T) {
	const n = 40000
	m := NewMap(Config{Seed: 1, MaxSessions: n, MaxChallenges: 8 * n, Shards: shards})
	var ch Challenge
	for i := range n {
		key := testKey(i)
		h := m.Hash(&key)
		m.Offer(0, &key, h, new(Keys), time.Hour)
		challenge(m, 0, &key, h, new(codec.Nonce), 0, &ch)
	}
	before := m.Stats()
	if before.Sessions != n || before.Challenges < n*9/10 {
		t.Fatalf("%+v", before)
	}
	m.Sweep(2 * time.Hour)
	if st := m.Stats(); before.Sessions-st.Sessions > sweepWindow {
		t.Errorf("one call ended %d sessions", before.Sessions-st.Sessions)
	}
	sweepAll(m, 2*time.Hour)
	if st := m.Stats(); st != (Stats{Expired: n}) {
		t.Errorf("%+v", st)
	}
	checkMap(t, m)
}

// TestMapModel compares a map that is never full with a Go map under random operations.
func TestMapModel(t *testing.T) {
	type session struct {
		current, next, previous *Keys
		nextUntil, prevUntil    time.Duration
	}
	const n = 300
	m, r := NewMap(Config{Seed: 7}), testRandom(t, 1)
	rnd := rand.New(rand.NewPCG(3, 4))
	model := make(map[Key]*session)
	made := make(map[Key][]*Keys)
	now := time.Duration(0)
	for step := range 30000 {
		now += time.Duration(rnd.IntN(200)) * ms
		key := testKey(rnd.IntN(n))
		h, e := m.Hash(&key), model[key]
		switch rnd.IntN(6) {
		case 0:
			k, until := &Keys{preferred: rnd.IntN(2) == 0}, now+time.Duration(rnd.IntN(5000))*ms
			if !m.Offer(now, &key, h, k, until) {
				t.Fatal("refused")
			}
			if e == nil {
				e = new(session)
				model[key] = e
			}
			e.next, e.nextUntil = k, until
			made[key] = append(made[key], k)
		case 1:
			k := &Keys{preferred: rnd.IntN(2) == 0}
			if !shakeHands(m, now, &key, r, k) {
				t.Fatal("not established")
			}
			if e == nil {
				e = new(session)
				model[key] = e
			}
			if e.current != nil {
				e.previous, e.prevUntil = e.current, now+previousFor
			}
			e.current = k
			made[key] = append(made[key], k)
		case 2, 3:
			if len(made[key]) == 0 {
				continue
			}
			k := made[key][rnd.IntN(len(made[key]))]
			k.Opened(now)
			answered := false
			if e != nil && k != e.current && (k == e.next || k == e.previous && k.preferred && e.current != nil && !e.current.preferred) {
				if k == e.next {
					e.next, answered = nil, true
				}
				e.previous, e.current, e.prevUntil = e.current, k, now+previousFor
			}
			if got := m.Promote(now, &key, h, k); got != answered {
				t.Fatalf("step %d: promoted %v, want %v", step, got, answered)
			}
		case 4:
			if rnd.IntN(20) == 0 {
				m.Remove(&key, h)
				delete(model, key)
			}
		case 5:
			if rnd.IntN(20) == 0 {
				sweepAll(m, now)
				for k, e := range model {
					if e.next != nil && now > e.nextUntil {
						e.next = nil
					}
					if e.previous != nil && now > e.prevUntil {
						e.previous = nil
					}
					if e.current == nil && e.next == nil {
						delete(model, k)
					}
				}
			}
		}
		if e := model[key]; e != nil {
			if f, ok := m.Lookup(&key, h); !ok || !f.is(e.current, e.next, e.previous) {
				t.Fatalf("step %d: found %v %+v, want %+v", step, ok, f, *e)
			}
		} else if _, ok := m.Lookup(&key, h); ok {
			t.Fatalf("step %d: found what is not there", step)
		}
	}
	if got := m.Stats().Sessions; got != len(model) || got < n/2 {
		t.Errorf("%d sessions, want %d", got, len(model))
	}
	checkMap(t, m)
}

func TestMapAllocs(t *testing.T) {
	m, r := NewMap(Config{Seed: 1}), testRandom(t, 1)
	key, keys, nonce, ch := testKey(1), new(Keys), codec.Nonce{1}, new(Challenge)
	h, now := m.Hash(&key), time.Duration(0)
	shakeHands(m, now, &key, r, keys)
	if n := testing.AllocsPerRun(1000, func() {
		now += 700 * ms
		h = m.Hash(&key)
		m.Lookup(&key, h)
		m.Sender(&key, h)
		m.Promote(now, &key, h, keys)
		challenge(m, now, &key, h, &nonce, 0, ch)
		challenge(m, now, &key, h, &nonce, 0, ch)
		challenged(m, now, &key, h)
		attempt(m, now, &key, h, ch)
		m.Sweep(now)
		m.Establish(now, &key, h, ch, keys)
		m.Stats()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSingleKeyAgreesWithLookup: SingleKey, which takes no lock, never contradicts Lookup, and
// finds the sessions with one pair of keys.
func TestSingleKeyAgreesWithLookup(t *testing.T) {
	m, r := NewMap(Config{MaxSessions: 300, Seed: 3, Shards: shards}), testRandom(t, 1)
	const keys = 400
	now, single := time.Duration(0), 0
	for step := range 20_000 {
		now += 20 * ms
		key := testKey(int(r.Uint32n(keys)))
		h := m.Hash(&key)
		k, _ := pair(byte(step))
		switch r.Uint32n(6) {
		case 0:
			m.Offer(now, &key, h, k, now+second)
		case 1, 2:
			shakeHands(m, now, &key, r, k)
		case 3:
			if f, ok := m.Lookup(&key, h); ok && f.Next != nil {
				m.Promote(now, &key, h, f.Next)
			}
		case 4:
			m.Sweep(now)
		case 5:
			if r.Uint32n(20) == 0 {
				m.Remove(&key, h)
			}
		}
		var refs [PrefetchSize]SlotRef
		m.Prefetch([]uint64{h}, &refs)
		f, ok := m.Lookup(&key, h)
		got := refs[0].SingleKey(&key)
		only := ok && f.Current != nil && f.Next == nil && f.Previous == nil
		if got != nil && (!only || got != f.Current) {
			t.Fatalf("step %d: SingleKey gives %p, Lookup %v %+v", step, got, ok, f)
		}
		if only {
			if single++; got == nil && refs[0].slot != nil && refs[0].slot.key == key {
				t.Fatalf("step %d: the place of a session with one pair of keys does not say so", step)
			}
		}
		other := testKey(keys + 1)
		if refs[0].SingleKey(&other) != nil {
			t.Fatalf("step %d: keys of another session", step)
		}
	}
	if single < 1000 {
		t.Errorf("only %d steps met a session with one pair of keys", single)
	}
}

// TestOnEnd: OnEnd is called once for each session that ends, whatever the reason, and for nothing
// else: not for replaced keys, nor for an unanswered handshake.
func TestOnEnd(t *testing.T) {
	ended := make(map[Key]int)
	m := NewMap(Config{MaxSessions: 1, Shards: shards, IdleTimeout: minute, Seed: 1, OnEnd: func(k *Key) { ended[*k]++ }})
	r := testRandom(t, 1)
	var all []Key
	for i := range 2000 {
		key := testKey(i)
		for range 2 {
			k, _ := pair(1)
			shakeHands(m, time.Duration(i)*minute, &key, r, k)
		}
		all = append(all, key)
	}
	evicted := len(ended)
	if evicted == 0 || evicted == len(all) {
		t.Fatalf("%d of %d sessions were evicted: this test does not test", evicted, len(all))
	}
	offered, k := testKey(5000), new(Keys)
	m.Offer(2000*minute, &offered, m.Hash(&offered), k, 2000*minute+second)
	removed := all[len(all)-1]
	m.Remove(&removed, m.Hash(&removed))
	if ended[removed] != 1 {
		t.Errorf("removed session: told %d times", ended[removed])
	}
	for range 1000 {
		m.Sweep(5000 * minute)
	}
	for i, key := range all {
		if ended[key] != 1 {
			t.Errorf("session %d: told %d times", i, ended[key])
		}
	}
	if ended[offered] != 0 || m.Stats().Sessions != 0 {
		t.Errorf("told %d times of an unanswered offer; %d sessions left", ended[offered], m.Stats().Sessions)
	}
}
