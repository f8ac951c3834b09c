package session

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

const (
	ms     = time.Millisecond
	second = time.Second
	minute = time.Minute
)

// seeded returns a source of random bytes that is the same in each run.
func seeded(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

func testRandom(t testing.TB, n byte) *aead.Random {
	t.Helper()
	r, err := aead.NewRandom(seeded(n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fromHex(s string) []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		panic(err)
	}
	return b
}

// testKey returns the i-th of many session keys, each in its own network prefix.
func testKey(i int) Key {
	var id [32]byte
	binary.BigEndian.PutUint64(id[:], uint64(i)+1)
	ip := [4]byte{byte(i>>16) + 1, byte(i >> 8), byte(i), 1}
	return MakeKey(netip.AddrPortFrom(netip.AddrFrom4(ip), 9000), &id)
}

// pair returns the keys of both sides of a session.
func pair(n byte) (a, b *Keys) {
	x, y := [16]byte{1, n}, [16]byte{2, n}
	return NewKeys(&x, &y), NewKeys(&y, &x)
}

// sealed is the encrypted part of a message packet.
type sealed struct {
	nonce   codec.Nonce
	message []byte
}

var sealedAD = []byte("header")

func seal(t testing.TB, k *Keys, r *aead.Random, text string) sealed {
	t.Helper()
	var s sealed
	if !k.NextNonce(&s.nonce, r) {
		t.Fatal("keys are used up")
	}
	s.message = k.Seal(nil, &s.nonce, []byte(text), sealedAD)
	return s
}

// opens decrypts a copy of s with k.
func (s sealed) opens(k *Keys) bool {
	if k == nil {
		return false
	}
	_, err := k.Open(&s.nonce, append([]byte(nil), s.message...), sealedAD)
	return err == nil
}

// shakeHands completes challenge and handshake for k.
func shakeHands(m *Map, now time.Duration, k *Key, r *aead.Random, keys *Keys) bool {
	var ch Challenge
	h := m.Hash(k)
	challenge(m, now, k, h, new(codec.Nonce), 0, &ch)
	return m.Establish(now, k, h, &ch, keys)
}

var (
	challengeMu     sync.Mutex
	challengeRandom *aead.Random
)

// challenge calls Map.Challenge with random numbers that all tests share.
func challenge(m *Map, now time.Duration, k *Key, h uint64, nonce *codec.Nonce, recordSeq uint64, ch *Challenge) ChallengeResult {
	challengeMu.Lock()
	defer challengeMu.Unlock()
	if challengeRandom == nil {
		challengeRandom, _ = aead.NewRandom(seeded(200))
	}
	return m.Challenge(now, k, h, nonce, recordSeq, challengeRandom, ch)
}

// challenged reports whether k has a live challenge.
func challenged(m *Map, now time.Duration, k *Key, h uint64) bool { return m.Arrived(now, k, h).Live }

// attempt calls Map.Attempt and returns the only or the newest challenge of a name.
func attempt(m *Map, now time.Duration, k *Key, h uint64, ch *Challenge) bool {
	var list Candidates
	if !m.Attempt(now, k, h, &list) {
		return false
	}
	*ch = list.List()[0]
	return true
}

// sweepAll calls Sweep until it has covered the whole map.
func sweepAll(m *Map, now time.Duration) {
	n := 0
	for i := range m.shards {
		n += m.shards[i].capacity/sweepWindow + 1
	}
	for range n {
		m.Sweep(now)
	}
}

// checkMap checks the invariants of a map.
func checkMap(t *testing.T, m *Map) {
	t.Helper()
	if st := m.Stats(); m.held.quota.Len() != st.Sessions {
		t.Errorf("%d sessions are counted by prefix, there are %d", m.held.quota.Len(), st.Sessions)
	}
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		live := 0
		for n := range s.slots {
			e := &s.slots[n]
			if !e.live {
				if *e != (slot{}) {
					t.Errorf("shard %d: free slot %d is not empty", i, n)
				}
				continue
			}
			live++
			if e.current == nil && e.next == nil {
				t.Errorf("shard %d: session without keys", i)
			}
			h := m.Hash(&e.key)
			if h%uint64(len(m.shards)) != uint64(i) {
				t.Errorf("shard %d: session of shard %d", i, h%uint64(len(m.shards)))
			}
			if got, at := s.locate(&e.key, h); got != e || at != uint32(n) {
				t.Errorf("shard %d: slot %d is not found", i, n)
			}
		}
		if live+len(s.free) != len(s.slots) {
			t.Errorf("shard %d: %d live, %d free, %d slots", i, live, len(s.free), len(s.slots))
		}
		if n := s.sessions.used(); n != live {
			t.Errorf("shard %d: %d words for %d sessions", i, n, live)
		}
		s.mu.Unlock()
	}
	held := 0
	for i := range m.challenges.stripes {
		s := &m.challenges.stripes[i]
		s.mu.Lock()
		p := s.buckets.Load()
		for b := range p.heads {
			for j, tag := range p.heads[b].tags {
				if tag != 0 && j >= s.ways {
					t.Errorf("stripe %d: a challenge in place %d of %d", i, j, s.ways)
				}
			}
		}
		held += s.maxBuckets * s.ways
		s.mu.Unlock()
	}
	if held > m.cfg.MaxChallenges {
		t.Errorf("room for %d challenges, the bound is %d", held, m.cfg.MaxChallenges)
	}
}

// used counts the words in use.
func (x *index) used() (n int) {
	for _, w := range x.words {
		if w != 0 {
			n++
		}
	}
	return n
}
