package fleet

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// memory is a store with one entry, as servers keep it.
type memory struct {
	mu       sync.Mutex
	value    []byte
	revision uint64
}

func (m *memory) set(value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if revision != m.revision {
		return 0, errConflict
	}
	m.value, m.revision = value, m.revision+1
	return m.revision, nil
}

func (m *memory) read() ([]byte, uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.value, m.revision
}

// link is a member's way to the store. Requests take time, and may be lost, applied without a
// response, or applied long after their caller has given up.
type link struct {
	store *memory
	slows atomic.Int64

	mu    sync.Mutex
	fault func() (before, after time.Duration, lost bool)
}

func (k *link) slow() { k.slows.Add(1) }

// set changes how the link works.
func (k *link) set(fault func() (before, after time.Duration, lost bool)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fault = fault
}

func (k *link) get(ctx context.Context) (b []byte, revision uint64, err error) {
	before, after, lost := k.faults()
	if err := sleep(ctx, before); err != nil || lost {
		return nil, 0, errors.Join(err, sleep(ctx, time.Hour))
	}
	b, revision = k.store.read()
	return bytes.Clone(b), revision, sleep(ctx, after)
}

func (k *link) put(ctx context.Context, b []byte, revision uint64) (uint64, error) {
	before, after, lost := k.faults()
	if lost {
		return 0, sleep(ctx, time.Hour)
	}
	type response struct {
		revision uint64
		err      error
	}
	applied := make(chan response, 1)
	go func() {
		time.Sleep(before) // the request arrives, whether somebody waits or not
		next, err := k.store.set(bytes.Clone(b), revision)
		time.Sleep(after)
		applied <- response{next, err}
	}()
	select {
	case r := <-applied:
		return r.revision, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (k *link) faults() (before, after time.Duration, lost bool) {
	k.mu.Lock()
	fault := k.fault
	k.mu.Unlock()
	if fault == nil {
		return time.Millisecond, time.Millisecond, false
	}
	return fault()
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newKey(t testing.TB) *enr.PrivateKey {
	t.Helper()
	key, err := enr.GenerateKey(crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, key *enr.PrivateKey, seq uint64) *enr.Record {
	t.Helper()
	r, err := enr.NewBuilder().SetSeq(seq).SetBytes("ip", []byte{127, 0, 0, 1}).SetUint("udp", 9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestLeaseIsExclusive: of members with clocks that differ in time and rate, behind links that
// lose, delay and repeat at random, one at most is valid at any moment, and the sequence number in
// the store never falls.
func TestLeaseIsExclusive(t *testing.T) {
	key := newKey(t)
	runs := 24
	if testing.Short() {
		runs = 6
	}
	var taken uint64
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { taken += exclusive(t, key, seed) })
		})
	}
	if taken < uint64(2*runs) {
		t.Errorf("only %d tenures in %d runs: too few to judge", taken, runs)
	}
}

func exclusive(t *testing.T, key *enr.PrivateKey, seed uint64) (taken uint64) {
	rnd := rand.New(rand.NewPCG(seed, 15))
	store := &memory{}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	start := time.Now()
	var members sync.WaitGroup
	leases := make([]*Lease, 3)
	tenures := make([]*Tenure, len(leases))
	var mu sync.Mutex // of rnd and tenures
	for i := range leases {
		mu.Lock()
		rate, offset := 0.96+0.08*rnd.Float64(), time.Duration(rnd.Int64N(int64(1000*time.Hour)))
		mu.Unlock()
		clock := func() time.Duration { return offset + time.Duration(rate*float64(time.Since(start))) }
		cut := time.Duration(0) // until then the link is down
		fault := func() (time.Duration, time.Duration, bool) {
			mu.Lock()
			defer mu.Unlock()
			now := time.Since(start)
			if now < cut {
				// A put may also arrive when the link is up again.
				return cut - now + time.Duration(rnd.Int64N(int64(time.Second))), 0, rnd.IntN(2) == 0
			}
			if rnd.IntN(40) == 0 {
				cut = now + time.Duration(rnd.Int64N(int64(25*time.Second)))
			}
			return time.Duration(rnd.Int64N(int64(300 * time.Millisecond))), time.Duration(rnd.Int64N(int64(300 * time.Millisecond))), rnd.IntN(50) == 0
		}
		l, err := newLease(&link{store: store, fault: fault}, clock, LeaseConfig{Identity: "main", Member: fmt.Sprint("member", i), Key: key})
		if err != nil {
			t.Fatal(err)
		}
		leases[i] = l
		members.Go(func() {
			for ctx.Err() == nil {
				tenure, err := l.Acquire(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				tenures[i] = tenure
				graceful := rnd.IntN(3) == 0
				length := time.Duration(rnd.Int64N(int64(time.Minute)))
				mu.Unlock()
				seq := uint64(1)
				if tenure.Record != nil {
					seq = tenure.Record.Seq() + 1
				}
				_ = tenure.SaveRecord(ctx, sign(t, key, seq))
				select {
				case <-tenure.Done():
				case <-ctx.Done():
				case <-time.After(length):
					if !graceful {
						<-tenure.Done() // until somebody takes over, or for ever
					}
				}
				tenure.Release(context.Background())
			}
		})
	}
	last, at := uint64(0), uint64(0)
	for ctx.Err() == nil {
		time.Sleep(11 * time.Millisecond)
		mu.Lock()
		valid := 0
		for _, tenure := range tenures {
			if tenure != nil && tenure.Valid() {
				valid++
			}
		}
		mu.Unlock()
		if valid > 1 {
			t.Fatalf("%d members are active %v after the start", valid, time.Since(start))
		}
		b, revision := store.read()
		var v leaseValue
		if revision == at {
			continue
		}
		at = revision
		if _, err := decode(b, maxLeaseValue, &v); err != nil {
			t.Fatal(err)
		}
		if r := v.record(key.ID()); r != nil {
			if r.Seq() < last {
				t.Fatalf("the sequence number fell from %d to %d", last, r.Seq())
			}
			last = r.Seq()
		}
	}
	// Members that wait for a tenure to end see it end: another one can take over from them.
	for _, tenure := range tenures {
		if tenure != nil {
			go tenure.Release(context.Background())
		}
	}
	members.Wait()
	time.Sleep(2 * time.Minute) // for requests that still travel
	for _, l := range leases {
		taken += l.State().Taken
	}
	return taken
}

// pair is two members of an identity with good links.
func pair(t *testing.T, key *enr.PrivateKey) (store *memory, links [2]*link, leases [2]*Lease) {
	store = &memory{}
	start := time.Now()
	for i := range leases {
		links[i] = &link{store: store}
		l, err := newLease(links[i], func() time.Duration { return time.Since(start) }, LeaseConfig{
			Identity: "main", Member: fmt.Sprint("member", i), Key: key,
		})
		if err != nil {
			t.Fatal(err)
		}
		leases[i] = l
	}
	return store, links, leases
}

func acquire(t *testing.T, l *Lease) *Tenure {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tenure, err := l.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return tenure
}

// TestTakeover: a standby takes over within ten seconds of a failure, and not before the other one
// has stopped; after a release it does not wait.
func TestTakeover(t *testing.T) {
	down := func() (time.Duration, time.Duration, bool) { return 0, 0, true }
	synctest.Test(t, func(t *testing.T) {
		_, links, leases := pair(t, newKey(t))
		first := acquire(t, leases[0])
		if r := sign(t, first.Key, 7); first.SaveRecord(t.Context(), r) != nil {
			t.Fatal("the record was not saved")
		}
		got := make(chan *Tenure, 1)
		go func() { got <- acquire(t, leases[1]) }()
		time.Sleep(20 * time.Second)
		if !first.Valid() || leases[0].State().Role != Active || leases[1].State().Role != Standby || leases[1].State().Holder != "member0" {
			t.Fatalf("states %+v, %+v", leases[0].State(), leases[1].State())
		}
		links[0].set(down)
		failed := time.Now()
		second := <-got
		if took := time.Since(failed); took > 10*time.Second {
			t.Errorf("the takeover took %v", took)
		}
		if first.Valid() || !second.Valid() || leases[0].State().Role != Silenced {
			t.Errorf("valid: %v, %v; %+v", first.Valid(), second.Valid(), leases[0].State())
		}
		if second.Record == nil || second.Record.Seq() != 7 || second.RecordBy != "member0" {
			t.Errorf("record %v of %s", second.Record, second.RecordBy)
		}
		if links[0].slows.Load() == 0 {
			t.Error("nobody was told that the server does not answer")
		}
		links[0].set(nil)
		<-first.Done()
		if err := first.SaveRecord(t.Context(), sign(t, first.Key, 8)); !errors.Is(err, ErrLost) || first.Valid() {
			t.Errorf("a member that was replaced saves a record: %v", err)
		}
		if s := leases[0].State(); s.Role != Standby || s.Lost != 1 {
			t.Errorf("state %+v", s)
		}

		go func() { got <- acquire(t, leases[0]) }()
		time.Sleep(5 * time.Second)
		second.Release(t.Context())
		released := time.Now()
		third := <-got
		if took := time.Since(released); took > time.Second || second.Valid() || !third.Valid() {
			t.Errorf("after a release the takeover took %v", took)
		}
		third.Release(t.Context())
	})
}

// TestSilence: without the store the active member stops before the standby could take over, and
// answers once more if nobody did.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, links, leases := pair(t, newKey(t))
		tenure := acquire(t, leases[0])
		links[0].set(func() (time.Duration, time.Duration, bool) { return 0, 0, true })
		time.Sleep(DefaultLease - DefaultLease/10)
		if tenure.Valid() || leases[0].State().Role != Silenced {
			t.Error("the member answers for the whole lease")
		}
		time.Sleep(time.Minute)
		if err := tenure.SaveRecord(t.Context(), sign(t, tenure.Key, 1)); err == nil {
			t.Error("a record was saved without the store")
		}
		links[0].set(nil)
		time.Sleep(2 * DefaultLease / 7)
		if !tenure.Valid() {
			t.Errorf("the member stays silent: %+v", leases[0].State())
		}
		tenure.Release(t.Context())
	})
}

