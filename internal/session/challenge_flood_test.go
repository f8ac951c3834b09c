package session

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/fastdisc/discv5/codec"
)

// TestS41OwnChallenge: messages in a peer's name do not keep that peer's own message from being
// challenged. All challenges of the name are live, and a handshake may answer any of them.
func TestS41OwnChallenge(t *testing.T) {
	m := NewMap(Config{Seed: 1})
	key := testKey(1)
	h := m.Hash(&key)
	nonce := func(i int) *codec.Nonce { return &codec.Nonce{byte(i), byte(i >> 8), 1} }
	message := func(now time.Duration, i int) (ch Challenge, own bool) {
		challenge(m, now, &key, h, nonce(i), uint64(i), &ch)
		return ch, ch.Nonce == *nonce(i)
	}
	message(0, 0)
	if _, own := message(10*ms, 1); own {
		t.Error("the second message has a challenge of its own")
	}
	var sent []Challenge
	for i := 2; i < 9; i++ {
		ch, own := message(time.Duration(i)*10*ms, i)
		if !own {
			t.Fatalf("message %d has no challenge of its own", i)
		}
		sent = append(sent, ch)
	}
	if _, own := message(100*ms, 9); own {
		t.Errorf("more than %d challenges", MaxChallengesOfName)
	}
	var list Candidates
	if !m.Attempt(110*ms, &key, h, &list) || len(list.List()) != MaxChallengesOfName || !list.NamesRecord() {
		t.Fatalf("%d candidates", len(list.List()))
	}
	for i, ch := range list.List()[:7] {
		if ch != sent[6-i] {
			t.Errorf("candidate %d is another challenge", i)
		}
	}
	if _, own := message(249*ms, 10); own {
		t.Error("the oldest is replaced before it has had a quarter of its life")
	}
	if _, own := message(500*ms, 11); !own {
		t.Error("the oldest is not replaced after half of its life")
	}
	if m.Attempt(500*ms, &key, h, &list); len(list.List()) != MaxChallengesOfName {
		t.Errorf("%d candidates", len(list.List()))
	}
	// A handshake ends its own challenge only.
	if !m.Establish(510*ms, &key, h, &sent[3], new(Keys)) || m.Establish(510*ms, &key, h, &sent[3], new(Keys)) {
		t.Error("a challenge is to be answered once")
	}
	if !m.Establish(520*ms, &key, h, &sent[4], new(Keys)) {
		t.Error("another challenge has ended with it")
	}
	// If the first challenge of a name was repeated and not answered, the next second message is
	// challenged immediately.
	third := testKey(3)
	hash := m.Hash(&third)
	for i := range 4 {
		now := second + time.Duration(i)*1001*ms
		var ch Challenge
		challenge(m, now, &third, hash, nonce(100+2*i), 0, &ch)
		challenge(m, now+50*ms, &third, hash, nonce(101+2*i), 0, &ch)
		if own := ch.Nonce == *nonce(101 + 2*i); own != (i > 0) {
			t.Errorf("message %d beside one a second: own challenge %v", i, own)
		}
	}
	// A challenge that is not recent is not repeated for the next message.
	other := testKey(2)
	var ch Challenge
	challenge(m, 0, &other, m.Hash(&other), nonce(1), 0, &ch)
	if challenge(m, 251*ms, &other, m.Hash(&other), nonce(2), 0, &ch); ch.Nonce != *nonce(2) {
		t.Error("a message a second in a name keeps it from being challenged")
	}
	checkMap(t, m)
}

