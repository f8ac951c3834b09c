package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// TestChallengeRepeated (S1): a second message gets the same bytes, and so does a duplicate. After
// the lifetime there is another challenge.
func TestChallengeRepeated(t *testing.T) {
	const life = 4 * second
	m := NewMap(Config{Seed: 1, ChallengeLifetime: life})
	key := testKey(1)
	h := m.Hash(&key)
	var first, ch Challenge
	if res := challenge(m, second, &key, h, &codec.Nonce{1}, 7, &first); res != ChallengeNew {
		t.Fatalf("first: %v", res)
	}
	if first.Nonce != (codec.Nonce{1}) || first.RecordSeq != 7 || first.IV == [16]byte{} || first.IDNonce == [16]byte{} {
		t.Errorf("%+v", first)
	}
	want := string(first.Append(nil, codec.DefaultProtocol))
	if len(want) != codec.WhoareyouSize {
		t.Errorf("%d bytes of challenge data", len(want))
	}
	same := func(name string, now time.Duration, nonce codec.Nonce) {
		t.Helper()
		if res := challenge(m, now, &key, h, &nonce, uint64(now), &ch); res != ChallengeRepeated {
			t.Fatalf("%s: %v", name, res)
		}
		if got := string(ch.Append(nil, codec.DefaultProtocol)); got != want {
			t.Fatalf("%s: %x, want %x", name, got, want)
		}
	}
	same("second message", second+life/4-1, codec.Nonce{2})
	for now := second; now <= second+life; now += 50 * ms {
		same("first message again", now, codec.Nonce{1})
	}
	if !challenged(m, second+life, &key, h) || challenged(m, second+life+1, &key, h) {
		t.Error("a challenge does not live for its lifetime")
	}
	if res := challenge(m, second+life+1, &key, h, &codec.Nonce{1}, 8, &ch); res != ChallengeNew {
		t.Fatalf("after its life: %v", res)
	}
	if ch.IDNonce == first.IDNonce || ch.IV == first.IV || ch.Nonce != (codec.Nonce{1}) || ch.RecordSeq != 8 {
		t.Errorf("second challenge %+v", ch)
	}
	if m.Establish(second+life+1, &key, h, &first, new(Keys)) {
		t.Error("established by the challenge before")
	}
	if !m.Establish(second+life+1, &key, h, &ch, new(Keys)) {
		t.Error("not established")
	}
	sweepAll(m, second+life+1)
	if st := m.Stats(); st.Challenges != 0 || st.Sessions != 1 {
		t.Errorf("%+v", st)
	}
	checkMap(t, m)
}

// TestS14SameMessageAgain: after a handshake, a replayed message gets a challenge that the recorded
// handshake does not answer, even at the same time.
func TestS14SameMessageAgain(t *testing.T) {
	m := NewMap(Config{Seed: 1})
	key := testKey(1)
	h := m.Hash(&key)
	var first, ch Challenge
	challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &first)
	if !m.Establish(0, &key, h, &first, new(Keys)) {
		t.Fatal("not established")
	}
	if challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &ch) != ChallengeNew || ch.IDNonce == first.IDNonce || ch.IV == first.IV {
		t.Errorf("%+v, before %+v", ch, first)
	}
	if m.Establish(0, &key, h, &first, new(Keys)) {
		t.Error("the challenge was answered twice")
	}
}

func TestChallengeSeparate(t *testing.T) {
	m := NewMap(Config{Seed: 1})
	a, b := testKey(1), testKey(1)
	b[keyPort+1] ^= 1
	var ca, cb Challenge
	challenge(m, 0, &a, m.Hash(&a), &codec.Nonce{1}, 0, &ca)
	if challenged(m, 0, &b, m.Hash(&b)) || attempt(m, 0, &b, m.Hash(&b), &cb) {
		t.Error("challenged for another port")
	}
	if res := challenge(m, 0, &b, m.Hash(&b), &codec.Nonce{1}, 0, &cb); res != ChallengeNew || ca.IDNonce == cb.IDNonce {
		t.Errorf("%v; the same ID nonce: %v", res, ca.IDNonce == cb.IDNonce)
	}
	if m.Establish(0, &a, m.Hash(&a), &cb, new(Keys)) || m.Establish(0, &b, m.Hash(&b), &ca, new(Keys)) {
		t.Error("established by another's challenge")
	}
	if _, ok := m.Lookup(&a, m.Hash(&a)); ok {
		t.Error("the attempt has left a session")
	}
	if !challenged(m, 0, &a, m.Hash(&a)) || !challenged(m, 0, &b, m.Hash(&b)) {
		t.Error("the attempt has ended a challenge")
	}
}

