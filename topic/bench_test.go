package topic

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// crowd fills a registrar with n ads of 300 topics.
func crowd(t testing.TB, r *Registrar, n int) {
	t.Helper()
	crowdOf(t, r, n, 300)
}

// crowdOf fills a registrar with n ads of so many topics. Only the first records are signed: the
// others are under made-up IDs, which force does not check.
func crowdOf(t testing.TB, r *Registrar, n, topics int) {
	t.Helper()
	rnd := rand.New(seeded(11))
	record := signed(t, 0, 1, "8.8.8.8")
	q := &Request{Record: record}
	for i := range n {
		for j := range q.ID {
			q.ID[j] = byte(rnd.Uint32())
		}
		q.Topic = Topic{byte(i % topics), byte(i % topics >> 8), 1, byte(i % topics >> 16)}
		q.Source = netip.AddrPortFrom(publicAddr(rnd), 1)
		force(r, time.Duration(i), q)
	}
}

// publicAddr returns a random public IPv4 address.
func publicAddr(rnd *rand.Rand) netip.Addr {
	for {
		v := rnd.Uint32()
		a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		if isPublic(a) {
			return a
		}
	}
}

// sizes are cache capacities with the ads in them.
var sizes = []int{1000, 100_000}

func BenchmarkScore(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := mustRegistrar(b, Config{Capacity: n})
			crowd(b, r, n)
			rnd := rand.New(seeded(12))
			keys := make([]ipKey, 1024)
			for i := range keys {
				keys[i] = keyOf(publicAddr(rnd))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				r.cache.tree.score(keys[i%len(keys)])
			}
		})
	}
}

// The waiting time of an address whose score is known: what is left when the tree has been walked.
func BenchmarkWaitingTime(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := mustRegistrar(b, Config{Capacity: n})
			crowd(b, r, n-1)
			topic := Topic{1, 0, 1}
			rnd := rand.New(seeded(12))
			keys := make([]ipKey, 1024)
			for i := range keys {
				keys[i] = keyOf(publicAddr(rnd))
			}
			m := match{points: 5, levels: levels4, depth: 12}
			p := pressure{n - 1, 3, m.points, m.levels}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				group, c := r.cache.findTopic(&topic), r.formula.of(p)
				bound := r.lowerBounds(0, group, keys[i%len(keys)], netaddr.Global, m)
				r.raise(0, group, c, &bound)
			}
		})
	}
}

func BenchmarkRegister(b *testing.B) {
	for _, n := range sizes {
		r := mustRegistrar(b, Config{Capacity: n})
		crowd(b, r, n/3)
		rnd := rand.New(seeded(13))
		requests := make([]*Request, 64)
		for i := range requests {
			requests[i] = request(Of("x"), signedAt(b, i+1, 1, publicAddr(rnd)))
		}
		b.Run(fmt.Sprintf("first/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				requests[i%64].Ticket = nil
				r.Register(time.Second, requests[i%64])
			}
		})
		b.Run(fmt.Sprintf("ticket/%d", n), func(b *testing.B) {
			tickets := make([][TicketSize]byte, 64)
			for i, q := range requests {
				q.Ticket = nil
				tickets[i] = [TicketSize]byte(r.Register(time.Second, q).Ticket)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				requests[i%64].Ticket = tickets[i%64][:]
				r.Register(time.Second, requests[i%64])
			}
		})
	}
	b.Run("admitted", func(b *testing.B) {
		r := mustRegistrar(b, Config{Slack: DefaultLifetime, WaitScale: 1e-9})
		rnd := rand.New(seeded(14))
		requests := make([]*Request, 64)
		for i := range requests {
			requests[i] = request(Of("x"), signedAt(b, i+1, 1, publicAddr(rnd)))
		}
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			now := time.Duration(i) * (DefaultLifetime / 60)
			if v := r.Register(now, requests[i%64]); v.Result != Admitted {
				b.Fatal(v.Result)
			}
		}
	})
}

