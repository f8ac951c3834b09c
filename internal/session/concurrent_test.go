package session

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// TestMapConcurrent, for the race detector, runs all operations in parallel on a few keys of a map
// that is too small for them. The map's invariants hold afterwards.
func TestMapConcurrent(t *testing.T) {
	const workers, steps, n = 8, 3000, 3000
	m := NewMap(Config{Seed: 1, MaxSessions: 64, MaxChallenges: 512, Shards: shards, ChallengeLifetime: 50 * ms, IdleTimeout: second})
	var clock atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		r := testRandom(t, byte(w))
		rnd := rand.New(rand.NewPCG(uint64(w), 1))
		_, b := pair(byte(w))
		msg := seal(t, b, r, "message")
		wg.Go(func() {
			var ch Challenge
			var nonce codec.Nonce
			for range steps {
				now := time.Duration(clock.Add(int64(100 * time.Microsecond)))
				key := testKey(rnd.IntN(n) * rnd.IntN(2)) // key 0 half of the time
				h := m.Hash(&key)
				f, ok := m.Lookup(&key, h)
				if ok && f == (Found{}) {
					t.Error("session without keys")
				}
				switch rnd.IntN(9) {
				case 0:
					k, _ := pair(byte(w))
					m.Offer(now, &key, h, k, now+100*ms)
				case 1, 2:
					challenge(m, now, &key, h, &nonce, 0, &ch)
					if challenged(m, now, &key, h) && attempt(m, now, &key, h, &ch) {
						k, _ := pair(byte(w))
						m.Establish(now, &key, h, &ch, k)
					}
				case 3:
					if f.Next != nil {
						m.Promote(now, &key, h, f.Next)
					}
				case 4:
					if f.Previous != nil {
						m.Promote(now, &key, h, f.Previous)
					}
				case 5:
					for _, k := range []*Keys{f.Current, f.Next, f.Previous} {
						if k != nil {
							msg.opens(k)
							k.Opened(now)
							k.SetRecordSeq(uint64(now))
							k.Prefetch()
						}
					}
				case 6:
					if k, ok := m.Sender(&key, h); ok && k.NextNonce(&nonce, r) {
						k.Seal(nil, &nonce, []byte("x"), nil)
					}
				case 7:
					if rnd.IntN(20) == 0 {
						m.Remove(&key, h)
					}
				case 8:
					var refs [PrefetchSize]SlotRef
					m.Prefetch([]uint64{h}, &refs)
					if k := refs[0].SingleKey(&key); k != nil {
						msg.opens(k)
						k.Opened(now)
					}
					m.Stats()
				}
			}
		})
	}
	stop := make(chan struct{})
	var sweeper sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				m.Sweep(time.Duration(clock.Load()))
			}
		}
	})
	wg.Wait()
	close(stop)
	sweeper.Wait()
	checkMap(t, m)
	if st := m.Stats(); st.Evicted == 0 || st.Sessions == 0 {
		t.Errorf("%+v: the map was never full", st)
	}
}

// TestEstablishOnce: of many goroutines that bring a handshake for one challenge, one succeeds.
func TestEstablishOnce(t *testing.T) {
	m := NewMap(Config{Seed: 1})
	for i := range 200 {
		key := testKey(i)
		h := m.Hash(&key)
		var ch Challenge
		challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &ch)
		var wins, attempts atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				var got Challenge
				if !attempt(m, 0, &key, h, &got) {
					return
				}
				attempts.Add(1)
				if m.Establish(0, &key, h, &got, new(Keys)) {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 || attempts.Load() > DefaultMaxAttempts {
			t.Fatalf("%d sessions out of one challenge, %d attempts", wins.Load(), attempts.Load())
		}
	}
}