// TestSlowResponse: the time of a lease counts from before the request. A response that takes long
// makes it no longer.
func TestSlowResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, links, leases := pair(t, newKey(t))
		tenure := acquire(t, leases[0])
		const slow = DefaultLease/4 - 50*time.Millisecond
		links[0].set(func() (time.Duration, time.Duration, bool) { return 0, slow, false })
		_, old := store.read()
		revision := old
		for revision == old {
			time.Sleep(time.Millisecond)
			_, revision = store.read()
		}
		written := time.Now()
		time.Sleep(slow + time.Millisecond)
		links[0].set(func() (time.Duration, time.Duration, bool) { return 0, 0, true })
		for tenure.Valid() && time.Since(written) < time.Minute {
			if _, now := store.read(); now != revision { // a renewal that had begun
				revision, written = now, time.Now()
			}
			time.Sleep(time.Millisecond)
		}
		if valid := time.Since(written); valid > DefaultLease-DefaultLease/10 {
			t.Errorf("valid for %v after the write", valid)
		}
		time.Sleep(10 * time.Second) // for a renewal that was under way
		tenure.Release(t.Context())
	})
}

// TestSequence: the number in the store never falls back.
func TestSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t)
		_, _, leases := pair(t, key)
		tenure := acquire(t, leases[0])
		defer tenure.Release(t.Context())
		for _, test := range []struct {
			seq  uint64
			want error
		}{{5, nil}, {5, nil}, {6, nil}, {5, ErrSeq}, {1, ErrSeq}, {7, nil}} {
			if err := tenure.SaveRecord(t.Context(), sign(t, key, test.seq)); !errors.Is(err, test.want) {
				t.Errorf("number %d: %v, want %v", test.seq, err, test.want)
			}
		}
		other, err := enr.NewBuilder().SetSeq(7).SetUint("udp", 1).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := tenure.SaveRecord(t.Context(), other); !errors.Is(err, ErrSeq) {
			t.Errorf("another record with the same number: %v", err)
		}
		if err := tenure.SaveRecord(t.Context(), sign(t, newKey(t), 9)); !errors.Is(err, ErrIdentity) {
			t.Errorf("a record of another node: %v", err)
		}
	})
}

