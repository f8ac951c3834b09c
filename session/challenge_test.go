package session

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// TestChallengeRepeated (S1): while a challenge lives it stays the same, byte for byte, whatever comes
// from its peer; afterwards it is another one.
func TestChallengeRepeated(t *testing.T) {
	const life = 3 * second
	m, r := NewMap(Config{Seed: 1, ChallengeLifetime: life}), testRandom(t, 1)
	key := testKey(1)
	h := m.Hash(&key)
	var first, ch Challenge
	if res := m.Challenge(second, &key, h, &codec.Nonce{1}, 7, r, &first); res != ChallengeNew {
		t.Fatalf("first: %v", res)
	}
	if first.Nonce != (codec.Nonce{1}) || first.RecordSeq != 7 || first.IV == [16]byte{} || first.IDNonce == [16]byte{} {
		t.Errorf("%+v", first)
	}
	want := string(first.Append(nil, codec.DefaultProtocol))
	if len(want) != codec.WhoareyouSize {
		t.Errorf("%d bytes of challenge data", len(want))
	}
	for now := second; now <= second+life; now += 50 * ms {
		if res := m.Challenge(now, &key, h, &codec.Nonce{2, byte(now / ms)}, uint64(now), r, &ch); res != ChallengeRepeated {
			t.Fatalf("%v: %v", now, res)
		}
		if got := string(ch.Append(nil, codec.DefaultProtocol)); got != want {
			t.Fatalf("%v: %x, want %x", now, got, want)
		}
	}
	if !m.Challenged(second+life, &key, h) || m.Challenged(second+life+1, &key, h) {
		t.Error("a challenge does not live for its lifetime")
	}
	if res := m.Challenge(second+life+1, &key, h, &codec.Nonce{3}, 8, r, &ch); res != ChallengeNew {
		t.Fatalf("after its life: %v", res)
	}
	if ch.IDNonce == first.IDNonce || ch.IV == first.IV || ch.Nonce != (codec.Nonce{3}) || ch.RecordSeq != 8 {
		t.Errorf("second challenge %+v", ch)
	}
	if m.Establish(second+life+1, &key, h, &first, new(Keys)) {
		t.Error("established by the challenge before")
	}
	if !m.Establish(second+life+1, &key, h, &ch, new(Keys)) {
		t.Error("not established")
	}
	if st := m.Stats(); st.Challenges != 0 || st.Sessions != 1 {
		t.Errorf("%+v", st)
	}
	checkMap(t, m)
}

func TestChallengeSeparate(t *testing.T) {
	m, r := NewMap(Config{Seed: 1}), testRandom(t, 1)
	a, b := testKey(1), testKey(1)
	b[keyPort+1] ^= 1
	var ca, cb Challenge
	m.Challenge(0, &a, m.Hash(&a), &codec.Nonce{1}, 0, r, &ca)
	if m.Challenged(0, &b, m.Hash(&b)) || m.Attempt(0, &b, m.Hash(&b), &cb) {
		t.Error("challenged for another port")
	}
	if res := m.Challenge(0, &b, m.Hash(&b), &codec.Nonce{1}, 0, r, &cb); res != ChallengeNew || ca.IDNonce == cb.IDNonce {
		t.Errorf("%v; the same ID nonce: %v", res, ca.IDNonce == cb.IDNonce)
	}
	if m.Establish(0, &a, m.Hash(&a), &cb, new(Keys)) || m.Establish(0, &b, m.Hash(&b), &ca, new(Keys)) {
		t.Error("established by another's challenge")
	}
	if _, ok := m.Lookup(&a, m.Hash(&a)); ok {
		t.Error("the attempt has left a session")
	}
	if !m.Challenged(0, &a, m.Hash(&a)) || !m.Challenged(0, &b, m.Hash(&b)) {
		t.Error("the attempt has ended a challenge")
	}
}

// TestS04Attempts: the number of handshakes examined for one challenge is bounded, and none of them
// prolongs it.
func TestS04Attempts(t *testing.T) {
	const life, attempts = second, 5
	m, r := NewMap(Config{Seed: 1, ChallengeLifetime: life, MaxAttempts: attempts}), testRandom(t, 1)
	key := testKey(1)
	h := m.Hash(&key)
	var want, ch Challenge
	if m.Attempt(0, &key, h, &ch) {
		t.Error("attempt without challenge")
	}
	m.Challenge(0, &key, h, &codec.Nonce{1}, 0, r, &want)
	for i := range attempts {
		if !m.Attempt(time.Duration(i)*life/attempts, &key, h, &ch) || ch != want {
			t.Fatalf("attempt %d refused, or another challenge", i)
		}
	}
	if m.Attempt(life, &key, h, &ch) {
		t.Error("one attempt too many")
	}
	if m.Challenge(life, &key, h, &codec.Nonce{2}, 0, r, &ch); ch != want || m.Attempt(life, &key, h, &ch) {
		t.Error("sending it again has allowed more attempts")
	}
	if m.Challenged(life+1, &key, h) {
		t.Error("prolonged")
	}
	m.Challenge(life+1, &key, h, &codec.Nonce{2}, 0, r, &want)
	if !m.Attempt(life+1, &key, h, &ch) || ch != want {
		t.Error("attempt for the next challenge refused")
	}
	if m.Attempt(2*life+2, &key, h, &ch) {
		t.Error("attempt after the lifetime")
	}
}

