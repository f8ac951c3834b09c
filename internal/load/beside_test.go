package load

import (
	"context"
	"errors"
	"math"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
)

// Established sessions are served beside a flood of junk from many addresses, and each generator
// reports what is its own.
func TestBesideFlood(t *testing.T) {
	t.Parallel()
	n, to := node(t, "127.0.0.1:0", func(c *discv5.Config) { c.Sockets = 2 })
	steady := generate(t, Config{Target: to, Mix: Mix{Ping: 3, FindNode: 1}, Identities: 50, Rate: 500, Timeout: enough})
	prepare(t, steady)
	sources := LoopbackSources(50)
	if runtime.GOOS != "linux" {
		sources = nil
	}
	flood := generate(t, Config{Target: to, Mix: Only(Junk), Rate: 5000, Sources: sources, Sockets: 50, Timeout: time.Second})
	var wg sync.WaitGroup
	results := make([]*Result, 2)
	for i, g := range []*Generator{steady, flood} {
		wg.Add(1)
		go func() {
			defer wg.Done()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var err error
			if results[i], err = g.Run(ctx, Plan{For: 400 * time.Millisecond, Every: 200 * time.Millisecond}); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	whole(t, results[0])
	if got := results[0].Total.Sent; got != 200 {
		t.Errorf("%d steady requests, want 200", got)
	}
	// A machine that is too slow for the flood leaves some of it unsent, and says so.
	if r := results[1]; r.Total.Sent+r.Total.Unsent != 2000 || r.Total.Answered+r.Total.Lost != r.Total.Sent || r.Total.Sent == 0 || len(r.Kinds) != 1 || r.Events.Bad() > 0 {
		t.Errorf("flood: counted %+v, events %+v", r.Total, r.Events)
	}
	if got := n.Stats().Sessions.Sessions; got < 50 {
		t.Errorf("the node has %d sessions", got)
	}
}

// No nonce comes twice under a key, whatever is sealed ahead and thrown away, and each identity
// asks its share.
func TestNonces(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	type use struct {
		id    [32]byte
		nonce codec.Nonce
	}
	seen, asked := map[use]int{}, map[[32]byte]int{}
	f.seen = func(p *codec.Packet) { seen[use{p.SourceID, p.Nonce}]++ }
	f.answer = func(r *fakeRequest) { asked[r.id]++; usual(r) }
	f.serve()
	g := generate(t, Config{Target: to, Mix: Mix{Ping: 1, Talk: 1}, Identities: 6, Sockets: 2, Window: 12, Timeout: enough})
	prepare(t, g)
	for range 3 {
		whole(t, load(t, g, Plan{For: patience, Requests: 600}))
	}
	f.conn.Close()
	g.Close()
	for u, n := range seen {
		if n > 1 {
			t.Fatalf("nonce %x of %x came %d times", u.nonce, u.id[:4], n)
		}
	}
	if len(asked) != 6 || len(seen) != 1800+12 {
		t.Errorf("%d identities sent %d packets", len(asked), len(seen))
	}
	for id, n := range asked {
		if n < 250 || n > 350 {
			t.Errorf("identity %x asked %d times, want about 300", id[:4], n)
		}
	}
}

// An exchange takes nothing from the heap.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it allocates")
	}
	_, to := node(t, "127.0.0.1:0", nil)
	for _, mix := range []Mix{{Ping: 1}, {Ping: 1, FindNode: 1, Talk: 1, Junk: 1}} {
		g := generate(t, Config{Target: to, Mix: mix, Identities: 50, Window: 64, Timeout: enough})
		prepare(t, g)
		plan := Plan{For: patience, Requests: 1000}
		load(t, g, plan)
		plan.Requests = 20_000
		// The node does other work now and then, more of it while a slow machine takes its time.
		least := uint64(math.MaxUint64)
		for try := 0; try < 3 && least > 2000; try++ {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			whole(t, load(t, g, plan))
			runtime.ReadMemStats(&after)
			least = min(least, after.Mallocs-before.Mallocs)
		}
		if least > 2000 {
			t.Errorf("%v: %d objects for 20,000 exchanges, of the node and the generator", mix, least)
		}
	}
}

// An echo server of the same sizes is loaded like a node.
func TestEcho(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2000)
		for {
			_, from, err := f.conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			f.conn.WriteToUDPAddrPort(b[:70], from)
			f.conn.WriteToUDPAddrPort(b[:400], from)
		}
	}()
	for _, workers := range []int{1, 2} {
		g := generate(t, Config{Target: to, Mix: Only(FindNode), Identities: 20, Window: 20, Workers: workers, Echo: []int{70, 400}, Timeout: enough, Poll: workers == 2})
		if p := prepare(t, g); p.Sessions != 20 {
			t.Errorf("%d sessions", p.Sessions)
		}
		r := load(t, g, Plan{For: patience, Requests: 500})
		whole(t, r)
		if r.Traffic.RxDatagrams != 1000 || r.Traffic.RxBytes != 500*470 || r.Traffic.TxDatagrams != 500 {
			t.Errorf("traffic %+v", r.Traffic)
		}
	}
	f.conn.Close()
	<-done
}

