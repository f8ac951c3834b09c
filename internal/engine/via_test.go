package engine

import (
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// A node with two addresses answers from the one that was asked, and asks a peer from where that
// peer last reached it.
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
	a.addr = second // the outbox's own choice for the first packet
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