func BenchmarkSample(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := mustRegistrar(b, Config{Capacity: n})
			crowd(b, r, n)
			q := &Query{Topic: Topic{1, 0, 1}, Source: netip.MustParseAddr("9.9.9.9")}
			rnd := mustRandom(b, 1)
			dst := make([]Ad, 0, MaxSample)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if len(r.Sample(0, q, rnd, 0, dst)) == 0 {
					b.Fatal("no ads")
				}
			}
		})
	}
}

// BenchmarkMemory reports what a full cache takes for each ad of its capacity.
func BenchmarkMemory(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				b.ReportMetric(float64(heapOf(b, n, 300))/float64(n), "B/ad")
			}
		})
	}
}

// heapOf returns how much memory a registrar with n ads takes, bounds included.
func heapOf(t testing.TB, n, topics int) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := mustRegistrar(t, Config{Capacity: n})
	crowdOf(t, r, n, topics)
	r.bounds.put(0, 1, 1)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(r)
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc)
}

// A full cache takes at most 500 bytes for each ad, with as many topics as a network has. A topic
// takes 56 bytes and its part of the index more: if each ad has one of its own, the whole cache
// keeps its budget nevertheless.
func TestMemoryBudget(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it takes memory of its own")
	}
	for _, v := range []struct {
		ads, topics int
		most        uint64
	}{{1000, 300, 500 * 1000}, {1000, 1000, 600_000}, {100_000, 300, 50_000_000}, {100_000, 100_000, 60_000_000}} {
		t.Run(fmt.Sprintf("%d ads of %d topics", v.ads, v.topics), func(t *testing.T) {
			list := make([]uint64, 3)
			for i := range list {
				list[i] = heapOf(t, v.ads, v.topics)
			}
			slices.Sort(list) // what else is on the heap comes and goes
			got := list[1]
			t.Logf("%d ads of %d topics take %d bytes", v.ads, v.topics, got)
			if got > v.most {
				t.Errorf("%d ads of %d topics take %d bytes, more than %d", v.ads, v.topics, got, v.most)
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it allocates")
	}
	rnd := rand.New(seeded(14))
	requests := make([]*Request, 200)
	for i := range requests {
		requests[i] = request(Topic{byte(i % 7)}, signedAt(t, i, 1, publicAddr(rnd)))
	}
	t.Run("first request and ticket", func(t *testing.T) {
		r := mustRegistrar(t, Config{})
		crowd(t, r, 300)
		i := 0
		var kept [TicketSize]byte
		if n := testing.AllocsPerRun(2000, func() {
			q := requests[i/2%len(requests)]
			q.Ticket = nil
			if i%2 == 1 {
				q.Ticket = kept[:]
			}
			v := r.Register(time.Duration(i)*time.Millisecond, q)
			if v.Result.Placed() {
				t.Fatal(v.Result)
			}
			copy(kept[:], v.Ticket)
			i++
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("admission and expiry", func(t *testing.T) {
		r := mustRegistrar(t, Config{Slack: DefaultLifetime, WaitScale: 1e-9})
		i := 0
		admit := func() {
			// More time passes than keys live, but not between two calls.
			if v := r.Register(time.Duration(i)*(DefaultLifetime/150), requests[i%len(requests)]); v.Result != Admitted {
				t.Fatal(v.Result)
			}
			i++
		}
		for range 300 {
			admit()
		}
		if n := testing.AllocsPerRun(1000, admit); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("sample", func(t *testing.T) {
		r := mustRegistrar(t, Config{})
		crowd(t, r, 300)
		q := &Query{Topic: Topic{1, 0, 1}, Source: netip.MustParseAddr("9.9.9.9")}
		rnd := mustRandom(t, 1)
		dst := make([]Ad, 0, MaxSample)
		if n := testing.AllocsPerRun(1000, func() { r.Sample(0, q, rnd, 0, dst) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
