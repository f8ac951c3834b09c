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
)

// talkPeer starts a server and a client whose record names no address, as behind a NAT, and has the
// client make contact. got is what the server's handler was given.
func talkPeer(t *testing.T, change func(*Config)) (server, client *Node, got TalkRequest) {
	t.Helper()
	w := newWire()
	server = onWireAt(t, w, "52.1.0.1:9000", change)
	client = onWireAt(t, w, "99.1.0.1:4711", func(c *Config) { c.NoEndpoint = true })
	requests := make(chan TalkRequest, 1)
	server.HandleTalk("hello", func(_ context.Context, r TalkRequest) []byte { requests <- r; return []byte("hi") })
	client.HandleTalk("back", func(_ context.Context, r TalkRequest) []byte { return append([]byte("back "), r.Payload...) })
	if answer, err := client.Talk(t.Context(), contact(server), "hello", nil); err != nil || string(answer) != "hi" {
		t.Fatalf("%q, %v", answer, err)
	}
	return server, client, <-requests
}

// The handler of a TALK request has the sender's record, and can talk back to it by its request, by
// ID and address, by session, and by a record without an address, though no address of it is
// public.
func TestTalkBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client, got := talkPeer(t, nil)
		if got.Record == nil || got.Record.String() != client.LocalRecord().String() {
			t.Fatalf("record %v", got.Record)
		}
		if len(server.Nodes()) != 0 {
			t.Fatal("the client is in the table: this test shows nothing")
		}
		s, err := server.SessionOf(client.ID())
		if err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]Contact{
			"request": got.Contact(), "ID and address": ContactAt(got.From, got.Addr), "session": s.Contact(),
			"record without address": ContactOf(got.Record),
			"mapped address":         ContactAt(got.From, netip.AddrPortFrom(netip.AddrFrom16(got.Addr.Addr().As16()), got.Addr.Port())),
		} {
			answer, err := server.Talk(t.Context(), to, "back", []byte("x"))
			if err != nil || string(answer) != "back x" {
				t.Errorf("%s: %q, %v", name, answer, err)
			}
			if _, err := server.Ping(t.Context(), to); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if r, err := server.RequestENR(t.Context(), to); err != nil || r.ID() != client.ID() {
				t.Errorf("%s: record %v, %v", name, r, err)
			}
		}
		if _, err := server.SessionOf(enr.ID{1}); !errors.Is(err, ErrNoSession) {
			t.Errorf("session of nobody: %v", err)
		}
	})
}

// A peer that has lost the session is asked for a new one with the key of its record. Where that is
// not known, the request says so, and nothing is sent to an address without a session.
func TestTalkBackAfterLostSession(t *testing.T) {
	for _, drop := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server, client, got := talkPeer(t, func(c *Config) { c.DropSessionRecords = drop })
			if (got.Record == nil) != drop {
				t.Errorf("drop %v: record %v", drop, got.Record)
			}
			forget(client, server)
			answer, err := server.Talk(t.Context(), ContactAt(got.From, got.Addr), "back", nil)
			if !drop && (err != nil || string(answer) != "back ") || drop && !errors.Is(err, ErrNoSession) {
				t.Errorf("drop %v: %q, %v", drop, answer, err)
			}
			synctest.Wait() // what the other goroutines have sent is counted then
			before := server.Stats().Counters[engine.PacketsOut]
			start := time.Now()
			_, err = server.Talk(t.Context(), ContactAt(enr.ID{1}, got.Addr), "back", nil)
			sent := server.Stats().Counters[engine.PacketsOut] - before
			if !errors.Is(err, ErrNoSession) || time.Since(start) != 0 || sent != 0 {
				t.Errorf("drop %v: a peer without a session: %v after %v", drop, err, time.Since(start))
			}
		})
	}
}

// Sessions are listed with their details.
func TestSessionsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := onWireAt(t, w, "52.1.0.1:9000", nil)
		in := onWireAt(t, w, "53.1.0.1:9000", nil)
		out := onWireAt(t, w, "54.1.0.1:9000", nil)
		keyed := onWireAt(t, w, "55.1.0.1:9000", nil)
		start := time.Now()
		time.Sleep(3 * time.Second)
		if _, err := in.Ping(t.Context(), contact(a)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Ping(t.Context(), contact(out)); err != nil {
			t.Fatal(err)
		}
		enode, _ := keyed.LocalRecord().Enode()
		to, err := EnodeContact(enode, keyed.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Ping(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		// A newer record takes the place of the one of the handshake; one without a record gets it.
		if err := in.UpdateRecord(func(b *enr.Builder) { b.SetString("k", "v") }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := a.Ping(t.Context(), contact(in)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for _, c := range []struct {
			n       *Node
			inbound bool
		}{{in, true}, {out, false}, {keyed, false}} {
			found := 0
			for s := range a.Sessions() {
				if s.ID != c.n.ID() {
					continue
				}
				found++
				if s.Addr != c.n.Addrs()[0] || s.Inbound != c.inbound {
					t.Errorf("session %+v", s)
				}
				if s.Record == nil || s.Record.Seq() != c.n.LocalRecord().Seq() {
					t.Errorf("node at %s: record %v", s.Addr, s.Record)
				}
				if since := s.Since.Sub(start); since < 3*time.Second || since > 4*time.Second || s.Used.Before(s.Since.Add(-time.Second)) {
					t.Errorf("node at %s: since %v, used %v", s.Addr, since, s.Used.Sub(start))
				}
			}
			if found != 1 {
				t.Errorf("%d sessions with %s", found, c.n.Addrs()[0])
			}
		}
		for range a.Sessions() {
			break // and any method can be called
		}
	})
}
