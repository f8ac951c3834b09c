package load

import (
	"net/netip"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
)

// Answers that come in trains are counted one by one, and the trains by themselves.
func TestAnswersInTrains(t *testing.T) {
	t.Parallel()
	_, to := node(t, "127.0.0.1:0", nil)
	for _, by := range transports {
		g := generate(t, Config{
			Target: to, Mix: Only(Ping), Identities: 5, Sockets: 1, Window: 64, Timeout: enough, DisableSegments: by.noSegments, DisableBatch: by.noBatch,
		})
		prepare(t, g)
		r := load(t, g, Plan{For: patience, Requests: 640})
		whole(t, r)
		i, tr := g.Info(), r.Traffic
		if i.Merge != (i.MergeReason == "") || by.noSegments && i.MergeReason != "disabled" {
			t.Errorf("%s: info %+v", by.name, i)
		}
		if r.Total.Answered != 640 || tr.RxDatagrams != 640 {
			t.Errorf("%s: %d of 640 answered, %d datagrams", by.name, r.Total.Answered, tr.RxDatagrams)
		}
		if !i.Merge && tr.RxTrains > 0 || i.Merge && i.Segments && tr.RxTrains == 0 {
			t.Errorf("%s: %d trains arrived, info %+v", by.name, tr.RxTrains, i)
		}
	}
}

// A long batch of trains does not hold up the requests that are due.
func TestTrainsHoldNothingUp(t *testing.T) {
	t.Parallel()
	_, to := newFake(t, "127.0.0.1:0", usual)
	g := generate(t, Config{Target: to, Mix: Only(Junk), Sockets: 1, Rate: MaxRate, Timeout: enough})
	from, err := fastpath.Listen(fastpath.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	s, why := fastpath.NewSegmenter(from.Conns()[0])
	if s == nil || !g.Info().Merge {
		t.Skipf("probed for trains: %s %s", why, g.Info().MergeReason)
	}
	l := g.lanes[0]
	l.begin(&run{cfg: &g.cfg, plan: Plan{For: time.Hour, Every: time.Hour}, clock: fastpath.NewClock(), stop: new(atomic.Bool)})
	const trains, each = 3, 60
	for range trains {
		if err := s.Send(make([]byte, each*codec.MinPacketSize), codec.MinPacketSize, l.socks[0].group.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < trains*each; {
		sock, rx, err := l.mux.Next(patience)
		if err != nil || rx == nil {
			t.Fatalf("%d of %d arrived: %v", got, trains*each, err)
		}
		sent := l.tally.counts[Junk].Sent
		if err := l.receive(int32(sock), rx); err != nil {
			t.Fatal(err)
		}
		if sent = l.tally.counts[Junk].Sent - sent; sent == 0 && rx.Len() > receiveBatch {
			t.Errorf("nothing left while %d datagrams were taken", rx.Len())
		}
		got += rx.Len()
	}
	if l.tally.events.Foreign != trains*each {
		t.Errorf("%d datagrams from elsewhere, want %d", l.tally.events.Foreign, trains*each)
	}
}

// A run has of each counter what was counted in it: none is left out of the difference.
func TestDifferenceOfAllCounters(t *testing.T) {
	var before fastpath.ConnStats
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Struct {
				fill(f)
			} else {
				f.SetUint(uint64(7 + i))
			}
		}
	}
	fill(reflect.ValueOf(&before).Elem())
	if d := difference(before, before); d != (fastpath.ConnStats{}) {
		t.Errorf("between two equal readings: %+v", d)
	}
}
