package session

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// S39: a new session of a network that has most of the map evicts a session of its own network, the
// longest idle of a sample, and no other.
func TestS39OwnNetworkIsEvicted(t *testing.T) {
	const honest, crowd = 32, 64
	m, r := NewMap(Config{Seed: 1, MaxSessions: honest + crowd, Shards: 1}), testRandom(t, 1)
	all, theirs := inUse(t, m, honest), crowdOf(t, m, r, crowd)
	for i := range 8 {
		k := newSource(1000 + i)
		if !shakeHands(m, 3*second, &k, r, new(Keys)) {
			t.Errorf("new session %d of the crowded network is refused", i)
		}
	}
	checkHeld(t, m, all)
	for i, keys := range theirs {
		k := newSource(i)
		if f, ok := m.Lookup(&k, m.Hash(&k)); i%2 == 1 && (!ok || f.Current != keys) {
			t.Error("a session that was idle for less is gone")
		}
	}
	checkMap(t, m)
}

// S17: endpoints of one /24 or /48 count as a single network, others do not.
func TestS17SamePrefix(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"20.1.1.1:1", "20.1.1.255:2", true},
		{"20.1.1.1:1", "20.1.2.1:1", false},
		{"[2a01:1:1:1::1]:1", "[2a01:1:1:1::2]:1", true},
		{"[2a01:1:1:1::1]:1", "[2a01:1:1:2::1]:1", true},
		{"[2a01:1:1:1::1]:1", "[2a01:1:2:1::1]:1", false},
		{"20.1.1.1:1", "[2a01:1:1:1::1]:1", false},
		{"20.1.1.1:1", "[::20.1.1.1]:1", false},
	} {
		a, b := MakeKey(netip.MustParseAddrPort(c.a), &[32]byte{1}), MakeKey(netip.MustParseAddrPort(c.b), &[32]byte{2})
		if sameSite(&a, &b) != c.want || sameSite(&b, &a) != c.want {
			t.Errorf("%s and %s: want %v", c.a, c.b, c.want)
		}
	}
}

// S41: however many messages come in a name, the name has at most MaxChallengesOfName challenges.
func TestS41ChallengesOfOneName(t *testing.T) {
	m, r := NewMap(Config{Seed: 1, MaxChallenges: 4096, ChallengeLifetime: second}), testRandom(t, 1)
	key, most := testKey(1), 0
	h := m.Hash(&key)
	for i := range 1000 {
		now := time.Duration(i) * 5 * time.Millisecond
		var ch Challenge
		m.Challenge(now, &key, h, &codec.Nonce{byte(i), byte(i >> 8)}, 0, r, &ch)
		most = max(most, m.Stats().Challenges)
	}
	if most != MaxChallengesOfName {
		t.Errorf("%d challenges of one name, want %d", most, MaxChallengesOfName)
	}
}
