package session

import (
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// modelSession models the keys of a session as doc.go describes them.
type modelSession struct {
	current, next, previous *Keys
	nextUntil, prevUntil    time.Duration
}

// modelChallenge models a live WHOAREYOU.
type modelChallenge struct {
	Challenge
	made     time.Duration
	attempts int
}

// mapModel runs a map that is never full beside a Go map.
type mapModel struct {
	t          *testing.T
	m          *Map
	r          *aead.Random
	now        time.Duration
	sessions   map[Key]*modelSession
	challenges map[Key][]*modelChallenge // newest last
	made       map[Key][]*Keys           // the last eight keys ever made
	sent       map[Key][]*Challenge      // all challenges
}

// FuzzMap reads operations of three bytes: operation, key, argument.
func FuzzMap(f *testing.F) {
	f.Add([]byte{0, 1, 0, 3, 1, 0, 1, 1, 1, 2, 1, 0, 3, 1, 1, 6, 0, 100, 7, 0, 0, 6, 0, 255, 7, 0, 0, 6, 0, 255, 6, 0, 255, 7, 0, 0})
	f.Add([]byte{1, 2, 5, 4, 2, 0, 4, 2, 0, 2, 2, 0, 2, 2, 0, 1, 2, 9, 2, 2, 1, 6, 0, 255, 6, 0, 255, 4, 2, 0, 7, 0, 0})
	f.Add([]byte{1, 3, 1, 2, 3, 0, 0, 3, 255, 3, 3, 1, 1, 3, 1, 2, 3, 1, 3, 3, 0, 3, 3, 1, 6, 0, 200, 7, 0, 0, 5, 3, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		m := &mapModel{
			t: t, m: NewMap(Config{Seed: 7, MaxSessions: 64, MaxChallenges: 2048, Shards: shards}), r: testRandom(t, 1), sessions: map[Key]*modelSession{},
			challenges: map[Key][]*modelChallenge{}, made: map[Key][]*Keys{}, sent: map[Key][]*Challenge{},
		}
		for i := 0; i+3 <= len(script) && i < 3*600; i += 3 {
			key := testKey(int(script[i+1] % 8))
			m.operate(script[i]%8, key, script[i+2])
			m.compare(key)
		}
		checkMap(t, m.m)
		if st := m.m.Stats(); st.Sessions != len(m.sessions) || st.Evicted+st.Refused != 0 || st.Challenges > len(m.challenges)*MaxChallengesOfName {
			t.Fatalf("%+v, want %d sessions, at most %d challenges", st, len(m.sessions), len(m.challenges))
		}
	})
}

func (m *mapModel) operate(op byte, key Key, with byte) {
	const life = DefaultChallengeLifetime
	h, e := m.m.Hash(&key), m.sessions[key]
	live := slices.DeleteFunc(slices.Clone(m.challenges[key]), func(c *modelChallenge) bool { return m.now > c.made+life })
	switch op {
	case 0: // this node sends a handshake
		k, until := &Keys{preferred: with&1 != 0}, m.now+time.Duration(with)*100*ms
		if !m.m.Offer(m.now, &key, h, k, until) {
			m.t.Fatal("refused")
		}
		e = m.session(key)
		e.next, e.nextUntil = k, until
		m.keep(key, k)
	case 1: // a message did not decrypt
		var ch Challenge
		nonce := codec.Nonce{with}
		got := challenge(m.m, m.now, &key, h, &nonce, uint64(with), &ch)
		var want *modelChallenge
		if i := slices.IndexFunc(live, func(c *modelChallenge) bool { return c.Nonce == nonce }); i >= 0 {
			want = live[i]
		} else if n := len(live); n == 1 && m.now < live[0].made+life/4 && got == ChallengeRepeated ||
			n == MaxChallengesOfName && (m.now < live[0].made+life/4 || m.now < live[0].made+life/2 && got == ChallengeRepeated) {
			want = live[n-1] // randomly chosen
		}
		switch {
		case want != nil && (got != ChallengeRepeated || ch != want.Challenge):
			m.t.Fatalf("%v, %+v, want %+v again", got, ch, want.Challenge)
		case want != nil:
		case got != ChallengeNew || ch.Nonce != nonce || ch.RecordSeq != uint64(with):
			m.t.Fatalf("%v, %+v", got, ch)
		default:
			if len(live) == MaxChallengesOfName {
				live = live[1:]
			}
			m.challenges[key] = append(live, &modelChallenge{ch, m.now, 0})
			m.sent[key] = append(m.sent[key], &ch)
		}
	case 2: // a valid handshake, for the live challenge or an earlier one
		if len(m.sent[key]) == 0 {
			return
		}
		ch := m.sent[key][max(0, len(m.sent[key])-1-int(with&3))]
		k := &Keys{preferred: with&4 != 0}
		got := m.m.Establish(m.now, &key, h, ch, k)
		// An expired challenge may remain until the sweep; Attempt is the method that checks the
		// time.
		is := func(c *modelChallenge) bool { return c.Challenge == *ch }
		match, lives := slices.ContainsFunc(m.challenges[key], is), slices.ContainsFunc(live, is)
		if got && !match || !got && lives {
			m.t.Fatalf("established %v, live %v, match %v", got, lives, match)
		}
		if got {
			e = m.session(key)
			if e.current != nil {
				e.previous, e.prevUntil = e.current, m.now+previousFor
			}
			e.current = k
			m.keep(key, k)
			m.challenges[key] = slices.DeleteFunc(m.challenges[key], is)
		}
	case 3: // a message decrypted with present or past keys
		if len(m.made[key]) == 0 {
			return
		}
		k := m.made[key][int(with)%len(m.made[key])]
		k.Opened(m.now)
		m.promote(key, h, e, k)
	case 4: // a handshake is to be examined
		var got Candidates
		var want []Challenge
		for _, c := range slices.Backward(live) {
			if c.attempts < DefaultMaxAttempts {
				want = append(want, c.Challenge)
				c.attempts++
			}
		}
		if ok := m.m.Attempt(m.now, &key, h, &got); ok != (len(want) > 0) || !slices.Equal(got.List(), want) {
			m.t.Fatalf("attempt %v with %d, want %d", ok, len(got.List()), len(want))
		}
		if challenged(m.m, m.now, &key, h) != (len(live) > 0) {
			m.t.Fatalf("challenged %v", len(live) == 0)
		}
	case 5:
		m.m.Remove(&key, h)
		delete(m.sessions, key)
	case 6:
		if m.now += time.Duration(with) * 20 * ms; with > 250 {
			m.now += DefaultIdleTimeout / 2
		}
	case 7:
		m.sweep()
	}
}

func (m *mapModel) session(key Key) *modelSession {
	if m.sessions[key] == nil {
		m.sessions[key] = new(modelSession)
	}
	return m.sessions[key]
}

func (m *mapModel) keep(key Key, k *Keys) {
	m.made[key] = append(m.made[key], k)
	if len(m.made[key]) > 8 {
		m.made[key] = m.made[key][1:]
	}
}

func (m *mapModel) promote(key Key, h uint64, e *modelSession, k *Keys) {
	answered := false
	if e != nil && k != e.current && (k == e.next || k == e.previous && k.preferred && e.current != nil && !e.current.preferred) {
		if k == e.next {
			e.next, answered = nil, true
		}
		e.previous, e.current, e.prevUntil = e.current, k, m.now+previousFor
	}
	if got := m.m.Promote(m.now, &key, h, k); got != answered {
		m.t.Fatalf("promoted %v, want %v", got, answered)
	}
}

func (m *mapModel) sweep() {
	sweepAll(m.m, m.now)
	for k, e := range m.sessions {
		if e.next != nil && m.now > e.nextUntil {
			e.next = nil
		}
		if e.previous != nil && m.now > e.prevUntil {
			e.previous = nil
		}
		last := time.Duration(0)
		for _, keys := range []*Keys{e.current, e.next} {
			if keys != nil {
				last = max(last, keys.Used())
			}
		}
		if e.current == nil && e.next == nil || m.now-last > DefaultIdleTimeout {
			delete(m.sessions, k)
		}
	}
}

func (m *mapModel) compare(key Key) {
	f, ok := m.m.Lookup(&key, m.m.Hash(&key))
	e := m.sessions[key]
	if ok != (e != nil) || ok && !f.is(e.current, e.next, e.previous) {
		m.t.Fatalf("found %v %+v, want %+v", ok, f, e)
	}
}