// TestArrived: Arrived tells the first handshake after a challenge from later ones.
func TestArrived(t *testing.T) {
	m := NewMap(Config{Seed: 1})
	key := testKey(1)
	h := m.Hash(&key)
	if a := m.Arrived(0, &key, h); a != (Arrival{}) {
		t.Errorf("%+v without challenge", a)
	}
	var ch Challenge
	challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &ch)
	for i, want := range []Arrival{{Live: true, First: true}, {Live: true}, {Live: true}} {
		if a := m.Arrived(0, &key, h); a != want {
			t.Errorf("handshake %d: %+v, want %+v", i, a, want)
		}
	}
	challenge(m, 300*ms, &key, h, &codec.Nonce{2}, 5, &ch)
	if a := m.Arrived(300*ms, &key, h); a.First || !a.NamesRecord {
		t.Errorf("%+v with another challenge", a)
	}
}

// TestS04Attempts: the number of handshakes examined per challenge is bounded, and none of them
// extends the challenge.
func TestS04Attempts(t *testing.T) {
	const life, attempts = second, 5
	m := NewMap(Config{Seed: 1, ChallengeLifetime: life, MaxAttempts: attempts})
	key := testKey(1)
	h := m.Hash(&key)
	var want, ch Challenge
	if attempt(m, 0, &key, h, &ch) {
		t.Error("attempt without challenge")
	}
	challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &want)
	for i := range attempts {
		if !attempt(m, time.Duration(i)*life/attempts, &key, h, &ch) || ch != want {
			t.Fatalf("attempt %d refused, or another challenge", i)
		}
	}
	if attempt(m, life, &key, h, &ch) {
		t.Error("one attempt too many")
	}
	if challenge(m, life, &key, h, &codec.Nonce{1}, 0, &ch); ch != want || attempt(m, life, &key, h, &ch) {
		t.Error("sending it again has allowed more attempts")
	}
	if challenged(m, life+1, &key, h) {
		t.Error("prolonged")
	}
	challenge(m, life+1, &key, h, &codec.Nonce{2}, 0, &want)
	if !attempt(m, life+1, &key, h, &ch) || ch != want {
		t.Error("attempt for the next challenge refused")
	}
	if attempt(m, 2*life+2, &key, h, &ch) {
		t.Error("attempt after the lifetime")
	}
}

// TestS04Proofs: the number of signatures verified per challenge is bounded, and each challenge of
// a name has its own count.
func TestS04Proofs(t *testing.T) {
	m := NewMap(Config{Seed: 1})
	key := testKey(1)
	h := m.Hash(&key)
	var a, b Challenge
	challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &a)
	challenge(m, 300*ms, &key, h, &codec.Nonce{2}, 0, &b)
	if a.Nonce == b.Nonce {
		t.Fatal("one challenge")
	}
	for i := range DefaultMaxProofs {
		if !m.Proof(300*ms, &key, h, &a) {
			t.Fatalf("proof %d refused", i)
		}
	}
	if m.Proof(300*ms, &key, h, &a) {
		t.Error("one proof too many")
	}
	var list Candidates
	if m.Attempt(300*ms, &key, h, &list); len(list.List()) != 1 || list.List()[0] != b {
		t.Errorf("%d candidates, want the other challenge alone", len(list.List()))
	}
	if !m.Proof(300*ms, &key, h, &b) {
		t.Error("another challenge has been used up")
	}
	if m.Arrived(300*ms, &key, h); m.Proof(300*ms, &key, h, &a) {
		t.Error("the count was reset")
	}
	if m.Proof(1301*ms, &key, h, &b) {
		t.Error("proof after the lifetime")
	}
}

// TestS14EstablishTwice: a replayed handshake makes one session.
func TestS14EstablishTwice(t *testing.T) {
	m := NewMap(Config{Seed: 1})
	key := testKey(1)
	h := m.Hash(&key)
	if m.Establish(0, &key, h, &Challenge{}, new(Keys)) {
		t.Error("established without challenge")
	}
	var ch Challenge
	challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &ch)
	k := new(Keys)
	if !m.Establish(0, &key, h, &ch, k) {
		t.Fatal("not established")
	}
	if challenged(m, 0, &key, h) || attempt(m, 0, &key, h, new(Challenge)) {
		t.Error("the challenge lives on")
	}
	if m.Establish(0, &key, h, &ch, new(Keys)) {
		t.Error("established twice")
	}
	if f, _ := m.Lookup(&key, h); !f.is(k, nil, nil) {
		t.Errorf("%+v", f)
	}
}

