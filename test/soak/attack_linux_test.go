package soak

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/load"
)

// attack is a flood of one kind, made for one target.
type attack struct {
	run   func(context.Context) error
	sent  func() uint64 // requests or datagrams, after run
	out   func() uint64 // datagrams, after run
	tells func() string // more about it, after run; may be nil
	// counted reports whether all datagrams that the node has read are counted. It may be nil.
	counted func(before, after *state) bool
	// check says what else must hold for this kind. It may be nil.
	check func(t *testing.T, before, after *state)
}

// addresses are where a flood comes from: many of them where loopback has many.
func addresses(x *target, n int) []netip.Addr {
	if x.to.Addr.Addr().Is6() {
		return []netip.Addr{netip.IPv6Loopback()}
	}
	return load.LoopbackSources(n)
}

// Where prefixes has addresses.
const (
	netSteady   = 100
	netNewPeers = 200
)

// prefixes returns addresses of n different /24 in a /16, n < 256, which addresses does not use.
func prefixes(net byte, n int) (list []netip.Addr) {
	for i := range n {
		list = append(list, netip.AddrFrom4([4]byte{127, net, byte(i), 1}))
	}
	return list
}

// ports is how many sockets a flood has when there are n addresses to have.
const ports = 250

// junkSize is the size in bytes of a usual PING packet.
const junkSize = 95

// junk floods the node with messages that nobody can open, from one goroutine that does nothing
// else.
func junk(t *testing.T, x *target) attack {
	from := addresses(x, ports)
	for len(from) < ports {
		from = append(from, from[0])
	}
	b, err := load.NewFlood(load.FloodConfig{Target: x.to, Source: from, Size: junkSize})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	run := func(ctx context.Context) error {
		_, err := b.Run(ctx, 0)
		return err
	}
	figures := func(before, after *state) (in, challenged, opened uint64) {
		return after.Sockets.RxDatagrams - before.Sockets.RxDatagrams,
			delta(before, after, engine.WhoareyouSent) + delta(before, after, engine.WhoareyouRepeated),
			delta(before, after, engine.InPing) + delta(before, after, engine.InFindNode)
	}
	counted := func(before, after *state) bool {
		in, challenged, opened := figures(before, after)
		return in == challenged+opened
	}
	return attack{run: run, sent: b.Sent, out: b.Sent, counted: counted, check: func(t *testing.T, before, after *state) {
		in, challenged, opened := figures(before, after)
		full := delta(before, after, engine.DropChallengesFull)
		t.Logf("challenged %d, of these with the challenge of another evicted %d", challenged, full)
		if challenged == 0 {
			t.Error("the node took none of the junk for a message that does not open")
		}
		// Datagrams that the node read and did not challenge were opened: no steady request can be
		// missing.
		if in != challenged+opened {
			t.Errorf("%d datagrams were read, %d were challenged and %d opened", in, challenged, opened)
		}
	}}
}

// badHandshakes answers live challenges with wrong signatures, in bursts of more than the node can
// examine, and of fewer than the challenges that it can have. All come from one prefix. New peers
// of other prefixes make good handshakes meanwhile: they must find room in the queue.
func badHandshakes(t *testing.T, x *target) attack {
	v6 := x.to.Addr.Addr().Is6()
	bad := generatorAttack(t, x, load.Config{Mix: load.Only(load.Handshake), Handshake: load.BadProof, Identities: lighter(2000), Rate: lighter(25000.0),
		Sources: addresses(x, ports), Sockets: ports, Buffer: 64 << 10})
	if v6 {
		return bad.attack // all of loopback is one prefix
	}
	newPeers := generatorAttack(t, x, load.Config{Mix: load.Only(load.Handshake), Rate: lighter(40.0), Sources: prefixes(netNewPeers, 16), Sockets: 16, Timeout: 3 * time.Second})
	return attack{
		run: func(ctx context.Context) error {
			other := make(chan error, 1)
			go func() { other <- newPeers.run(ctx) }()
			err := bad.run(ctx)
			if e := <-other; err == nil {
				err = e
			}
			return err
		},
		sent:  bad.sent,
		out:   func() uint64 { return bad.out() + newPeers.out() },
		tells: func() string { return "new peers of other prefixes: " + told(newPeers.result) },
		check: func(t *testing.T, before, after *state) {
			t.Logf("bad signatures %d, refused for the prefix's share %d, as not the first of a name %d, for want of room %d", delta(before, after, engine.DropHandshakeProof),
				delta(before, after, engine.DropInboundQuota), delta(before, after, engine.DropInboundLater), delta(before, after, engine.DropInboundFull))
			if n := delta(before, after, engine.DropInboundFull); n > 0 {
				t.Errorf("handshakes of one prefix filled the queue: %d found no room", n)
			}
			if delta(before, after, engine.DropHandshakeProof) == 0 {
				t.Error("the node examined no bad handshake")
			}
			if newPeers.result.Total.Answered == 0 && !raceEnabled { // as for goodHandshakes
				t.Error("no new peer got a session")
			}
		},
	}
}

