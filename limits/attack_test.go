package limits

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// v6 makes an address of two words.
func v6(hi, lo uint64) netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], hi)
	binary.BigEndian.PutUint64(a[8:], lo)
	return netip.AddrFrom16(a)
}

// holds reports whether a limiter has an entry of its own for addr at its narrowest level, and
// whether it is not idle.
func holds(l *Limiter, now time.Duration, addr netip.Addr) (found, busy bool) {
	p, is4 := pointOf(addr)
	levels := l.levels[family(is4)]
	lv := &levels[len(levels)-1]
	at := place{key: p.and(lv.mask)}
	at.set = lv.find(at.key)
	at.look(int64(now))
	return at.kind == own, at.kind == own && at.tat > int64(now)
}

// S08: a million sources inside one /48 are limited as one network, and an honest source in another
// one keeps its entry and loses no datagram.
func TestS08RotationInsideNetwork(t *testing.T) {
	l := New(Config{Seed: 4})
	honest := ip("2001:db8:beef::1")
	const n, length = 1_000_000 / scale, 5 * time.Second
	passed, sent, lost := 0, 0, 0
	for i := range n {
		now := length * time.Duration(i) / n
		// Another /64 each time, and another /56 most times.
		if ok, cause := l.Allow(now, v6(0x2001_0db8_bad0_0000|uint64(i)*40503&0xffff, uint64(i)*0x9e3779b97f4a7c15)); ok {
			passed++
		} else if cause == OverAddress || cause == Crowded {
			t.Fatalf("refused for %s", cause)
		}
		if i%(n/400) == 0 { // 80 a second
			sent++
			if ok, _ := l.Allow(now, honest); !ok {
				lost++
			}
			if found, _ := holds(l, now, honest); !found {
				t.Fatalf("the honest source has lost its entry after %d datagrams of the flood", i)
			}
		}
	}
	r := Unverified().Network
	if most := r.Burst + r.PerSecond*int(length/time.Second); passed > most || passed < most-r.Burst {
		t.Errorf("%d of the flood passed, want about %d", passed, most)
	}
	if lost > 0 {
		t.Errorf("the honest source lost %d of %d", lost, sent)
	}
}

// S08: however an attacker rotates inside a prefix that one subscriber gets, it has the rate of
// that prefix and not one for each address.
func TestS08RotationInsidePrefix(t *testing.T) {
	const length = 10 * time.Second
	for _, c := range []struct {
		name   string
		source func(i uint64) netip.Addr
		rate   Rate
		cause  Cause
	}{
		{"/64", func(i uint64) netip.Addr { return v6(0x2001_0db8_bad0_0001, i*0x9e3779b97f4a7c15) }, Unverified().Prefix64, Over64},
		{"/56", func(i uint64) netip.Addr { return v6(0x2001_0db8_bad0_0000|i*57&0xff, i*0x9e3779b97f4a7c15) }, Unverified().Prefix56, Over56},
		{"/48", func(i uint64) netip.Addr { return v6(0x2001_0db8_bad0_0000|i*40503&0xffff, i) }, Unverified().Network, OverNetwork},
	} {
		l := New(Config{Seed: 9})
		const n = 50_000
		passed := 0
		for i := range uint64(n) {
			ok, cause := l.Allow(length*time.Duration(i)/n, c.source(i))
			if ok {
				passed++
			} else if cause != c.cause {
				t.Fatalf("%s: refused for %s", c.name, cause)
			}
		}
		if most := c.rate.Burst + c.rate.PerSecond*int(length/time.Second); passed > most || passed < most-c.rate.Burst {
			t.Errorf("%s: %d passed, want about %d", c.name, passed, most)
		}
	}
}

// S08, S17: sources from everywhere, 300,000 datagrams a second, each from another /48. A table of
// the default size is not crowded by that: a source that is within its limit loses nothing. A tiny
// one is, and still does not forget a busy source, which would refill its bucket.
func TestS08RotationEverywhere(t *testing.T) {
	l, tiny, alone := New(Config{Seed: 5}), New(Config{Seed: 5, Sets: 8}), New(Config{Seed: 6})
	honest, greedy := ip("203.0.113.9"), ip("198.51.100.1")
	count(tiny, 0, greedy, 200)
	count(alone, 0, greedy, 200)
	const n, length = 300_000 / scale, time.Second / scale
	passed, sent, crowded, lost := 0, 0, 0, 0
	for i := range n {
		now := length * time.Duration(i) / n
		source := v6(uint64(i)*0x9e3779b97f4a7c15, uint64(i))
		l.Allow(now, source)
		if _, cause := tiny.Allow(now, source); cause == Crowded {
			crowded++
		}
		if i%1000 == 0 { // 300 a second: more than is allowed
			ok, cause := tiny.Allow(now, greedy)
			want, _ := alone.Allow(now, greedy)
			if ok != want {
				t.Fatalf("greedy source after %d datagrams: %v (%s), without a flood %v", i, ok, cause, want)
			}
			if ok {
				passed++
			}
			sent++
		}
		if i%5000 == 0 { // 60 a second
			if ok, _ := l.Allow(now, honest); !ok {
				lost++
			}
		}
	}
	if passed == 0 || passed == sent || crowded < n/2 {
		t.Errorf("greedy source: %d of %d passed, %d of %d were crowded out: this tests nothing", passed, sent, crowded, n)
	}
	if lost > 0 {
		t.Errorf("the honest source lost %d", lost)
	}
}

