package limiter

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/limits"
)

// v6 returns the IPv6 address with the given words.
func v6(hi, lo uint64) netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], hi)
	binary.BigEndian.PutUint64(a[8:], lo)
	return netip.AddrFrom16(a)
}

// holds reports whether the limiter has an entry for addr at its narrowest level, and whether the
// entry is busy.
func holds(l *Limiter, now time.Duration, addr netip.Addr) (found, busy bool) {
	p, family := netaddr.Uint128Of(addr)
	levels := l.levels[family]
	lv := &levels[len(levels)-1]
	at := slot{key: p.And(lv.mask)}
	at.set = lv.find(at.key)
	at.look(int64(now))
	return at.kind == own, at.kind == own && at.tat > int64(now)
}

// S08: a million sources inside one /48 share the limit of one network, while an honest source in
// another network keeps its entry and loses no datagram.
func TestS08RotationInsideNetwork(t *testing.T) {
	l := New(Config{Seed: 4})
	honest := ip("2001:db8:beef::1")
	const n, length = 1_000_000 / scale, 5 * time.Second
	passed, sent, lost := 0, 0, 0
	for i := range n {
		now := length * time.Duration(i) / n
		// The /64 changes each time, and the /56 nearly each time.
		if c := l.charge(now, v6(0x2001_0db8_bad0_0000|uint64(i)*40503&0xffff, uint64(i)*0x9e3779b97f4a7c15)); c == allowed {
			passed++
		} else if c == overAddress || c == crowded {
			t.Fatalf("refused: %s", c)
		}
		if i%(n/400) == 0 { // 80 a second
			sent++
			if !l.Allow(now, honest) {
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

// S08: rotation inside a subscriber's prefix yields the rate of that prefix, not one rate per
// address.
func TestS08RotationInsidePrefix(t *testing.T) {
	const length = 10 * time.Second
	for _, c := range []struct {
		name   string
		source func(i uint64) netip.Addr
		rate   limits.Rate
		cause  cause
	}{
		{"/64", func(i uint64) netip.Addr { return v6(0x2001_0db8_bad0_0001, i*0x9e3779b97f4a7c15) }, Unverified().Prefix64, over64},
		{"/56", func(i uint64) netip.Addr { return v6(0x2001_0db8_bad0_0000|i*57&0xff, i*0x9e3779b97f4a7c15) }, Unverified().Prefix56, over56},
		{"/48", func(i uint64) netip.Addr { return v6(0x2001_0db8_bad0_0000|i*40503&0xffff, i) }, Unverified().Network, overNetwork},
	} {
		l := New(Config{Seed: 9})
		const n = 50_000
		passed := 0
		for i := range uint64(n) {
			got := l.charge(length*time.Duration(i)/n, c.source(i))
			if got == allowed {
				passed++
			} else if got != c.cause {
				t.Fatalf("%s: refused: %s", c.name, got)
			}
		}
		if most := c.rate.Burst + c.rate.PerSecond*int(length/time.Second); passed > most || passed < most-c.rate.Burst {
			t.Errorf("%s: %d passed, want about %d", c.name, passed, most)
		}
	}
}

// S08, S17: 300,000 datagrams a second arrive, each from another /48. They do not fill a table of
// the default size, where a source within its limit loses nothing. They fill a tiny table, which
// still keeps the entries of busy sources. Evicting one would refill its bucket.
func TestS08RotationEverywhere(t *testing.T) {
	l, tiny, alone := New(Config{Seed: 5}), New(Config{Seed: 5, Sets: 8}), New(Config{Seed: 6})
	honest, busy := ip("203.0.113.9"), ip("198.51.100.1")
	count(tiny, 0, busy, 200)
	count(alone, 0, busy, 200)
	const n, length = 300_000 / scale, time.Second / scale
	passed, sent, refused, lost := 0, 0, 0, 0
	for i := range n {
		now := length * time.Duration(i) / n
		source := v6(uint64(i)*0x9e3779b97f4a7c15, uint64(i))
		l.Allow(now, source)
		if tiny.charge(now, source) == crowded {
			refused++
		}
		if i%1000 == 0 { // 300 a second, more than the limit
			got, want := tiny.charge(now, busy), alone.Allow(now, busy)
			if (got == allowed) != want {
				t.Fatalf("busy source after %d datagrams: %s, without a flood %v", i, got, want)
			}
			if got == allowed {
				passed++
			}
			sent++
		}
		if i%5000 == 0 { // 60 a second
			if !l.Allow(now, honest) {
				lost++
			}
		}
	}
	if passed == 0 || passed == sent || refused < n/2 {
		t.Errorf("busy source: %d of %d passed, %d of %d new sources refused: this tests nothing", passed, sent, refused, n)
	}
	if lost > 0 {
		t.Errorf("the honest source lost %d", lost)
	}
}

// TestCrowded: a full table evicts no busy source, and new sources share a bucket.
func TestCrowded(t *testing.T) {
	l := New(Config{Sets: 1, Seed: 7, Rates: limits.Rates{Address: rate(1, 5)}})
	source := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}) }
	for i := range ways {
		if n := count(l, 0, source(i), 10); n != 5 {
			t.Fatalf("source %d may send %d", i, n)
		}
	}
	passed := 0
	for i := ways; i < 1000; i++ {
		c := l.charge(0, source(i))
		if c == allowed {
			passed++
		} else if c != crowded {
			t.Fatalf("a new source is refused: %s", c)
		}
	}
	if passed != 5 {
		t.Errorf("%d new sources passed, want 5: their shared bucket", passed)
	}
	for i := range ways {
		if found, busy := holds(l, 0, source(i)); !found || !busy {
			t.Errorf("source %d: has an entry %v, busy %v", i, found, busy)
		}
		if n := count(l, time.Second, source(i), 10); n != 1 {
			t.Errorf("source %d may send %d after a second", i, n)
		}
	}
	// Once the entries are idle, each new source gets one.
	if n := count(l, time.Minute, source(5000), 10); n != 5 {
		t.Errorf("a new source may send %d after the entries are idle", n)
	}
}

// budgets charges a datagram that decrypts to the verified limiter, and any other to the unverified
// one.
type budgets struct{ unverified, verified *Limiter }

func (b *budgets) datagram(now time.Duration, from netip.Addr, opens bool) bool {
	l := b.unverified
	if opens {
		l = b.verified
	}
	return l.Allow(now, from)
}

// S07: a flood with a peer's address stops unverified packets from that address, but not the peer's
// session.
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
		// The flood has no later effect on the victim.
		if n := count(b.unverified, 2*length, victim, 1000); n != r.Burst {
			t.Errorf("%s: may send %d after the flood, want %d", victim, n, r.Burst)
		}
	}
}

