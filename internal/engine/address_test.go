package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// An endpoint from a router or from the operator stands against any number of peers, until it is
// released.
func TestPinnedAddress(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", func(c *Config) { c.ReachWait = time.Minute })
	known := netip.MustParseAddrPort("8.8.4.4:9000")
	said := netip.MustParseAddrPort("9.9.9.9:9000")
	said6 := netip.MustParseAddrPort("[2a02::1]:9000")
	vote := func() {
		a.agree(DefaultDetectAddress, said)
		a.agree(DefaultDetectAddress, said6)
	}
	a.e.PinAddress(netaddr.IPv4, true)
	if err := a.e.UpdateRecord(func(b *enr.Builder) { b.SetIP(known.Addr()).SetUDP(known.Port()) }); err != nil {
		t.Fatal(err)
	}
	vote()
	nw.run(2 * time.Second)
	r := a.e.Record()
	nw.run(2 * time.Second)
	if again := a.e.Record(); again != r {
		t.Errorf("votes made a new record of the same, with sequence number %d", again.Seq())
	}
	if got, _ := r.UDPEndpoint4(); got != known {
		t.Errorf("IPv4 is %v although it is pinned to %v", got, known)
	}
	if got, _ := r.UDPEndpoint6(); got != said6 {
		t.Errorf("IPv6 is %v, not what peers say, %v", got, said6)
	}
	// Many speak against the detected IPv6 address, and it is revoked. The pinned one was not
	// detected.
	nw.run(70 * time.Second)
	a.missed(DefaultReachMisses)
	nw.run(2 * time.Second)
	if _, ok := a.e.Record().UDPEndpoint6(); ok {
		t.Error("the IPv6 address was not revoked")
	}
	if got, _ := a.e.Record().UDPEndpoint4(); got != known {
		t.Errorf("IPv4 is %v after a while", got)
	}
	a.e.PinAddress(netaddr.IPv4, false)
	vote()
	nw.run(2 * time.Second)
	if got, _ := a.e.Record().UDPEndpoint4(); got != said {
		t.Errorf("IPv4 is %v after it was unpinned, want %v", got, said)
	}

	// A pin that comes while votes are being counted wins.
	a.e.PinAddress(netaddr.IPv4, true)
	if a.w.setEndpoint(0, known, AddressChanged) {
		t.Error("votes set a pinned address")
	}
	if got, _ := a.e.Record().UDPEndpoint4(); got != said {
		t.Errorf("IPv4 is %v", got)
	}
}
