package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// A response first has the records that the requester can use: those with an endpoint of its
// address family.
func TestAnswerHoldsUsableRecordsFirst(t *testing.T) {
	nw := newNetwork(t)
	b := nw.add("8.8.8.2:9000", nil)
	count := map[string]int{}
	for i := uint64(0); count["4"] < 20 || count["6"] < 4; i++ {
		key, err := enr.GenerateKey(wiretest.Reader(9000 + i))
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{30 + byte(i>>8), byte(i), 1, 1}), 9000)
		kind := "4"
		if i%6 == 0 {
			addr, kind = netip.MustParseAddrPort(fmt.Sprintf("[2a00:%x::1]:9000", 1+i)), "6"
		}
		builder := enr.NewBuilder().SetIP(addr.Addr())
		if kind == "4" {
			builder.SetUDP(addr.Port())
		} else {
			builder.SetUDP6(addr.Port())
		}
		r, err := builder.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if d := enr.LogDistance(b.e.ID(), r.ID()); d < 254 || count[kind] == 20 && kind == "4" || count[kind] == 4 && kind == "6" {
			continue
		}
		b.e.Table().Add(0, table.NewNode(r, addr, false))
		b.e.Table().MarkLive(time.Second, r.ID(), addr)
		count[kind]++
	}
	id := [32]byte{1}
	for _, tt := range []struct {
		from  string
		first string // family
		want  int
	}{{"9.9.9.9:9000", "4", 16}, {"[2a00:ffff::1]:9000", "6", 4}} {
		t.Run(tt.first, func(t *testing.T) {
			for range 20 { // chance picks where there are too many
				p := peer{from: netip.MustParseAddrPort(tt.from), id: &id}
				d, _, err := codec.NewDistances(nil, []uint{256, 255, 254, 0})
				if err != nil {
					t.Fatal(err)
				}
				n := b.w.gather(&p, d)
				seen := map[enr.ID]bool{}
				usable, own := 0, 0
				for i := range n {
					r, err := enr.Parse(b.w.records[i])
					if err != nil {
						t.Fatal(err)
					}
					if seen[r.ID()] {
						t.Fatal("a record twice")
					}
					seen[r.ID()] = true
					if r.ID() == b.e.ID() {
						own++
						continue
					}
					a, has4 := r.UDPEndpoint4()
					if has4 && a.IsValid() == (tt.first == "4") || !has4 && tt.first == "6" {
						if usable++; usable+own != i+1 {
							t.Fatalf("record %d comes after one of the other family", i)
						}
					}
				}
				if n != maxNodes || usable != tt.want {
					t.Fatalf("%d records, %d of them usable; want %d and %d", n, usable, maxNodes, tt.want)
				}
			}
		})
	}
}

// TestS43NodesFitLeastPathMTU: the packets of a NODES answer over IPv6 need no fragments, whatever
// path MTU somebody has made the system believe, which for IPv6 is at least 1,280 bytes.
func TestS43NodesFitLeastPathMTU(t *testing.T) {
	const leastMTU = 1280
	for _, tt := range []struct {
		name, asker, other string
		most               int // bytes of a packet
	}{
		{"IPv6", "[2a00:1::1]:9000", "[2a00:2::2]:9000", leastMTU - ipv6Headers},
		{"IPv4", "8.8.8.1:9000", "8.8.8.2:9000", codec.MaxPacketSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nw := newNetwork(t)
			a, b := nw.add(tt.asker, nil), nw.add(tt.other, nil)
			fillWithLargeRecords(t, b)
			largest, total := 0, 0
			nw.Tap = func(from, _ netip.AddrPort, p []byte) {
				if from == b.addr {
					largest, total = max(largest, len(p)), total+1
				}
			}
			res := a.call(Request{Type: codec.TypeFindNode, Peer: b.peer(), Distances: []uint{256}})
			if res.Err != nil || len(res.Records) != maxNodes {
				t.Fatalf("%d records, %v", len(res.Records), res.Err)
			}
			if largest > tt.most || total < maxNodes/4 {
				t.Errorf("largest of %d packets has %d bytes, more than %d", total, largest, tt.most)
			}
			if tt.most == codec.MaxPacketSize && largest <= leastMTU-ipv6Headers {
				t.Errorf("records are too small to fill packets: %d bytes", largest)
			}
		})
	}
}

// fillWithLargeRecords fills the bucket at distance 256 with live nodes of n's family, whose
// records fill packets to the brim.
func fillWithLargeRecords(t *testing.T, n *node) {
	t.Helper()
	for i, added := uint64(0), 0; added < maxNodes; i++ {
		key, err := enr.GenerateKey(wiretest.Reader(5000 + i))
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{30 + byte(i), byte(i), 1, 1}), 9000)
		b := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(addr.Port())
		if n.addr.Addr().Is6() {
			addr = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, 1, byte(i), byte(i), 0, 1, 15: 1}), 9000)
			b = enr.NewBuilder().SetIP(addr.Addr()).SetUDP6(addr.Port())
		}
		// Four records of this size fill a packet, and are too much for one over IPv6.
		const size = 290
		r, err := b.Sign(key)
		for pad := 0; err == nil && len(r.Bytes()) < size; pad++ {
			r, err = b.SetBytes("x", make([]byte, pad)).Sign(key)
		}
		if err != nil {
			t.Fatal(err)
		}
		if enr.LogDistance(n.e.ID(), r.ID()) != 256 {
			continue
		}
		n.e.Table().Add(0, table.NewNode(r, addr, false))
		n.e.Table().MarkLive(time.Second, r.ID(), addr)
		added++
	}
}