// Points cover a run without gaps, also where intervals are merged for a long one.
func TestPoints(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 10, Rate: 1000, Workers: 2, Timeout: enough})
	prepare(t, g)
	var seen []Point
	r := load(t, g, Plan{For: 300 * time.Millisecond, Every: 50 * time.Millisecond, OnPoint: func(p Point) { seen = append(seen, p) }})
	whole(t, r)
	if n := len(r.Points); n < 6 || len(seen) > n {
		t.Fatalf("%d points, %d seen", n, len(seen))
	}
	var end time.Duration
	for i, p := range r.Points {
		if p.Start != end || p.Length <= 0 || p.Length > r.Every || p.P50 > p.P99 || p.P99 > p.Max+p.Max/100 {
			t.Errorf("point %d: %+v", i, p)
		}
		end = p.Start + p.Length
	}
	for _, c := range []struct{ plan, want Plan }{
		{Plan{For: time.Second}, Plan{Every: time.Second}},
		{Plan{For: time.Hour}, Plan{Every: time.Second}},
		{Plan{For: 90 * time.Minute}, Plan{Every: 2 * time.Second}},
		{Plan{For: 24 * time.Hour}, Plan{Every: 24 * time.Second}},
		{Plan{For: 10 * time.Hour, Every: time.Second}, Plan{Every: 10 * time.Second}},
		{Plan{For: time.Second, Every: time.Microsecond}, Plan{Every: time.Millisecond}},
	} {
		if p, err := c.plan.withDefaults(); err != nil || p.Every != c.want.Every || p.For/p.Every > MaxPoints {
			t.Errorf("%+v: interval %v, want %v; %v", c.plan, p.Every, c.want.Every, err)
		}
	}
}

// The same sessions serve for runs of other kinds, and at other paces.
func TestPlans(t *testing.T) {
	t.Parallel()
	_, to := node(t, "127.0.0.1:0", nil)
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 20, Window: 10, Timeout: enough})
	if p := prepare(t, g); p.Sessions != 20 {
		t.Fatalf("%d sessions", p.Sessions)
	}
	for _, p := range []Plan{
		{}, {Mix: Only(FindNode)}, {Mix: Only(Talk), Window: 2000}, {Rate: 2000}, {Mix: Only(Junk), Rate: 2000}, {Window: 1}, {Mix: Only(Handshake), Window: 4},
	} {
		p.For, p.Requests = patience, 40
		r := load(t, g, p)
		whole(t, r)
		want := p.Mix
		if want == (Mix{}) {
			want = Only(Ping)
		}
		if len(r.Kinds) != 1 || want[r.Kinds[0].Kind] == 0 || r.Total.Sent != 40 || (r.Lag.Count() > 0) != (p.Rate > 0) {
			t.Errorf("%+v: %+v", p, r.Kinds)
		}
	}
	if _, err := g.Run(t.Context(), Plan{For: time.Second, Rate: 1, Window: 1}); !errors.Is(err, ErrConfig) {
		t.Errorf("rate and window: %v", err)
	}
	p := prepare(t, g)
	if p.Sessions != 20 || p.Latency.Count() != 0 {
		t.Errorf("second Prepare: %+v", p)
	}
}

// Identities and exchanges take the memory that the documents state.
func TestSizes(t *testing.T) {
	if n := reflect.TypeFor[exchange]().Size(); n > 88 {
		t.Errorf("an exchange takes %d bytes", n)
	}
	if raceEnabled {
		t.Skip("probed for the race detector: it takes memory of its own")
	}
	identitySize(t, 1) // what the first one takes is not its own: tables of the curve
	// Garbage of other tests may be freed meanwhile.
	var size int
	for range 5 {
		if size = identitySize(t, 300); size > 500 && size <= 2048 {
			t.Logf("an identity takes %d bytes", size)
			return
		}
	}
	t.Errorf("an identity takes %d bytes", size)
}

// identitySize makes n identities with a session each, and returns how much of the heap each takes.
func identitySize(t *testing.T, n int) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one finalizes, the next one frees
	runtime.ReadMemStats(&before)
	in, challenge, list := new(initiator), make([]byte, codec.WhoareyouSize), make([]*identity, n)
	for i := range list {
		var err error
		if list[i], err = newIdentity(); err != nil {
			t.Fatal(err)
		}
		in.renew(list[i], challenge)
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(list)
	return (int(after.HeapAlloc) - int(before.HeapAlloc)) / n
}
