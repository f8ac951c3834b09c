package simnet

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
)

// The tests of this file create situations in which an engine that breaks a rule is caught.

// A flood from unverified sources, each with another address and ID, fills the challenge table and
// nothing else.
func TestUnverifiedFloodStaysInBounds(t *testing.T) {
	n := ForTest(t, Config{Seed: 12, Conditions: Conditions{Delay: Always(10 * time.Millisecond)}})
	a := addNode(t, n, NodeConfig{})
	attacker, err := n.Listen(SocketConfig{})
	if err != nil {
		t.Fatal(err)
	}
	before := n.Checks().Bounds
	dest := [32]byte(a.ID())
	limit := a.machine.Load().config.Session.MaxChallenges
	for i := range 5 * limit {
		h := session.Header{Protocol: codec.DefaultProtocol, Source: [32]byte{byte(i), byte(i >> 8), 1}}
		binary.BigEndian.PutUint32(h.Nonce[:], uint32(i))
		d := h.AppendUnopenable(nil, &dest, make([]byte, 40))
		from := netip.AddrFrom4([4]byte{100, byte(i >> 8), byte(i), 1})
		attacker.SendFrom(netip.AddrPortFrom(from, 9000), a.Addr(), d)
	}
	n.Run(20 * time.Millisecond)
	if c := a.engine().Sessions().Stats().Challenges; c < limit*9/10 || c > limit {
		t.Errorf("%d challenges are out, want %d: this tests nothing", c, limit)
	}
	if n.Checks().Bounds-before < uint64(5*limit) {
		t.Error("the bounds were not looked at during the flood")
	}
}

// A node that makes a handshake and is gone before it was asked anything is relayed to nobody.
func TestNewNodeThatIsGoneIsNotRelayed(t *testing.T) {
	n := ForTest(t, Config{Seed: 13, Conditions: Conditions{Delay: Always(10 * time.Millisecond)}})
	server, asker, known := addNode(t, n, NodeConfig{}), addNode(t, n, NodeConfig{}), addNode(t, n, NodeConfig{})
	for _, nd := range []*Node{asker, known} {
		if r := nd.ping(server); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	n.Run(2 * settling)
	gone := addNode(t, n, NodeConfig{})
	if r := gone.ping(server); r.Err != nil {
		t.Fatal(r.Err)
	}
	gone.Crash()
	if _, _, ok := server.engine().Table().Get(gone.ID()); !ok {
		t.Fatal("not in the table: this tests nothing")
	}
	distance := func(nd *Node) uint { return uint(enr.LogDistance(server.ID(), nd.ID())) }
	r := asker.findNode(server, distance(known), distance(gone))
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	found := make(map[enr.ID]bool)
	for _, rec := range r.Records {
		found[rec.ID()] = true
	}
	if !found[known.ID()] || found[gone.ID()] {
		t.Errorf("the known node was relayed: %v; the one that is gone: %v", found[known.ID()], found[gone.ID()])
	}
	if n.Checks().Relay == 0 {
		t.Error("the audit has seen no record")
	}
}