// TestStoredKey: a member without the key gets it from the store if it has the secret.
func TestStoredKey(t *testing.T) {
	key, secret := newKey(t), bytes.Repeat([]byte("s"), MinSecret)
	made := func() (*enr.PrivateKey, error) { return key, nil }
	another := func() (*enr.PrivateKey, error) { return newKey(t), nil }
	for _, test := range []struct {
		name          string
		first, second LeaseConfig
		want          error
	}{
		{"both have it", LeaseConfig{Key: key}, LeaseConfig{Key: key}, nil},
		{"from the store", LeaseConfig{Key: key, Secret: secret}, LeaseConfig{Secret: secret}, nil},
		{"made by the first", LeaseConfig{NewKey: made, Secret: secret}, LeaseConfig{NewKey: another, Secret: secret}, nil},
		{"another key", LeaseConfig{Key: key}, LeaseConfig{Key: newKey(t)}, ErrIdentity},
		{"another key beside the stored one", LeaseConfig{Key: key, Secret: secret}, LeaseConfig{Key: newKey(t), Secret: secret}, ErrIdentity},
		{"another secret", LeaseConfig{Key: key, Secret: secret}, LeaseConfig{Secret: bytes.Repeat([]byte("x"), MinSecret)}, ErrIdentity},
		{"no secret", LeaseConfig{Key: key, Secret: secret}, LeaseConfig{NewKey: another}, ErrIdentity},
		{"not in the store", LeaseConfig{Key: key}, LeaseConfig{Secret: secret}, ErrIdentity},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, start := &memory{}, time.Now()
				acquire := func(cfg LeaseConfig) (*Tenure, error) {
					cfg.Identity, cfg.Member = "main", "m"
					l, err := newLease(&link{store: store}, func() time.Duration { return time.Since(start) }, cfg)
					if err != nil {
						t.Fatal(err)
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					return l.Acquire(ctx)
				}
				first, err := acquire(test.first)
				if err != nil {
					t.Fatal(err)
				}
				first.Release(t.Context())
				second, err := acquire(test.second)
				if !errors.Is(err, test.want) {
					t.Fatalf("%v, want %v", err, test.want)
				}
				if err == nil && second.Key.ID() != key.ID() {
					t.Error("another key")
				}
				second.Release(t.Context())
				b, _ := store.read()
				if scalar := key.Bytes(); bytes.Contains(b, scalar[:]) || bytes.Contains(b, []byte(fmt.Sprintf("%x", scalar))) {
					t.Error("the store has the key in the clear")
				}
			})
		})
	}
}

