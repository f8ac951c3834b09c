package discv5

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

// These tests cover the API that the bootnode needs besides: bootnodes and an endpoint that come
// later, and latencies.

func TestSetBootnodes(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	if err := b.SetBootnodes(Contacts(a.LocalRecord())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new bootnode is live", func() bool { return b.Stats().Live > 0 })
	if err := b.SetBootnodes([]Contact{{}}); !errors.Is(err, ErrConfig) || !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("contact without an address: %v", err)
	}
	// Its first PING was answered after a handshake, and both sides have timed it.
	eventually(t, "a PING and a handshake are timed", func() bool {
		l := b.Latency()
		return l[LatencyPing].Count() > 0 && l[LatencyInitiated].Count() > 0
	})
	if _, err := a.Ping(context.Background(), ContactOf(b.LocalRecord())); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other's PING is timed", func() bool { l := a.Latency(); return l[LatencyPing].Count() > 0 })
}

func TestSetEndpoint(t *testing.T) {
	n := loopback(t, "127.0.0.1:0", nil)
	was := n.LocalRecord()
	for _, bad := range []string{"0.0.0.0:1", "224.0.0.1:1", "198.18.0.1:0", "[ff02::1]:1"} {
		if err := n.SetEndpoint(netip.MustParseAddrPort(bad)); !errors.Is(err, ErrEndpoint) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if n.LocalRecord() != was {
		t.Error("an error changed the record")
	}
	v4, v6 := netip.MustParseAddrPort("198.18.0.1:4000"), netip.MustParseAddrPort("[2001:db8::1]:5000")
	for _, a := range []netip.AddrPort{netip.MustParseAddrPort("[::ffff:198.18.0.1]:4000"), v6} {
		if err := n.SetEndpoint(a); err != nil {
			t.Fatal(err)
		}
	}
	r := n.LocalRecord()
	if got4, got6 := endpoints(r); got4 != v4 || got6 != v6 || r.Seq() <= was.Seq() {
		t.Errorf("record names %v and %v, sequence number %d after %d", got4, got6, r.Seq(), was.Seq())
	}
	if err := n.SetEndpoint(v4); err != nil || n.LocalRecord() != r {
		t.Errorf("the same endpoint again made a new record (%v)", err)
	}
	n.ReleaseEndpoint(IPv4)
	if n.LocalRecord() != r {
		t.Error("ReleaseEndpoint changed the record")
	}
}
