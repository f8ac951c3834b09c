package topic

import (
	"bytes"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// adRun is an Advertiser with nodes of one bucket, driven by hand.
type adRun struct {
	*Advertiser
	t       *testing.T
	now     time.Duration
	own     *enr.Record
	nodes   []Node
	changes []ChangeKind
}

func newAdRun(t *testing.T, nodes int, cfg AdvertiserConfig) *adRun {
	run := &adRun{t: t, now: startSpread}
	cfg.Topic = Of("x")
	run.own = capable(t, 1, 1, netip.MustParseAddr("9.9.9.9"))
	cfg.Self = run.own.ID()
	cfg.Changed = func(c Change) { run.changes = append(run.changes, c.Kind) }
	run.Advertiser = NewAdvertiser(cfg, mustRandom(t, 1))
	run.nodes = inBucket(t, cfg.Topic, 0, nodes)
	run.SetRecord(0, run.own)
	run.Table().Add(0, nil, run.nodes...)
	return run
}

func (run *adRun) next() Registration {
	run.t.Helper()
	r, ok := run.Next(run.now)
	if !ok {
		run.t.Fatalf("at %v: no request", run.now)
	}
	return r
}

// idle moves to the next time at which there is something to do, which must be want.
func (run *adRun) idle(want time.Duration) {
	run.t.Helper()
	if r, ok := run.Next(run.now); ok {
		run.t.Fatalf("at %v: a request to %v with a ticket of %d bytes", run.now, r.Node.Addr, len(r.Ticket))
	}
	at, ok := run.NextTime(run.now)
	if !ok || at != want {
		run.t.Fatalf("at %v: next time %v %v, want %v", run.now, at, ok, want)
	}
	run.now = at
}

func (run *adRun) confirm(r Registration, ticket string, wait time.Duration) {
	run.t.Helper()
	if !run.Confirm(run.now, r.Node.Record.ID(), Confirmation{[]byte(ticket), wait}) {
		run.t.Fatal("the answer is not taken")
	}
}

// One chain: quoted, asked to come back, placed, ended, and begun again.
func TestChain(t *testing.T) {
	run := newAdRun(t, 1, AdvertiserConfig{})
	r := run.next()
	if len(r.Ticket) > 0 || r.TicketFirst || r.Record != run.own || r.Topic != Of("x") || len(r.Distances) != NumBuckets ||
		r.Distances[0] != 256 || r.Distances[NumBuckets-1] != 239 {
		t.Fatalf("%+v", r)
	}
	run.confirm(r, "one", 10*time.Second)
	run.idle(startSpread + 10*time.Second + guard(10*time.Second))
	r = run.next()
	if string(r.Ticket) != "one" {
		t.Fatalf("ticket %q", r.Ticket)
	}
	run.confirm(r, "two", 0) // at least 0.1 s
	run.idle(run.now + minWait + guard(minWait))
	r = run.next()
	if string(r.Ticket) != "two" {
		t.Fatalf("ticket %q", r.Ticket)
	}
	run.confirm(r, "", time.Hour) // an ad is not believed to live longer than E
	if s := run.Status(); s.Placed != 1 || s.Pending != 0 || s.Buckets[0].Placed != 1 || s.First != run.now {
		t.Fatalf("%+v", s)
	}
	run.idle(run.now + DefaultLifetime)
	run.Next(run.now)
	if s := run.Status(); s.Placed != 0 && s.Pending != 1 {
		t.Fatalf("%+v", s)
	}
	if !slices.Equal(run.changes, []ChangeKind{Quoted, Quoted, Placed, Ended}) {
		t.Errorf("%v", run.changes)
	}
}

func TestBucketsAreFilled(t *testing.T) {
	run := newAdRun(t, 9, AdvertiserConfig{Parallel: 20})
	var asked []Registration
	for range DefaultPerBucket {
		asked = append(asked, run.next())
	}
	if _, ok := run.Next(run.now); ok {
		t.Fatal("more requests than places")
	}
	for _, r := range asked[1:] {
		run.confirm(r, "", DefaultLifetime)
	}
	// The first one does not answer: another candidate takes its place.
	failed := asked[0].Node.Record.ID()
	if !run.Fail(run.now, failed, false) {
		t.Fatal("not taken")
	}
	if r := run.next(); r.Node.Record.ID() == failed {
		t.Error("the one that has just failed is asked again")
	}
	if s := run.Status(); s.Placed != 4 || s.Pending != 1 || s.Standby != 4 {
		t.Errorf("%+v", s)
	}
}

// A request with a ticket is sent a second time, immediately. Then the registrar is given up.
func TestRetryInTheWindow(t *testing.T) {
	run := newAdRun(t, 1, AdvertiserConfig{})
	r := run.next()
	run.confirm(r, "t", time.Second)
	run.idle(run.now + time.Second + guard(time.Second))
	for range 2 {
		r = run.next()
		if string(r.Ticket) != "t" {
			t.Fatalf("ticket %q", r.Ticket)
		}
		run.Fail(run.now, r.Node.Record.ID(), true)
	}
	run.idle(run.now + restAfterFailure)
	if r = run.next(); len(r.Ticket) > 0 {
		t.Error("the old ticket is presented after the chain has failed")
	}
}

// A registrar that is up and does not answer is asked once in the other field order.
func TestLegacyOrder(t *testing.T) {
	for _, tt := range []struct {
		name         string
		legacy, live bool
		want         bool
	}{
		{"live", true, true, true},
		{"not known to be live", true, false, false},
		{"switched off", false, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := newAdRun(t, 1, AdvertiserConfig{LegacyOrder: tt.legacy})
			r := run.next()
			run.Fail(run.now, r.Node.Record.ID(), tt.live)
			r, ok := run.Next(run.now)
			if ok != tt.want || r.TicketFirst != tt.want {
				t.Fatalf("asked again %v, ticket first %v", ok, r.TicketFirst)
			}
			if !ok {
				return
			}
			// The order is remembered.
			run.confirm(r, "t", time.Second)
			run.idle(run.now + time.Second + guard(time.Second))
			if r = run.next(); !r.TicketFirst {
				t.Error("the order is forgotten")
			}
		})
	}
	t.Run("neither", func(t *testing.T) {
		run := newAdRun(t, 1, AdvertiserConfig{LegacyOrder: true})
		for range 2 {
			run.Fail(run.now, run.next().Node.Record.ID(), true)
		}
		run.idle(run.now + restAfterFailure)
		if run.next().TicketFirst {
			t.Error("the other order is kept although it was not answered")
		}
	})
}

func TestGiveUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		wait time.Duration
		asks int
	}{{"ten tickets", time.Second, maxTickets}, {"four lifetimes", DefaultLifetime, 4}, {"years", 1 << 61, 4}} {
		t.Run(tt.name, func(t *testing.T) {
			run := newAdRun(t, 1, AdvertiserConfig{})
			asks := 0
			for run.Table().Len() > 0 {
				run.confirm(run.next(), "t", tt.wait)
				if asks++; asks > 20 {
					t.Fatal("asked forever")
				}
				if at, ok := run.NextTime(run.now); ok {
					run.now = at
				}
			}
			if asks != tt.asks || run.changes[len(run.changes)-1] != GaveUp {
				t.Errorf("asked %d times, %v", asks, run.changes)
			}
			if run.Table().Add(run.now, nil, run.nodes...) != 0 {
				t.Error("taken back immediately")
			}
		})
	}
}

// Chains keep their record while the endpoint is the same, and begin again when it changes.
func TestRecordChanges(t *testing.T) {
	addr := netip.MustParseAddr("9.9.9.9")
	t.Run("same endpoint", func(t *testing.T) {
		run := newAdRun(t, 2, AdvertiserConfig{})
		run.confirm(run.next(), "t", time.Second)
		newer := capable(t, 1, 2, addr)
		run.SetRecord(run.now, newer)
		other := run.next() // a new chain has the new record
		if other.Record != newer {
			t.Error("a new chain has the old record")
		}
		run.confirm(other, "", DefaultLifetime)
		run.idle(run.now + time.Second + guard(time.Second))
		if r := run.next(); r.Record != run.own || string(r.Ticket) != "t" {
			t.Error("a chain has changed its record")
		}
	})
	t.Run("endpoint changed", func(t *testing.T) {
		run := newAdRun(t, 2, AdvertiserConfig{})
		run.confirm(run.next(), "t", time.Second)
		asking := run.next()
		moved := capable(t, 1, 2, netip.MustParseAddr("9.9.9.10"))
		run.SetRecord(run.now, moved)
		run.confirm(asking, "u", time.Second) // about the old endpoint
		run.now += startSpread
		for range 2 {
			if r := run.next(); r.Record != moved || len(r.Ticket) > 0 {
				t.Errorf("ticket %q", r.Ticket)
			}
		}
	})
	t.Run("no endpoint", func(t *testing.T) {
		run := newAdRun(t, 2, AdvertiserConfig{})
		r, err := enr.NewBuilder().SetTopicVersion(1).Sign(keyOfNode(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		run.SetRecord(run.now, r)
		if _, ok := run.Next(run.now); ok {
			t.Error("a record without an endpoint is advertised")
		}
		if _, ok := run.NextTime(run.now); ok {
			t.Error("waits for something")
		}
	})
}

// A node that is removed while it is asked leaves its place to others.
func TestRemoveWhileAsking(t *testing.T) {
	pace := new(Pace)
	run := newAdRun(t, 6, AdvertiserConfig{Parallel: 1, Pace: pace})
	r := run.next()
	if _, ok := run.Next(run.now + time.Second); ok {
		t.Fatal("two requests under way")
	}
	id := r.Node.Record.ID()
	run.Remove(id)
	run.now += time.Second
	if other := run.next(); other.Node.Record.ID() == id {
		t.Error("the removed node is asked")
	}
	if run.Confirm(run.now, id, Confirmation{}) || pace.underWay != 1 {
		t.Errorf("%d under way", pace.underWay)
	}
}

// The pace is for all advertisers and searches of a node together.
func TestPace(t *testing.T) {
	pace := &Pace{UnderWay: 4, PerSecond: 10}
	var runs []*adRun
	for range 3 {
		runs = append(runs, newAdRun(t, 9, AdvertiserConfig{Pace: pace}))
	}
	now := startSpread
	asked := 0
	for range 200 {
		for _, run := range runs {
			if _, ok := run.Next(now); ok {
				asked++
			}
		}
		if now += 10 * time.Millisecond; asked > int(now-startSpread)/int(100*time.Millisecond)+1 {
			t.Fatalf("%d requests in %v", asked, now-startSpread)
		}
	}
	if asked != 4 {
		t.Errorf("%d requests are under way, want 4", asked)
	}
	if at, ok := runs[0].NextTime(now); ok && at <= now {
		t.Error("Next is to be called although it gives nothing")
	}
}

// The Advertiser copies tickets.
func TestTicketIsCopied(t *testing.T) {
	run := newAdRun(t, 1, AdvertiserConfig{})
	b := []byte("ticket")
	run.Confirm(run.now, run.next().Node.Record.ID(), Confirmation{b, time.Second})
	clear(b)
	run.now += 2 * time.Second
	if r := run.next(); !bytes.Equal(r.Ticket, []byte("ticket")) {
		t.Errorf("ticket %q", r.Ticket)
	}
}

// An advertiser with the candidates of a network of ten thousand nodes, five chains in each bucket.
func TestAdvertiserMemory(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("probed for -short and the race detector: it signs many records; make test runs it")
	}
	var nodes []Node
	for bucket := range 9 {
		for _, n := range inBucket(t, Of("x"), bucket, DefaultPerBucket+DefaultStandby) {
			n.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{60, byte(len(nodes)), 1, 1}), 30303)
			nodes = append(nodes, n)
		}
	}
	own := capable(t, 1, 1, netip.MustParseAddr("9.9.9.9"))
	rnd := mustRandom(t, 1)
	least := ^uint64(0)
	for range 3 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		a := NewAdvertiser(AdvertiserConfig{Topic: Of("x"), Self: own.ID()}, rnd)
		a.SetRecord(0, own)
		a.Table().Add(0, nil, nodes...)
		for r, ok := a.Next(startSpread); ok; r, ok = a.Next(startSpread) {
			a.Confirm(startSpread, r.Node.Record.ID(), Confirmation{make([]byte, TicketSize), time.Minute})
		}
		if s := a.Status(); s.Pending != 9*DefaultPerBucket {
			t.Fatalf("%d chains", s.Pending)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(a)
		least = min(least, after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))
	}
	if least > 40<<10 {
		t.Errorf("%d bytes", least)
	}
}