// TestSealedKeyIsOfOneIdentity: the key of an identity in the store is no key of another one.
func TestSealedKeyIsOfOneIdentity(t *testing.T) {
	key, secret := newKey(t), bytes.Repeat([]byte("s"), MinSecret)
	sealed := seal(secret, "main", key)
	if opened, err := open(secret, "main", sealed); err != nil || opened.ID() != key.ID() {
		t.Fatalf("%v", err)
	}
	if _, err := open(secret, "other", sealed); !errors.Is(err, ErrIdentity) {
		t.Errorf("opened for another identity: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := open(secret, "main", changed); !errors.Is(err, ErrIdentity) {
			t.Errorf("opened after a change of byte %d: %v", i, err)
		}
	}
	if _, err := open(secret, "main", sealed[:len(sealed)-1]); !errors.Is(err, ErrIdentity) {
		t.Errorf("opened without its end: %v", err)
	}
}

// TestStrangeLeases: what a member does about an entry that it did not expect.
func TestStrangeLeases(t *testing.T) {
	key := newKey(t)
	for _, test := range []struct {
		name, value string
		key         *enr.PrivateKey
		taken       bool
		long        bool // waits as long as the longest lease lasts
	}{
		{"nothing", "", key, true, false},
		{"junk", "\x00\xff{", key, true, false},
		{"too large", string(make([]byte, maxLeaseValue+1)), key, true, false},
		{"junk, and no key", "junk", nil, false, false},
		{"a newer version", `{"v":2,"member":"new"}`, key, false, false},
		{"fields of a newer program", `{"v":1,"id":"` + key.ID().String() + `","more":[1]}`, key, true, false},
		{"a record of somebody else", `{"v":1,"enr":"` + sign(t, newKey(t), 1<<62).String() + `"}`, key, true, false},
		{"a lease for years", `{"v":1,"instance":"x","duration_ms":99999999999999}`, key, false, false},
		{"a lease for years, after a while", `{"v":1,"instance":"x","duration_ms":99999999999999}`, key, true, true},
		{"a negative time", `{"v":1,"instance":"x","duration_ms":-5}`, key, true, false},
		{"released, as far as this member knows", `{"v":1,"released":true}`, key, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, start := &memory{}, time.Now()
				if test.value != "" {
					store.value, store.revision = []byte(test.value), 41
				}
				l, err := newLease(&link{store: store}, func() time.Duration { return time.Since(start) }, LeaseConfig{Identity: "main", Member: "m", Key: test.key})
				if err != nil {
					t.Fatal(err)
				}
				patience := time.Minute
				if test.long {
					patience = 2 * maxLease
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				tenure, err := l.Acquire(ctx)
				if (err == nil) != test.taken {
					t.Fatalf("%v; state %+v", err, l.State())
				}
				if err != nil {
					return
				}
				if waited := time.Since(start); waited < DefaultLease {
					t.Errorf("taken after %v", waited)
				}
				if tenure.Record != nil {
					t.Errorf("record %v", tenure.Record)
				}
				tenure.Release(t.Context())
			})
		})
	}
}

