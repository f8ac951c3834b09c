package topic

import (
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Several goroutines use one registrar, each with a Request and a Random of its own.
func TestConcurrentUse(t *testing.T) {
	r := mustRegistrar(t, Config{Capacity: 100, WaitScale: 0.01})
	var all sync.WaitGroup
	for g := range 4 {
		q := request(Topic{byte(g % 2)}, signed(t, g, 1, "9.1.2.3"))
		rnd := mustRandom(t, uint64(g))
		all.Go(func() {
			var kept []byte
			dst := make([]Ad, 0, MaxSample)
			for i := range 500 {
				now := time.Duration(i) * 20 * time.Second // keys change meanwhile, and ads expire
				q.Ticket = kept
				v := r.Register(now, q)
				if !v.Result.Answered() {
					t.Errorf("%v", v.Result)
				}
				kept = append(kept[:0], v.Ticket...)
				dst = r.Sample(now, &Query{Topic: q.Topic, Source: netip.MustParseAddr("8.8.8.8")}, rnd, 0, dst[:0])
				switch i % 50 {
				case 0:
					r.Expire(now)
				case 1:
					r.Next()
					r.Topics(now, 3)
				case 2:
					r.Remove(func(a *Ad) bool { return a.ID == q.ID })
				case 3:
					r.Stats()
				}
			}
		})
	}
	all.Wait()
	checkCache(t, &r.cache)
}