// TestS06ChallengesBounded: a flood from spoofed sources fills the challenge table and nothing
// more. Sessions are not affected, and after the flood there is room.
func TestS06ChallengesBounded(t *testing.T) {
	const life = second
	for _, capacity := range []int{1, 7, 64, 640, 64 * 16, 5000, 16384} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			m, r := NewMap(Config{Seed: 1, MaxChallenges: capacity, ChallengeLifetime: life}), testRandom(t, 1)
			var ch Challenge
			old, keys := testKey(1<<20+1), new(Keys)
			shakeHands(m, 0, &old, r, keys)
			flood := max(3*capacity, 2000)
			count := make(map[ChallengeResult]int)
			for i := range flood {
				key := testKey(i)
				count[challenge(m, 10*ms, &key, m.Hash(&key), &codec.Nonce{1}, 0, &ch)]++
				if !challenged(m, 10*ms, &key, m.Hash(&key)) {
					t.Fatal("not challenged")
				}
			}
			st := m.Stats()
			if st.Challenges > capacity || st.Challenges < capacity*9/10 || st.Sessions != 1 {
				t.Errorf("%+v", st)
			}
			if count[ChallengeNew] < st.Challenges || count[ChallengeEvicted] != int(st.ChallengesEvicted) || count[ChallengeRepeated] > 0 {
				t.Errorf("%v, %+v", count, st)
			}
			if f, ok := m.Lookup(&old, m.Hash(&old)); !ok || f.Current != keys {
				t.Error("the flood has changed a session")
			}
			checkMap(t, m)
			sweepAll(m, 3*life)
			if st := m.Stats(); st.Challenges != 0 {
				t.Errorf("%d challenges after their time", st.Challenges)
			}
			checkMap(t, m)
		})
	}
}

// TestChallengesGrow: the table starts small, and keeps live challenges when it grows.
func TestChallengesGrow(t *testing.T) {
	m := NewMap(Config{Seed: 1, MaxChallenges: 1 << 15})
	size := func() (n int) {
		for i := range m.challenges.stripes {
			p := m.challenges.stripes[i].buckets.Load()
			n += 64*len(p.heads) + 48*len(p.slots)
		}
		return n
	}
	if n := size(); n > 64<<10 {
		t.Errorf("%d bytes at first", n)
	}
	var all []Challenge
	lost := 0
	for i := range 1 << 14 {
		key := testKey(i)
		var ch Challenge
		if challenge(m, 0, &key, m.Hash(&key), &codec.Nonce{1}, 0, &ch) == ChallengeEvicted {
			lost++
		}
		all = append(all, ch)
	}
	missing := 0
	for i := range all {
		key := testKey(i)
		var ch Challenge
		if !attempt(m, 0, &key, m.Hash(&key), &ch) || ch != all[i] {
			missing++
		}
	}
	if missing > 100 || lost > 100 {
		t.Errorf("%d of %d are not found, %d evicted, with half of the room free", missing, len(all), lost)
	}
	if n := size(); n > 53<<15 {
		t.Errorf("%d bytes", n)
	}
	checkMap(t, m)
}

// TestS26ChallengeJump: after a jump of time all challenges have ended, and new ones can be made.
func TestS26ChallengeJump(t *testing.T) {
	m := NewMap(Config{Seed: 1, MaxChallenges: 64})
	var ch Challenge
	for _, now := range []time.Duration{0, 2 * second, time.Hour, 1000 * time.Hour} {
		if n := m.Stats().Challenges; n > 64 {
			t.Errorf("%v: %d challenges", now, n)
		}
		evicted := m.Stats().ChallengesEvicted
		for i := range 20 {
			key := testKey(i)
			if challenged(m, now, &key, m.Hash(&key)) {
				t.Fatalf("%v: still challenged", now)
			}
			challenge(m, now, &key, m.Hash(&key), &codec.Nonce{1}, 0, &ch)
		}
		if n := m.Stats().ChallengesEvicted - evicted; n > 2 {
			t.Errorf("%v: %d challenges evicted from an empty table", now, n)
		}
	}
}

// TestChallengesDiffer: no two challenges are equal.
func TestChallengesDiffer(t *testing.T) {
	a, b := NewMap(Config{Seed: 1}), NewMap(Config{Seed: 2})
	ids, ivs := make(map[[16]byte]bool), make(map[[16]byte]bool)
	var ch Challenge
	for i := range 5000 {
		for _, m := range []*Map{a, b} {
			key := testKey(i)
			challenge(m, 0, &key, m.Hash(&key), &codec.Nonce{1}, 0, &ch)
			ids[ch.IDNonce], ivs[ch.IV] = true, true
		}
	}
	if len(ids) != 10000 || len(ivs) != 10000 {
		t.Errorf("%d ID nonces, %d IVs", len(ids), len(ivs))
	}
}