// TestRevisionUsedTwice: a store that has lost data gives the revision that a standby has seen to
// another value. The standby waits for the whole time from then.
func TestRevisionUsedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, start := &memory{value: []byte(`{"v":1,"instance":"x","nonce":"1"}`), revision: 41}, time.Now()
		l, err := newLease(&link{store: store}, func() time.Duration { return time.Since(start) }, LeaseConfig{Identity: "main", Member: "m", Key: newKey(t)})
		if err != nil {
			t.Fatal(err)
		}
		const written = DefaultLease - time.Second
		time.AfterFunc(written, func() {
			store.mu.Lock()
			defer store.mu.Unlock()
			store.value = []byte(`{"v":1,"instance":"x","nonce":"2"}`)
		})
		tenure := acquire(t, l)
		if waited := time.Since(start); waited < written+DefaultLease {
			t.Errorf("taken %v after a write", waited-written)
		}
		tenure.Release(t.Context())
	})
}

// TestStoreLosesLease: the store loses the lease, or falls back to an older state, while a member
// is active. It continues, and no standby takes over.
func TestStoreLosesLease(t *testing.T) {
	for _, test := range []struct {
		name string
		harm func(*memory)
	}{
		{"deleted", func(m *memory) { m.value, m.revision = nil, 0 }},
		{"older", func(m *memory) { m.revision -= 3 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, _, leases := pair(t, newKey(t))
				tenure := acquire(t, leases[0])
				ctx, cancel := context.WithCancel(t.Context())
				stopped := make(chan struct{})
				go func() { leases[1].Acquire(ctx); close(stopped) }()
				for range 5 {
					time.Sleep(10500 * time.Millisecond)
					store.mu.Lock()
					test.harm(store)
					store.mu.Unlock()
				}
				time.Sleep(10 * time.Second)
				if !tenure.Valid() || leases[1].State().Taken != 0 {
					t.Errorf("states %+v, %+v", leases[0].State(), leases[1].State())
				}
				cancel()
				<-stopped
				tenure.Release(t.Context())
			})
		})
	}
}