// S09: a datagram without the mark of the protocol is counted and left unchanged for others. One
// with the mark and another fault is not.
func TestS09MalformedIsNotForeign(t *testing.T) {
	nw := newNetwork(t)
	b, s := nw.add("10.0.0.2:9000", nil), nw.scriptedPeer("10.0.0.9:9", 7)
	good := s.message(s.Key.ID(), b, nil, nil)
	id := [32]byte(b.e.ID())
	// header alters bytes of the header, which begins behind the IV and the mask.
	header := func(change func(h []byte)) []byte {
		d := bytes.Clone(good)
		codec.MaskHeader(d, codec.MessageHeaderSize, &id)
		change(d[codec.IVSize:])
		codec.MaskHeader(d, codec.MessageHeaderSize, &id)
		return d
	}
	for _, c := range []struct {
		name    string
		d       []byte
		want    Counter
		foreign bool
	}{
		{"junk", bytes.Repeat([]byte{7}, 100), DropProtocol, true},
		{"too short", good[:20], DropSize, true},
		{"too long", append(bytes.Clone(good), make([]byte, codec.MaxPacketSize)...), DropSize, true},
		{"other version", header(func(h []byte) { h[7] ^= 1 }), DropProtocol, true},
		{"unknown flag", header(func(h []byte) { h[8] = 9 }), DropFlag, false},
		{"authdata size", header(func(h []byte) { h[21], h[22] = 0, 31 }), DropAuthSize, false},
		{"no message", good[:codec.MessageHeaderSize], DropNoMessage, false},
	} {
		came := bytes.Clone(c.d)
		before := b.e.Counters()
		ours := b.w.Receive(nw.now, s.Addr, c.d)
		after := b.e.Counters()
		if ours == c.foreign || after[c.want] != before[c.want]+1 || after[PacketsOut] != before[PacketsOut] {
			t.Errorf("%s: taken for a packet of this protocol %v, counted %d under its cause", c.name, ours, after[c.want]-before[c.want])
		}
		if c.foreign && !bytes.Equal(c.d, came) {
			t.Errorf("%s: was altered", c.name)
		}
	}
}

// A node with two addresses answers from the one that received the request, and contacts a peer
// from the address at which the peer last reached it.
func TestVia(t *testing.T) {
	nw := newNetwork(t)
	first, second := netip.MustParseAddrPort("10.0.0.1:9000"), netip.MustParseAddrPort("10.0.0.99:9000")
	a := nw.add(first.String(), func(c *Config) {
		c.LocalAddr = func(v Via) netip.Addr {
			return map[Via]netip.Addr{1: first.Addr(), 7: second.Addr()}[v]
		}
	})
	a.homes = map[Via]netip.AddrPort{1: first, 7: second}
	nw.nodes[second] = a
	b := nw.add("10.0.0.2:9000", nil)

	var from []netip.AddrPort
	nw.Tap = func(f, to netip.AddrPort, _ []byte) {
		if to == b.addr {
			from = append(from, f)
		}
	}
	expect := func(what string, want netip.AddrPort, datagrams int) {
		t.Helper()
		if len(from) != datagrams {
			t.Errorf("%s: %d datagrams, want %d", what, len(from), datagrams)
		}
		for i, f := range from {
			if f != want {
				t.Errorf("%s: datagram %d left from %v, want %v", what, i, f, want)
			}
		}
		from = nil
	}
	at := func(home netip.AddrPort) Request {
		// With the record, the peer would test the endpoint that the record states.
		p := Peer{ID: a.e.ID(), PublicKey: a.key.PublicKey(), Addr: home}
		return Request{Type: codec.TypePing, Peer: p}
	}
	if r := b.call(at(second)); r.Err != nil {
		t.Fatal(r.Err)
	}
	expect("WHOAREYOU and PONG to a peer that asked the second address", second, 2)
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	expect("request to a peer that reached the second address", second, 1)
	if r := b.call(at(first)); r.Err != nil {
		t.Fatal(r.Err)
	}
	from = nil // the peer has no session with that address, which is another endpoint
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	expect("request to a peer that reached the first address", first, 1)

	if got := a.e.LocalAddr(7); got != second.Addr() {
		t.Errorf("LocalAddr(7) = %v, want %v", got, second.Addr())
	}
	if got := a.e.LocalAddr(0); got.IsValid() {
		t.Errorf("LocalAddr(0) = %v, want none", got)
	}
	if got := b.e.LocalAddr(1); got.IsValid() {
		t.Errorf("LocalAddr without a hook = %v, want none", got)
	}
}

// A handshake of this node's own leaves from where the WHOAREYOU arrived.
func TestViaOfHandshake(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", func(c *Config) {
		r, err := enr.NewBuilder().Sign(c.Key) // of no endpoint that the peer would test
		if err != nil {
			t.Fatal(err)
		}
		c.Record = r
	})
	b := nw.add("10.0.0.2:9000", nil)
	first, second := a.addr, netip.MustParseAddrPort("10.0.0.99:9000")
	nw.nodes[second] = a
	a.homes = map[Via]netip.AddrPort{3: second}
	var from []netip.AddrPort
	nw.Tap = func(f, to netip.AddrPort, _ []byte) {
		if to == b.addr {
			from = append(from, f)
		}
	}
	a.addr = second // the choice of the PacketWriter for the first packet
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	a.addr = first
	if r := a.ping(b); r.Err != nil {
		t.Fatal(r.Err)
	}
	if len(from) != 3 {
		t.Errorf("%d datagrams, want a random packet, a handshake and a PING", len(from))
	}
	for i, f := range from {
		if f != second {
			t.Errorf("datagram %d left from %v, want %v", i, f, second)
		}
	}
}