// A table that is crowded evicts nobody who is busy: newcomers share.
func TestCrowded(t *testing.T) {
	l := New(Config{Sets: 1, Seed: 7, Rates: Rates{Address: Rate{1, 5}}})
	source := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}) }
	for i := range ways {
		if n := count(l, 0, source(i), 10); n != 5 {
			t.Fatalf("source %d may send %d", i, n)
		}
	}
	passed := 0
	for i := ways; i < 1000; i++ {
		ok, cause := l.Allow(0, source(i))
		if ok {
			passed++
		} else if cause != Crowded {
			t.Fatalf("a newcomer is refused for %s", cause)
		}
	}
	if passed != 5 {
		t.Errorf("%d newcomers passed, want 5: their shared bucket", passed)
	}
	for i := range ways {
		if found, busy := holds(l, 0, source(i)); !found || !busy {
			t.Errorf("source %d: has an entry %v, busy %v", i, found, busy)
		}
		if n := count(l, time.Second, source(i), 10); n != 1 {
			t.Errorf("source %d may send %d after a second", i, n)
		}
	}
	// Once the entries are idle newcomers get one each.
	if n := count(l, time.Minute, source(5000), 10); n != 5 {
		t.Errorf("a newcomer may send %d when there is room again", n)
	}
}

// budgets is how the two budgets are used: a datagram that opens is charged to the verified one,
// any other to the unverified one.
type budgets struct{ unverified, verified *Limiter }

func (b *budgets) datagram(now time.Duration, from netip.Addr, opens bool) bool {
	l := b.unverified
	if opens {
		l = b.verified
	}
	ok, _ := l.Allow(now, from)
	return ok
}

// S07: a flood in the name of a peer stops what strangers send from its address. The peer's session
// passes.
func TestS07FloodInVictimsName(t *testing.T) {
	b := budgets{New(Config{Rates: Unverified(), Seed: 8}), New(Config{Rates: Verified(), Seed: 9})}
	for _, victim := range []netip.Addr{ip("203.0.113.50"), ip("2001:db8:5::50")} {
		const n, length = 500_000 / scale, 5 * time.Second
		spoofed, lost := 0, 0
		for i := range n {
			now := length * time.Duration(i) / n
			if b.datagram(now, victim, false) {
				spoofed++
			}
			if i%(n/2000) == 0 && !b.datagram(now, victim, true) { // 400 requests a second
				lost++
			}
		}
		r := Unverified().Address
		if most := r.Burst + r.PerSecond*int(length/time.Second); spoofed > most {
			t.Errorf("%s: %d of the flood passed, want at most %d", victim, spoofed, most)
		}
		if lost > 0 {
			t.Errorf("%s: its session lost %d requests", victim, lost)
		}
		// Nothing is remembered against the victim.
		if n := count(b.unverified, 2*length, victim, 1000); n != r.Burst {
			t.Errorf("%s: may send %d after the flood, want %d", victim, n, r.Burst)
		}
	}
}

// Workers that share a limiter together allow no more than one would, whatever they send.
func TestRaceAllow(t *testing.T) {
	const workers, each = 8, 20000 / scale
	l := New(Config{Seed: 10, Sets: 2, Rates: Rates{Address: Rate{1, 1000}, Network: Rate{1, 2500}}})
	var passed [4]atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				a := (i + w) % 4
				if ok, _ := l.Allow(time.Duration(i), netip.AddrFrom4([4]byte{198, 51, 100, byte(a)})); ok {
					passed[a].Add(1)
				}
				// Others come and go in the same sets.
				l.Allow(time.Duration(i), v6(uint64(w*each+i)<<16, 1))
			}
		})
	}
	wg.Wait()
	total := int64(0)
	for a := range passed {
		n := passed[a].Load()
		total += n
		// A burst more where two workers met a newcomer at once.
		if n > 1000*workers {
			t.Errorf("source %d: %d passed", a, n)
		}
	}
	if total < 2500 || total > 2500*workers {
		t.Errorf("%d passed in all", total)
	}
}

// One source that has its entry: its limit is exact, however many workers charge it.
func TestRaceExact(t *testing.T) {
	const workers, most = 8, 500_000 / scale
	l := New(Config{Seed: 11, Rates: Rates{Address: Rate{1, most}}})
	a := ip("203.0.113.77")
	l.Allow(0, a)
	var passed atomic.Int64
	passed.Add(1)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { passed.Add(int64(count(l, 0, a, most/2))) })
	}
	wg.Wait()
	if n := passed.Load(); n != most {
		t.Errorf("%d passed, want %d", n, most)
	}
}
