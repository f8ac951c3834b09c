package discv5

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

func counterInfo(i int) engine.CounterInfo { return engine.Counter(i).Info() }

// eventually waits for something that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for ctx := within(t); !ok(); time.Sleep(5 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// A node that is added is checked, becomes live, can be demoted and removed, and each of it is
// told.
func TestNodesOfTheTable(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	events := a.Subscribe(64, EventTable)
	if err := a.AddNode(b.LocalRecord()); err != nil {
		t.Fatal(err)
	}
	live := func() bool { k, ok := a.Known(b.ID()); return ok && k.Live }
	eventually(t, "the added node is live", live)
	k, _ := a.Known(b.ID())
	if k.Inbound || k.Record.ID() != b.ID() || k.Addr != b.Addrs()[0] || k.Distance != enr.LogDistance(a.ID(), b.ID()) {
		t.Errorf("known as %+v", k)
	}
	if list := a.Nodes(k.Distance); len(list) != 1 || list[0].Record.ID() != b.ID() {
		t.Errorf("%d nodes at distance %d", len(list), k.Distance)
	}
	if list := a.Nodes(k.Distance - 1); len(list) != 0 {
		t.Errorf("%d nodes at distance %d", len(list), k.Distance-1)
	}
	if !a.DemoteNode(b.ID()) {
		t.Error("not there to be demoted")
	}
	eventually(t, "the demoted node is live again", live)
	if !a.RemoveNode(b.ID()) || a.RemoveNode(b.ID()) || a.DemoteNode(b.ID()) {
		t.Error("removed not once")
	}
	seen := make(map[table.EventKind]bool)
	eventually(t, "all kinds of changes", func() bool {
		for len(events.C) > 0 {
			seen[(<-events.C).Change.Kind] = true
		}
		return seen[table.EventAdded] && seen[table.EventLive] && seen[table.EventSilent] && seen[table.EventRemoved]
	})
}

func TestNodesRefused(t *testing.T) {
	b, client := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", func(c *Config) { c.NoEndpoint = true })
	for _, key := range []string{"ip", "udp", "ip6", "udp6"} {
		if _, ok := client.LocalRecord().View().Get(key); ok {
			t.Errorf("a client's record has %q", key)
		}
	}
	a := loopback(t, "127.0.0.1:0", func(c *Config) {
		c.TableFilter = func(r *enr.Record) bool { return r.ID() != b.ID() }
	})
	if _, err := client.Ping(within(t), contact(a)); err != nil {
		t.Errorf("PING of a node without endpoint: %v", err)
	}
	for name, c := range map[string]struct {
		rec  *enr.Record
		want error
	}{
		"filter":      {b.LocalRecord(), ErrNotAdded},
		"itself":      {a.LocalRecord(), ErrSelf},
		"no record":   {nil, ErrNotAdded},
		"no endpoint": {client.LocalRecord(), ErrNoEndpoint},
	} {
		if err := a.AddNode(c.rec); !errors.Is(err, c.want) || !errors.Is(err, ErrNotAdded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Contact alone does not bring it in either.
	if _, err := a.Ping(within(t), contact(b)); err != nil {
		t.Fatal(err)
	}
	if list := a.Nodes(); len(list) != 0 {
		t.Errorf("%d nodes in the table", len(list))
	}
}

// Bans, permits and the ends of sessions are events.
func TestAccessEvents(t *testing.T) {
	a := loopback(t, "127.0.0.1:0", nil)
	events := a.Subscribe(16, EventBanned, EventPermitted, EventLifted)
	target, err := limits.ParseTarget("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Ban(target, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := a.Permit(target, 0); err != nil {
		t.Fatal(err)
	}
	a.Unban(target)
	a.Unpermit(target)
	a.Unpermit(target) // nothing to lift
	for _, want := range []EventKind{EventBanned, EventPermitted, EventLifted, EventLifted} {
		e := <-events.C
		if e.Kind != want || e.Target != target || e.Until.IsZero() == (want == EventBanned) {
			t.Errorf("event %+v, want kind %d", e, want)
		}
	}
	if len(events.C) != 0 {
		t.Errorf("%d further events", len(events.C))
	}
}

// A TALK handler is given the sender's record as soon as the table holds it.
func TestTalkRecord(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	got := make(chan TalkRequest, 1)
	b.HandleTalk("p", func(_ context.Context, r TalkRequest) []byte { got <- r; return nil })
	if err := b.AddNode(a.LocalRecord()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Talk(within(t), contact(b), "p", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.Record == nil || r.Record.ID() != a.ID() || r.From != a.ID() || r.Addr != a.Addrs()[0] {
		t.Errorf("request %+v", r)
	}
}

// Records that others send, records that do not name the address in use, and the ends of sessions
// are events.
func TestContactEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := onWire(t, w, 1, nil)
		defer a.Close()
		b := onWire(t, w, 2, func(c *Config) { c.Advertise = []netip.AddrPort{netip.MustParseAddrPort("10.0.9.9:9000")} })
		events := a.Subscribe(16, EventDiscovered, EventUnverifiable, EventSessionEnded)
		next := func() (e Event) {
			select {
			case e = <-events.C:
			case <-time.After(2 * time.Hour): // a session without messages lives for one
			}
			return e
		}
		if _, err := b.Ping(t.Context(), contact(a)); err != nil {
			t.Fatal(err)
		}
		if e := next(); e.Kind != EventUnverifiable || e.ID != b.ID() || e.Addr != b.Addrs()[0] || e.Record == nil || e.Record.Seq() != b.LocalRecord().Seq() {
			t.Errorf("not that the record has another address: %+v", e)
		}
		enode, _ := b.LocalRecord().Enode()
		to, err := EnodeContact(enode, b.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.FindNode(t.Context(), to, 0); err != nil {
			t.Fatal(err)
		}
		if e := next(); e.Kind != EventDiscovered || e.ID != b.ID() || e.Record == nil || e.Record.Seq() != b.LocalRecord().Seq() {
			t.Errorf("no event for a record that another node sent: %+v", e)
		}
		b.Close()
		// for it is idle
		if e := next(); e.Kind != EventSessionEnded || e.ID != b.ID() || e.Addr != b.Addrs()[0] {
			t.Errorf("not that the session has ended: %+v", e)
		}
	})
}