// TestS41MessagesInAName measures how many of a name's own messages are challenged, and answerable
// after a round trip, during a flood in that name. docs/THREATS.md has the figures.
func TestS41MessagesInAName(t *testing.T) {
	for _, c := range []struct {
		rate  int // messages in the name per second
		rtt   time.Duration
		least float64
	}{
		{1, 200 * ms, 0.7}, {5, 100 * ms, 0.99}, {5, 400 * ms, 0.99}, {15, 250 * ms, 0.95}, {30, 250 * ms, 0.45}, {60, 250 * ms, 0.25}, {100, 250 * ms, 0.15},
	} {
		t.Run(fmt.Sprintf("%d a second, %v", c.rate, c.rtt), func(t *testing.T) {
			m, rnd := NewMap(Config{Seed: 1}), rand.New(rand.NewPCG(1, 2))
			key := testKey(1)
			h := m.Hash(&key)
			now, next, n := time.Duration(0), time.Duration(0), uint64(0)
			message := func() (ch Challenge, own bool) {
				n++
				nonce := codec.Nonce{byte(n), byte(n >> 8), byte(n >> 16)}
				challenge(m, now, &key, h, &nonce, 0, &ch)
				return ch, ch.Nonce == nonce
			}
			ok := 0
			const tries = 600
			for range tries {
				// The node's own message comes at a random time of a steady flood.
				flood := func(until time.Duration) {
					for ; next < until; next += second / time.Duration(c.rate) {
						now = next
						message()
					}
					now = until
				}
				flood(now + 2*second + time.Duration(rnd.Int64N(int64(second))))
				ch, mine := message()
				flood(now + c.rtt)
				if mine && m.Establish(now, &key, h, &ch, new(Keys)) {
					ok++
				}
			}
			got := float64(ok) / tries
			t.Logf("%.0f %% of messages are challenged and can be answered", 100*got)
			if got < c.least {
				t.Errorf("%.2f, want %.2f", got, c.least)
			}
		})
	}
}

// TestS40FloodOfNames: a flood would fill the table twice a second. Nearly all new peers with a
// round trip of 100 ms still find their challenge live; losses at longer round trips follow the
// table at challengeTable.
func TestS40FloodOfNames(t *testing.T) {
	const rtt = 100 * ms
	for _, capacity := range []int{256, 4096, 16384} {
		for _, c := range []struct{ times, least, most float64 }{{1, 0.999, 1}, {2, 0.995, 1}, {5, 0.95, 1}, {10, 0.25, 0.85}} {
			t.Run(fmt.Sprintf("%d, %v times", capacity, c.times), func(t *testing.T) {
				m := NewMap(Config{Seed: 1, MaxChallenges: capacity})
				rate := float64(capacity) * c.times
				step := time.Duration(float64(second) / rate)
				type peer struct {
					key Key
					ch  Challenge
					at  time.Duration
				}
				var waiting []peer
				now, made, ok := time.Duration(0), 0, 0
				name := 0
				next := second // the table is full then
				for made < 400 {
					now += step
					key := testKey(name)
					name++
					var ch Challenge
					challenge(m, now, &key, m.Hash(&key), &codec.Nonce{1}, 0, &ch)
					if now >= next {
						next += max(2*ms, 50*step)
						p := peer{key: testKey(1<<22 + made), at: now + rtt}
						challenge(m, now, &p.key, m.Hash(&p.key), &codec.Nonce{2}, 0, &p.ch)
						waiting = append(waiting, p)
						made++
					}
					for len(waiting) > 0 && now >= waiting[0].at {
						if m.Establish(now, &waiting[0].key, m.Hash(&waiting[0].key), &waiting[0].ch, new(Keys)) {
							ok++
						}
						waiting = waiting[1:]
					}
				}
				for _, p := range waiting {
					made--
					_ = p
				}
				got := float64(ok) / float64(made)
				t.Logf("%.1f %% of new peers", 100*got)
				if got < c.least || got > c.most {
					t.Errorf("%.3f of new peers, want %v to %v", got, c.least, c.most)
				}
			})
		}
	}
}

// TestS40Figures computes the figures in the documentation of challengeTable.
func TestS40Figures(t *testing.T) {
	lost := func(w int, x float64) float64 { // P(Poisson(w·x) >= w)
		p, sum := math.Exp(-float64(w)*x), 0.0
		for k := range w {
			sum += p
			p *= float64(w) * x / float64(k+1)
		}
		return 1 - sum
	}
	for _, c := range []struct{ x, want float64 }{{0.2, 2e-6}, {0.4, 0.002}, {0.5, 0.013}, {0.6, 0.04}, {0.8, 0.19}, {1, 0.43}} {
		if got := lost(14, c.x); got < c.want/1.5 || got > c.want*1.5 {
			t.Errorf("%v: %.2g, the documentation says %v", c.x, got, c.want)
		}
	}
	if n := unsafe.Sizeof(challengeSlot{}); n != 48 {
		t.Errorf("a challenge takes %d bytes", n)
	}
	if n := unsafe.Sizeof(challengeHead{}); n != 64 {
		t.Errorf("a bucket's head takes %d bytes, want a cache line", n)
	}
}