// TestS14EstablishTwice: a handshake that comes twice makes one session, once.
func TestS14EstablishTwice(t *testing.T) {
	m, r := NewMap(Config{Seed: 1}), testRandom(t, 1)
	key := testKey(1)
	h := m.Hash(&key)
	if m.Establish(0, &key, h, &Challenge{}, new(Keys)) {
		t.Error("established without challenge")
	}
	var ch Challenge
	m.Challenge(0, &key, h, &codec.Nonce{1}, 0, r, &ch)
	k := new(Keys)
	if !m.Establish(0, &key, h, &ch, k) {
		t.Fatal("not established")
	}
	if m.Challenged(0, &key, h) || m.Attempt(0, &key, h, new(Challenge)) {
		t.Error("the challenge lives on")
	}
	if m.Establish(0, &key, h, &ch, new(Keys)) {
		t.Error("established twice")
	}
	if f, _ := m.Lookup(&key, h); !f.is(k, nil, nil) {
		t.Errorf("%+v", f)
	}
}

// TestS06ChallengesBounded: a flood from spoofed sources fills the table of challenges and no more. What
// is out stays, sessions do not notice, and when the flood is over there is room again.
func TestS06ChallengesBounded(t *testing.T) {
	const capacity, flood, life = 64 * 16, 100000, second
	m, r := NewMap(Config{Seed: 1, Challenges: capacity, ChallengeLifetime: life}), testRandom(t, 1)
	honest := testKey(1 << 20)
	var first, ch Challenge
	m.Challenge(0, &honest, m.Hash(&honest), &codec.Nonce{1}, 0, r, &first)
	old, keys := testKey(1<<20+1), new(Keys)
	shakeHands(m, 0, &old, r, keys)
	count := make(map[ChallengeResult]int)
	for i := range flood {
		key := testKey(i)
		count[m.Challenge(10*ms, &key, m.Hash(&key), &codec.Nonce{1}, 0, r, &ch)]++
	}
	if count[ChallengeNew] != capacity-1 || count[ChallengeFull] != flood-capacity+1 {
		t.Errorf("%d new, %d refused, %d repeated", count[ChallengeNew], count[ChallengeFull], count[ChallengeRepeated])
	}
	if st := m.Stats(); st.Challenges != capacity || st.Sessions != 1 {
		t.Errorf("%+v", st)
	}
	if m.Challenge(10*ms, &honest, m.Hash(&honest), &codec.Nonce{2}, 0, r, &ch) != ChallengeRepeated || ch != first {
		t.Error("the flood has changed a challenge that was out")
	}
	if f, ok := m.Lookup(&old, m.Hash(&old)); !ok || f.Current != keys {
		t.Error("the flood has changed a session")
	}
	checkMap(t, m)
	now := life + 100*ms
	for i := range capacity / 2 {
		key := testKey(i)
		if res := m.Challenge(now, &key, m.Hash(&key), &codec.Nonce{1}, 0, r, &ch); res == ChallengeRepeated {
			t.Fatalf("%v after the lifetime", res)
		}
	}
	sweepAll(m, now+2*life)
	if st := m.Stats(); st.Challenges != 0 {
		t.Errorf("%d challenges after their time", st.Challenges)
	}
	checkMap(t, m)
}

// TestS26ChallengeJump: after a jump of time all challenges are gone and new ones can be made.
func TestS26ChallengeJump(t *testing.T) {
	m, r := NewMap(Config{Seed: 1, Challenges: 64}), testRandom(t, 1) // one in each shard
	var ch Challenge
	fill := func(now time.Duration) (n int) {
		for i := range 2000 {
			key := testKey(i)
			if m.Challenge(now, &key, m.Hash(&key), &codec.Nonce{1}, 0, r, &ch) == ChallengeNew {
				n++
			}
		}
		return n
	}
	for _, now := range []time.Duration{0, 2 * second, time.Hour, 1000 * time.Hour} {
		if n := fill(now); n != shards {
			t.Errorf("%v: %d new challenges, want %d", now, n, shards)
		}
	}
}

// TestChallengesDiffer: no two challenges are the same.
func TestChallengesDiffer(t *testing.T) {
	m, r := NewMap(Config{Seed: 1}), testRandom(t, 1)
	ids, ivs := make(map[[16]byte]bool), make(map[[16]byte]bool)
	var ch Challenge
	for i := range 5000 {
		key := testKey(i)
		m.Challenge(0, &key, m.Hash(&key), &codec.Nonce{1}, 0, r, &ch)
		ids[ch.IDNonce], ivs[ch.IV] = true, true
	}
	if len(ids) != 5000 || len(ivs) != 5000 {
		t.Errorf("%d ID nonces, %d IVs", len(ids), len(ivs))
	}
}
