package session

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
)

// side is one of two nodes: its map, and the other node's key in it.
type side struct {
	t    *testing.T
	name string
	m    *Map
	r    *aead.Random
	peer Key
	h    uint64
}

func twoSides(t *testing.T) (a, b *side) {
	sides := make([]*side, 2)
	for i := range sides {
		m := NewMap(Config{Seed: uint64(i), MaxSessions: 64, MaxChallenges: 64, Shards: shards})
		k := testKey(1 - i)
		sides[i] = &side{t, string("AB"[i]), m, testRandom(t, byte(i)), k, m.Hash(&k)}
	}
	return sides[0], sides[1]
}

func (s *side) current() *Keys {
	f, _ := s.m.Lookup(&s.peer, s.h)
	return f.Current
}

// send seals a message with the side's sending keys. It returns ok = false if there are none.
func (s *side) send() (sealed, bool) {
	k, ok := s.m.Sender(&s.peer, s.h)
	if !ok {
		return sealed{}, false
	}
	return seal(s.t, k, s.r, "from "+s.name), true
}

// receive tries the keys in the order of doc.go: current, next, previous.
func (s *side) receive(now time.Duration, msg sealed) bool {
	f, _ := s.m.Lookup(&s.peer, s.h)
	for _, k := range []*Keys{f.Current, f.Next, f.Previous} {
		if msg.opens(k) {
			k.Opened(now)
			s.m.Promote(now, &s.peer, s.h, k)
			return true
		}
	}
	return false
}

// TestS15Crossed: both sides start a handshake at the same time. Whatever the order of packets and
// losses, every message decrypts, and the sides end up using the same keys.
func TestS15Crossed(t *testing.T) {
	for _, older := range []bool{false, true} {
		for seed := range uint64(500) {
			t.Run(fmt.Sprintf("older=%v/%d", older, seed), func(t *testing.T) {
				crossed(t, older, rand.New(rand.NewPCG(seed, 1)))
			})
		}
	}
}

func crossed(t *testing.T, older bool, rnd *rand.Rand) {
	a, b := twoSides(t)
	now := time.Duration(0)
	if older { // there was a session before, and B has lost it
		k, _ := pair(9)
		shakeHands(a.m, now, &a.peer, a.r, k)
	}
	// A initiates with ka, B with kb. Each side has the other's half once the handshake has
	// arrived.
	kaA, kaB := pair(1)
	kbB, kbA := pair(2)
	first := kaA
	if rnd.IntN(2) == 0 {
		first = kbB
	}
	for _, k := range []*Keys{kaA, kaB, kbA, kbB} { // the node with the lower ID
		k.preferred = (k == kaA || k == kaB) == (first == kaA)
	}
	a.m.Offer(now, &a.peer, a.h, kaA, now+10*second)
	b.m.Offer(now, &b.peer, b.h, kbB, now+10*second)
	type packet struct {
		to  *side
		msg sealed
		hs  *Keys
	}
	// The handshake packets arrive in any order and at any time.
	flying := []packet{{to: b, hs: kaB}, {to: a, hs: kbA}}
	for step := range 60 {
		now += time.Duration(rnd.IntN(50)) * ms
		if len(flying) > 0 && rnd.IntN(2) == 0 {
			i := rnd.IntN(len(flying))
			p := flying[i]
			flying = append(flying[:i], flying[i+1:]...)
			switch {
			case p.hs != nil:
				if !shakeHands(p.to.m, now, &p.to.peer, p.to.r, p.hs) {
					t.Fatal("not established")
				}
			case rnd.IntN(4) == 0: // lost
			case !p.to.receive(now, p.msg):
				t.Fatalf("step %d: %s cannot open a message", step, p.to.name)
			}
			continue
		}
		from, to := a, b
		if rnd.IntN(2) == 0 {
			from, to = b, a
		}
		if older && from == a && a.current() != kaA && a.current() != kbA {
			continue // B has no such keys and would challenge
		}
		if msg, ok := from.send(); ok {
			flying = append(flying, packet{to: to, msg: msg})
		}
	}
	// The remaining packets arrive, then comes an exchange without crossing.
	for _, p := range flying {
		if p.hs != nil {
			shakeHands(p.to.m, now, &p.to.peer, p.to.r, p.hs)
		}
	}
	for _, p := range flying {
		if p.hs == nil && !p.to.receive(now, p.msg) {
			t.Fatalf("%s cannot open a late message", p.to.name)
		}
	}
	for range 2 {
		for _, s := range [][2]*side{{a, b}, {b, a}} {
			msg, ok := s[0].send()
			if !ok {
				t.Fatalf("%s has no keys to send with", s[0].name)
			}
			if !s[1].receive(now, msg) {
				t.Fatalf("%s cannot open", s[1].name)
			}
		}
	}
	if ka, kb := a.current(), b.current(); !(ka == kaA && kb == kaB) && !(ka == kbA && kb == kbB) {
		t.Error("the sides use different keys")
	}
	// The other pair expires, and the session still works.
	now += previousFor + minute
	sweepAll(a.m, now)
	sweepAll(b.m, now)
	for _, s := range []*side{a, b} {
		if f, ok := s.m.Lookup(&s.peer, s.h); !ok || f.Next != nil || f.Previous != nil {
			t.Errorf("%s keeps %+v", s.name, f)
		}
		checkMap(t, s.m)
	}
	if msg, _ := a.send(); !b.receive(now, msg) {
		t.Error("no session left")
	}
}

// TestS01Garbage: a message that does not decrypt changes nothing.
func TestS01Garbage(t *testing.T) {
	a, b := twoSides(t)
	ka, kb := pair(1)
	shakeHands(a.m, 0, &a.peer, a.r, ka)
	shakeHands(b.m, 0, &b.peer, b.r, kb)
	next, _ := pair(2)
	a.m.Offer(0, &a.peer, a.h, next, second)
	before, _ := a.m.Lookup(&a.peer, a.h)
	foreign, _ := pair(3)
	for range 100 {
		if a.receive(0, seal(t, foreign, b.r, "garbage")) {
			t.Fatal("garbage opens")
		}
		var ch Challenge
		challenge(a.m, 0, &a.peer, a.h, &[12]byte{1}, 0, &ch)
	}
	if after, ok := a.m.Lookup(&a.peer, a.h); !ok || after != before {
		t.Errorf("%+v, was %+v", after, before)
	}
	msg, _ := b.send()
	if !a.receive(0, msg) {
		t.Error("the session does not work any more")
	}
}
