package session

import (
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// TestShards: a map has the requested number of shards, a power of two. With one shard it holds
// exactly its capacity.
func TestShards(t *testing.T) {
	for _, c := range []struct{ capacity, ask, want int }{
		{100, 1, 1}, {100, 2, 2}, {100, 3, 4}, {100, 64, 64}, {100, 1 << 20, maxShards},
		{100, 0, 1}, {511, 0, 1}, {512, 0, 2}, {2048, 0, 8}, {0, 0, 64}, {1 << 17, 0, 64},
	} {
		if m := NewMap(Config{MaxSessions: c.capacity, Shards: c.ask}); len(m.shards) != c.want {
			t.Errorf("%d shards asked for, %d sessions: %d, want %d", c.ask, c.capacity, len(m.shards), c.want)
		}
	}
	m := NewMap(Config{MaxSessions: 40, MaxChallenges: 8, Shards: 1})
	for i := range 200 {
		k := testKey(i)
		h := m.Hash(&k)
		var ch Challenge
		res := challenge(m, 0, &k, h, new(codec.Nonce), 0, &ch)
		if (res == ChallengeEvicted) != (i >= 48) { // 40 became sessions, 8 are live
			t.Fatalf("challenge %d: %v", i, res)
		}
		if i >= 40 {
			continue
		}
		keys, _ := pair(byte(i))
		if !m.Establish(0, &k, h, &ch, keys) {
			t.Fatalf("session %d has no room", i)
		}
		if _, ok := m.Lookup(&k, h); !ok {
			t.Fatalf("session %d is not found", i)
		}
	}
	if st := m.Stats(); st.Sessions != 40 || st.Challenges != 8 {
		t.Errorf("%d sessions and %d challenges, want 40 and 8", st.Sessions, st.Challenges)
	}
	for range 2 * sweepCalls {
		m.Sweep(2 * DefaultIdleTimeout)
	}
	if st := m.Stats(); st.Sessions != 0 || st.Challenges != 0 {
		t.Errorf("%d sessions and %d challenges are left after they have expired", st.Sessions, st.Challenges)
	}
}

// TestCapacityIsNearlyKept: the spare slots for uneven hashing are less than a third of any
// capacity.
func TestCapacityIsNearlyKept(t *testing.T) {
	for _, capacity := range []int{1, 16, 100, 511, 512, 1000, 1536, 2048, 5000, DefaultMaxSessions, 1 << 17} {
		m := NewMap(Config{MaxSessions: capacity, MaxChallenges: 1})
		slots := 0
		for i := range m.shards {
			slots += m.shards[i].capacity
		}
		if slots < capacity || slots > capacity+capacity*3/10 {
			t.Errorf("capacity %d: room for %d sessions", capacity, slots)
		}
	}
}
