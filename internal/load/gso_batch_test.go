package load

import (
	"net/netip"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/monotime"
)

// Responses that come in GRO batches are counted one by one, and the batches separately.
func TestResponsesInGROBatches(t *testing.T) {
	t.Parallel()
	_, to := node(t, "127.0.0.1:0", nil)
	for _, by := range transports {
		g := generate(t, Config{
			Target: to, Mix: Only(Ping), Identities: 5, Sockets: 1, Window: 64, Timeout: enough, DisableGSO: by.noGSO, Portable: by.portable,
		})
		prepare(t, g)
		r := load(t, g, Plan{For: patience, Requests: 640})
		whole(t, r)
		i, tr := g.Info(), r.Traffic
		if i.GRO != (i.GROReason == "") || by.noGSO && i.GROReason != "disabled" {
			t.Errorf("%s: info %+v", by.name, i)
		}
		if r.Total.Answered != 640 || tr.RxDatagrams != 640 {
			t.Errorf("%s: %d of 640 answered, %d datagrams", by.name, r.Total.Answered, tr.RxDatagrams)
		}
		if !i.GRO && tr.RxGRO > 0 || i.GRO && i.GSO && tr.RxGRO == 0 {
			t.Errorf("%s: %d GRO batches arrived, info %+v", by.name, tr.RxGRO, i)
		}
	}
}

// GRO batches do not delay the requests that are due.
func TestGROBatchesDelayNothing(t *testing.T) {
	t.Parallel()
	_, to := newFake(t, "127.0.0.1:0", usual)
	g := generate(t, Config{Target: to, Mix: Only(Junk), Sockets: 1, Rate: MaxRate, Timeout: enough})
	from, err := fastpath.Listen(fastpath.Config{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if i := from.Info(); !i.GSO || !g.Info().GRO {
		t.Skipf("probed for GSO and GRO: %s %s", i.GSOReason, g.Info().GROReason)
	}
	w := g.workers[0]
	if err := w.reset(&run{cfg: &g.cfg, plan: Plan{For: time.Hour, Every: time.Hour}, stop: new(atomic.Bool)}); err != nil {
		t.Fatal(err)
	}
	w.begin(monotime.NewClock())
	const batches, each = 3, 60
	tx := fastpath.NewTx(each, codec.MinPacketSize)
	for range batches {
		for range each {
			tx.Commit(codec.MinPacketSize, w.socks[0].group.Addr())
		}
		if err := from.Conns()[0].WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
	}
	for got := 0; got < batches*each; {
		sock, rx, err := w.mux.Next(patience)
		if err != nil || rx == nil {
			t.Fatalf("%d of %d arrived: %v", got, batches*each, err)
		}
		sent := w.stats.counts[Junk].Sent
		if err := w.receive(int32(sock), rx); err != nil {
			t.Fatal(err)
		}
		if sent = w.stats.counts[Junk].Sent - sent; sent == 0 && rx.Len() > receiveBatch {
			t.Errorf("nothing left while %d datagrams were taken", rx.Len())
		}
		got += rx.Len()
	}
	if w.stats.events.Foreign != batches*each {
		t.Errorf("%d datagrams from elsewhere, want %d", w.stats.events.Foreign, batches*each)
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
