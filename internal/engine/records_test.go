package engine

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// TestS10UnprovenFamily: a record that names a second address is relayed over the family where the
// node answered, and over the other one only once it has answered there too.
func TestS10UnprovenFamily(t *testing.T) {
	nw := newNetwork(t)
	server := nw.add("52.16.0.1:9000", nil)
	v6 := netip.MustParseAddrPort("[2a00:1450::1]:9000")
	nw.nodes[v6], server.second = server, v6
	claimant, rec := nw.dualStack(t, "52.16.1.7:9000", "[2a00:1450::7]:9000")
	claimed := claimant.addr
	delete(nw.nodes, claimed)
	claimant.addr = netip.MustParseAddrPort("52.16.1.7:9000")
	nw.nodes[claimant.addr] = claimant
	if r := claimant.ping(server); r.Err != nil {
		t.Fatal(r.Err)
	}
	distance := uint(enr.LogDistance(server.e.ID(), rec.ID()))
	relayed := func(from string) bool {
		asker := nw.add(from, nil)
		p := server.peer()
		if asker.addr.Addr().Is6() {
			p.Addr = v6
		}
		r := asker.call(Request{Type: codec.TypeFindNode, Peer: p, Distances: []uint{distance}})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		for _, found := range r.Records {
			if found.ID() == rec.ID() {
				return true
			}
		}
		return false
	}
	nw.run(20 * time.Second) // the server checks its table
	if _, s, ok := server.e.table.Get(rec.ID()); !ok || !s.Live {
		t.Fatalf("the claimant is not live: %+v", s)
	}
	if !relayed("52.16.2.1:9000") {
		t.Error("not relayed over the family where it answers")
	}
	if relayed("[2a00:1450:0:2::1]:9000") {
		t.Error("relayed over a family where it has never answered")
	}
	// Now it is there, and is checked again after a while.
	nw.nodes[claimed], claimant.second = claimant, claimed
	for i := 0; ; i++ {
		if _, s, _ := server.e.table.Get(rec.ID()); s.Proven == netaddr.IPv4.Set()|netaddr.IPv6.Set() {
			break
		}
		if i == 100 {
			t.Fatal("the second address is never checked")
		}
		server.e.table.Demote(nw.now, rec.ID()) // so that it is checked soon
		nw.run(10 * time.Second)
	}
	if !relayed("[2a00:1450:0:3::1]:9000") {
		t.Error("not relayed over the second family although it has answered there")
	}
}

// TestS13BadRecordAmongGoodOnes: a record that does not verify, or that has an unknown scheme, is
// skipped; those around it are used.
func TestS13BadRecordAmongGoodOnes(t *testing.T) {
	nw := newNetwork(t)
	a, s := nw.add("10.0.0.1:9000", nil), nw.stranger("10.0.0.9:9000", 7).listen()
	s.connect(a)
	peer := Peer{ID: s.Record.ID(), PublicKey: s.Key.PublicKey(), Addr: s.Addr, Record: s.Record}
	first := nw.stranger("10.0.0.50:1", 51).Record
	distance := enr.LogDistance(s.Record.ID(), first.ID())
	second := first
	for seed := uint64(52); second == first; seed++ {
		if r := nw.stranger("10.0.0.51:1", seed).Record; enr.LogDistance(s.Record.ID(), r.ID()) == distance {
			second = r
		}
	}
	signature := bytes.Clone(first.Bytes())
	signature[len(signature)-1] ^= 1 // the port: the signature does not fit any more
	scheme := bytes.Replace(first.Bytes(), []byte("v4"), []byte("v9"), 1)
	for name, bad := range map[string][]byte{"signature": signature, "scheme": scheme} {
		s.got = nil
		var got []Result
		a.w.Begin(nw.now)
		a.w.Start(Request{Type: codec.TypeFindNode, Peer: peer, Distances: []uint{uint(distance)}, Done: func(_ *Worker, r Result) { got = append(got, r) }})
		nw.deliver()
		var m codec.FindNode
		_, body, err := codec.SplitMessage(s.reply())
		if err != nil || m.Decode(body) != nil {
			t.Fatal("no FINDNODE")
		}
		dropped := a.e.Counters()[DropNodeRecord]
		answer := codec.Nodes{RequestID: m.RequestID, Total: 1, Records: bytes.Join([][]byte{first.Bytes(), bad, second.Bytes()}, nil)}
		nw.inject(s.Addr, a, s.message(s.Record.ID(), a, s.Keys, answer.Append(nil)))
		if len(got) != 1 || got[0].Err != nil || len(got[0].Records) != 2 {
			t.Fatalf("%s: ended with %+v, want both good records", name, got)
		}
		if n := a.e.Counters()[DropNodeRecord] - dropped; n != 1 {
			t.Errorf("%s: %d records counted as bad", name, n)
		}
	}
}