// TestRaceAllow: goroutines that share a limiter get no more than the limit together.
func TestRaceAllow(t *testing.T) {
	const workers, each = 8, 20000 / scale
	l := New(Config{Seed: 10, Sets: 2, Rates: limits.Rates{Address: rate(1, 1000), Network: rate(1, 2500)}})
	var passed [4]atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				a := (i + w) % 4
				if l.Allow(time.Duration(i), netip.AddrFrom4([4]byte{198, 51, 100, byte(a)})) {
					passed[a].Add(1)
				}
				// Other sources come and go in the same sets.
				l.Allow(time.Duration(i), v6(uint64(w*each+i)<<16, 1))
			}
		})
	}
	wg.Wait()
	total := int64(0)
	for a := range passed {
		n := passed[a].Load()
		total += n
		// Two goroutines that see a new source at the same time may grant it one more burst.
		if n > 1000*workers {
			t.Errorf("source %d: %d passed", a, n)
		}
	}
	if total < 2500 || total > 2500*workers {
		t.Errorf("%d passed in all", total)
	}
}

// TestRaceExact: the limit of a source with an entry is exact, however many goroutines charge it.
func TestRaceExact(t *testing.T) {
	const workers, most = 8, 500_000 / scale
	l := New(Config{Seed: 11, Rates: limits.Rates{Address: rate(1, most)}})
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
