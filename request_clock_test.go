package discv5

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/virtual"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// wirePair starts two nodes on a virtual network with a round trip time. They have no session.
func wirePair(t *testing.T, rtt time.Duration, change func(*Config)) (w *wiretest.Net, a, b *Node) {
	t.Helper()
	w = newWire()
	w.Delay = rtt / 2
	a, b = onWire(t, w, 1, change), onWire(t, w, 2, change)
	b.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
	t.Cleanup(func() { a.Close(); b.Close() })
	return w, a, b
}

// forget ends the session that n has with peer: peer does not learn of it.
func forget(n, peer *Node) {
	id := [32]byte(peer.ID())
	k := session.MakeKey(peer.Addrs()[0], &id)
	n.engine.Sessions().Remove(&k, n.engine.Sessions().Hash(&k))
}

// The clock of a request starts when its packet leaves. Requests that wait for the handshake of
// another one, or whose handshake leaves no room for them, are answered although the handshake and
// they take longer together than the timeout.
func TestRequestClockStartsWhenItLeaves(t *testing.T) {
	for _, c := range []struct {
		name   string
		rtt    time.Duration
		count  int
		size   int
		before func(t *testing.T, a, b *Node)
	}{
		{"8 together to a new peer", 400 * time.Millisecond, 8, 1, nil},
		{"200 together to a new peer", 900 * time.Millisecond, 200, 1, nil},
		{"first message fills its packet", 520 * time.Millisecond, 1, 1100, nil},
		{"8 first messages that fill their packets", 900 * time.Millisecond, 8, 1100, nil},
		{"peer has lost the session", 450 * time.Millisecond, 8, 1, func(t *testing.T, a, b *Node) {
			if _, err := a.Ping(t.Context(), contact(b)); err != nil {
				t.Fatal(err)
			}
			forget(b, a)
		}},
		{"peer has lost the session, large message", 450 * time.Millisecond, 8, 1100, func(t *testing.T, a, b *Node) {
			if _, err := a.Ping(t.Context(), contact(b)); err != nil {
				t.Fatal(err)
			}
			forget(b, a)
		}},
		{"behind an impatient request", 800 * time.Millisecond, 8, 1, func(t *testing.T, a, b *Node) {
			p, err := contact(b).resolve(a.engine)
			if err != nil {
				t.Fatal(err)
			}
			a.requester.do(func(w *engine.Worker) {
				w.Start(engine.Request{Type: codec.TypePing, Peer: p, Timeout: 100 * time.Millisecond, Done: func(*engine.Worker, engine.Result) {}})
			})
		}},
		{"behind a canceled request", 800 * time.Millisecond, 8, 1, func(t *testing.T, a, b *Node) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			go func() { a.Ping(ctx, contact(b)); cancel() }()
			synctest.Wait()
		}},
		{"behind a request canceled in its handshake", 600 * time.Millisecond, 8, 1, func(t *testing.T, a, b *Node) {
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			go func() { a.Ping(ctx, contact(b)); cancel() }()
			synctest.Wait()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, a, b := wirePair(t, c.rtt, nil)
				if c.before != nil {
					c.before(t, a, b)
				}
				payload := bytes.Repeat([]byte{7}, c.size)
				var wg sync.WaitGroup
				start := time.Now()
				for range c.count {
					wg.Go(func() {
						got, err := a.Talk(t.Context(), contact(b), "echo", payload)
						if err != nil || !bytes.Equal(got, payload) {
							t.Errorf("%d bytes after %v, %v", len(got), time.Since(start), err)
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

// Requests to a peer that never answers end after the timeout, however many they are, and whoever
// asked first.
func TestRequestsToSilentPeerAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := wirePair(t, 100*time.Millisecond, nil)
		to := contact(b)
		b.Close()
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
				start := time.Now()
				_, err := a.Ping(t.Context(), to)
				if took := time.Since(start); !errors.Is(err, ErrTimeout) || took > 2*DefaultRequestTimeout+3*virtual.TickInterval {
					t.Errorf("request %d: %v after %v", i, err, took)
				}
			})
		}
		wg.Wait()
	})
}

// Lookups that wait for less than the node does leave the table as it is: a caller's impatience
// demotes nobody.
func TestImpatientLookupsLeaveTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.Delay = 150 * time.Millisecond
		boot := onWire(t, w, 1, nil)
		defer boot.Close()
		nodes := []*Node{boot}
		for i := range 20 {
			n := onWire(t, w, byte(i+2), func(c *Config) { c.Bootnodes = Contacts(boot.LocalRecord()) })
			defer n.Close()
			nodes = append(nodes, n)
		}
		time.Sleep(5 * time.Minute)
		n := nodes[5]
		before := n.Stats().Live
		if before < 15 {
			t.Fatalf("%d live nodes to begin with", before)
		}
		for i := range 100 {
			n.Lookup(t.Context(), enr.ID{byte(i)}, WithQueryTimeout(50*time.Millisecond))
		}
		if after := n.Stats().Live; after < before {
			t.Errorf("%d live nodes, %d after impatient lookups", before, after)
		}
		// A timeout of the node's own length does count.
		for _, o := range nodes {
			if o != n {
				o.Close()
			}
		}
		for i := range 10 {
			n.Lookup(t.Context(), enr.ID{byte(i)})
			time.Sleep(time.Second)
		}
		if after := n.Stats().Live; after > before/2 {
			t.Errorf("%d of %d live nodes after patient lookups among dead nodes", after, before)
		}
	})
}

// A peer that forgets each session, and so asks for one handshake after another, does not keep a
// request alive beyond its bound: three times its timeout and the time for a handshake.
func TestEndlessChallengesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// b has no reason to make contact.
		_, a, b := wirePair(t, 300*time.Millisecond, func(c *Config) { c.NoEndpoint = true })
		enode := enr.Enode{PublicKey: publicKey(t, b)}
		to, err := EnodeContact(enode, b.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			time.Sleep(500 * time.Microsecond) // between the datagrams
			for {
				select {
				case <-ended:
					return
				case <-time.After(time.Millisecond):
					forget(b, a)
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err = a.Talk(ctx, to, "echo", make([]byte, 1100))
		close(ended)
		if took := time.Since(start); !errors.Is(err, ErrTimeout) || took > 4*DefaultRequestTimeout+3*virtual.TickInterval {
			t.Errorf("%v after %v", err, took)
		}
		if n := a.Stats().Counters[engine.HandshakesSent]; n < 3 {
			t.Errorf("%d handshakes: the peer did not ask for any", n)
		}
	})
}

func publicKey(t *testing.T, n *Node) [33]byte {
	t.Helper()
	pub, ok := n.LocalRecord().PublicKey()
	if !ok {
		t.Fatal("record without a key")
	}
	return pub
}
