package engine

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/sha3"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/rlp"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// oddRecord signs a record of an endpoint that has one entry more, or another one, with any value.
func oddRecord(t testing.TB, key *enr.PrivateKey, addr netip.AddrPort, entry, value string) *enr.Record {
	t.Helper()
	pub := key.PublicKey()
	pairs := map[string]string{
		"id": "\x82v4", "secp256k1": string(rlp.AppendString(nil, pub[:])),
		"ip": string(rlp.AppendString(nil, addr.Addr().AsSlice())), "udp": string(rlp.AppendUint64(nil, uint64(addr.Port()))),
	}
	pairs[entry] = value
	keys := make([]string, 0, len(pairs))
	for k := range pairs {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	content := rlp.AppendUint64(nil, 1)
	for _, k := range keys {
		content = append(rlp.AppendString(content, []byte(k)), pairs[k]...)
	}
	h := sha3.NewLegacyKeccak256()
	h.Write(rlp.AppendListHeader(nil, len(content)))
	h.Write(content)
	sig, err := key.Sign((*[32]byte)(h.Sum(nil)))
	if err != nil {
		t.Fatal(err)
	}
	payload := append(rlp.AppendString(nil, sig[:]), content...)
	r, err := enr.Parse(append(rlp.AppendListHeader(nil, len(payload)), payload...))
	if err != nil {
		t.Fatalf("%s = %x: %v", entry, value, err)
	}
	return r
}

// TestS19OddRecordIsServed: a node whose record has an entry that does not fit is answered, serves
// as bootnode, comes in NODES, and is relayed with the same bytes. Nobody sends to where the entry
// points.
func TestS19OddRecordIsServed(t *testing.T) {
	mapped := "\x90" + strings.Repeat("\x00", 10) + "\xff\xff\x34\x10\x63\x01"
	for _, c := range []struct{ name, key, value string }{
		{"udp6 of 0", "udp6", "\x80"},
		{"udp6 of 70000", "udp6", "\x83\x01\x11\x70"},
		{"tcp of 0", "tcp", "\x80"},
		{"tcp of 70000", "tcp", "\x83\x01\x11\x70"},
		{"tcp6 of 70000", "tcp6", "\x83\x01\x11\x70"},
		{"tcp as text", "tcp", "\x8530303"},
		{"tcp is a list", "tcp", "\xc1\x05"},
		{"ip6 IPv4-mapped", "ip6", mapped},
		{"ip6 empty", "ip6", "\x80"},
		{"ip6 of 4 bytes", "ip6", "\x84\x34\x10\x63\x01"},
		{"quic of 0", "quic", "\x80"},
		{"eth2 of 3 bytes", "eth2", "\x83abc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			odd := nw.add("52.16.0.1:9000", func(cfg *Config) {
				cfg.Record = oddRecord(t, cfg.Key, netip.MustParseAddrPort("52.16.0.1:9000"), c.key, c.value)
			})
			odd.rec = odd.e.Record()
			a, b := nw.add("52.17.0.1:9000", nil, odd.peer()), nw.add("52.18.0.1:9000", nil, odd.peer())
			nw.Tap = func(_, to netip.AddrPort, _ []byte) {
				if nw.nodes[to] == nil {
					t.Errorf("a datagram to %v", to)
				}
			}
			nw.run(40 * time.Second)
			for _, n := range []*node{a, b} {
				if _, s, ok := n.e.Table().Get(odd.rec.ID()); !ok || !s.Live {
					t.Errorf("%v does not have the node in its table: %+v", n.addr, s)
				}
				if _, s, ok := odd.e.Table().Get(n.rec.ID()); !ok || !s.Live {
					t.Errorf("the node does not have %v in its table: %+v", n.addr, s)
				}
			}
			found := func(from *node, distance int) bool {
				r := b.call(Request{Type: codec.TypeFindNode, Peer: from.peer(), Distances: []uint{uint(distance)}})
				return r.Err == nil && slices.ContainsFunc(r.Records, func(r *enr.Record) bool { return bytes.Equal(r.Bytes(), odd.rec.Bytes()) })
			}
			if !found(odd, 0) {
				t.Error("the node's own record does not come")
			}
			if !found(a, enr.LogDistance(a.rec.ID(), odd.rec.ID())) {
				t.Error("the record is not relayed as it is")
			}
		})
	}
}

// TestS19NoEndpointIsNotContacted: a record whose only endpoint does not fit stands, and nobody
// sends because of it.
func TestS19NoEndpointIsNotContacted(t *testing.T) {
	for _, c := range []struct{ name, key, value string }{
		{"udp of 0", "udp", "\x80"},
		{"udp of 70000", "udp", "\x83\x01\x11\x70"},
		{"ip empty", "ip", "\x80"},
		{"ip of 16 bytes", "ip", "\x90" + strings.Repeat("\x00", 10) + "\xff\xff\x34\x10\x63\x01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, s := nw.add("10.0.0.1:9000", nil), nw.scriptedPeer("10.0.0.9:9000", 7).listen()
			s.connect(a)
			var r *enr.Record
			for seed := uint64(500); r == nil || enr.LogDistance(s.Record.ID(), r.ID()) != 256; seed++ {
				key, err := enr.GenerateKey(wiretest.Reader(seed))
				if err != nil {
					t.Fatal(err)
				}
				r = oddRecord(t, key, netip.MustParseAddrPort("52.16.0.1:9000"), c.key, c.value)
			}
			if _, err := a.e.PeerOf(r); err == nil {
				t.Error("it has an endpoint")
			}
			hear := nw.Tap
			nw.Tap = func(from, to netip.AddrPort, b []byte) {
				hear(from, to, b)
				if to != a.addr && to != s.Addr {
					t.Errorf("a datagram to %v", to)
				}
			}
			q := s.ask(a)
			q.answer(s, 1, DropNodeRelay, r)
			nw.run(20 * time.Second)
			if len(q.got) != 1 || len(q.got[0].Records) != 0 {
				t.Errorf("ended with %+v", q.got)
			}
		})
	}
}
