package table

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// TestConcurrentUse runs readers of the packet path beside writers of the same few buckets. A
// snapshot must always be consistent.
func TestConcurrentUse(t *testing.T) {
	var events atomic.Int64
	tab := newTable(func(c *Config) {
		c.OnChange = func(Event) { events.Add(1) }
		c.TableLimits = Unlimited
	})
	var stop atomic.Bool
	var writers, readers sync.WaitGroup
	for w := range uint64(3) {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(w, 1))
			for i := range 1500 {
				now := time.Duration(i) * 100 * ms
				n := withSeq(node(256-r.IntN(3), r.Uint32N(64)), r.Uint64N(4))
				switch r.IntN(6) {
				case 0, 1:
					tab.Add(now, n)
				case 2, 3:
					tab.MarkLive(now, n.ID, n.Addr)
				case 4:
					tab.MarkFailed(now, n.ID)
				case 5:
					if r.IntN(4) == 0 {
						tab.Remove(now, n.ID)
					}
					tab.Due(now, nil, 4)
				}
			}
		})
	}
	for w := range uint64(2) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(w, 2))
			var dst []Node
			for !stop.Load() {
				snap := tab.Relay(256 - r.IntN(3))
				for i := range snap.Len() {
					rec, id := snap.Record(i), snap.ID(i)
					v, err := enr.ParseView(rec)
					ip, _ := v.IP4() // the one that node makes of the number of the ID
					if a := ip.As4(); err != nil || a[1] != id[31] || snap.Class(i) != Global {
						t.Error("record and ID do not belong together")
						return
					}
				}
				id := idAt(256-r.IntN(3), r.Uint32N(64))
				tab.Seq(id)
				tab.Get(id)
				dst = tab.Closest(id, 16, dst[:0])
				tab.BucketInfo(256)
				for range tab.All() {
					break
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	checkInvariants(t, tab)
	if events.Load() == 0 {
		t.Error("no events")
	}
}