// goodHandshakes makes handshakes of new identities. The map of sessions is full of them before it
// begins, so each evicts another session.
func goodHandshakes(t *testing.T, x *target) attack {
	a := generatorAttack(t, x, load.Config{Mix: load.Only(load.Handshake), Window: lighter(256), Sources: addresses(x, ports), Sockets: ports, Buffer: 64 << 10})
	if _, err := a.g.Run(t.Context(), load.Plan{For: patience, Requests: uint64(lighter(targetSessions * 3 / 2))}); err != nil {
		t.Fatal(err)
	}
	a.check = func(t *testing.T, before, after *state) {
		t.Logf("new sessions %d, evicted %d, refused as none could be evicted %d", delta(before, after, engine.SessionsInbound),
			after.Sessions.Evicted-before.Sessions.Evicted, after.Sessions.Refused-before.Sessions.Refused)
		// Under the race detector handshakes may all come after the end of their challenges.
		if after.Sessions.Evicted == before.Sessions.Evicted && !raceEnabled {
			t.Error("no session was evicted for a new one")
		}
	}
	return a.attack
}

// slowTalk are requests of a protocol whose handler takes its time.
func slowTalk(t *testing.T, x *target) attack {
	a := generatorAttack(t, x, load.Config{Mix: load.Only(load.Talk), TalkProtocol: slowProtocol, TalkSize: 100, Identities: lighter(200), Window: 512,
		Sources: addresses(x, ports)[:1]})
	a.check = func(t *testing.T, before, after *state) {
		t.Logf("requests for the slow protocol %d, answered empty as %d handlers were busy %d", delta(before, after, engine.InTalkRequest), targetTalks,
			delta(before, after, engine.DropTalkBusy))
		if delta(before, after, engine.InTalkRequest) == 0 {
			t.Error("no TALK request came through")
		}
	}
	return a.attack
}

// generated is an attack by a generator.
type generated struct {
	attack
	g      *load.Generator
	result *load.Result
}

func generatorAttack(t *testing.T, x *target, cfg load.Config) *generated {
	t.Helper()
	g := prepare(t, x, cfg)
	a := &generated{g: g}
	a.run = func(ctx context.Context) (err error) {
		a.result, err = g.Run(ctx, load.Plan{For: load.MaxDuration})
		return err
	}
	a.sent = func() uint64 { return a.result.Total.Sent }
	a.out = func() uint64 { return a.result.Traffic.TxDatagrams }
	a.tells = func() string { return told(a.result) }
	return a
}

// told is what became of a generator's requests.
func told(r *load.Result) string {
	return fmt.Sprintf("%d answered of %d, p50 %v, p99 %v", r.Total.Answered, r.Total.Sent, r.Latency.Quantile(0.5), r.Latency.Quantile(0.99))
}

// delta is how much a counter of the node has risen.
func delta(before, after *state, c engine.Counter) uint64 {
	return after.Counters[c] - before.Counters[c]
}
