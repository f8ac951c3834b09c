package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// addPrivatePeers offers 60 peers of one private /24 to n's table and returns how many it takes.
func addPrivatePeers(t *testing.T, n *node) (members int) {
	t.Helper()
	for i := range 60 {
		key, err := enr.GenerateKey(wiretest.Reader(uint64(i) + 7000))
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 9, byte(1 + i)}), 9000)
		rec, err := enr.NewBuilder().SetIP(addr.Addr()).SetUDP(addr.Port()).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		n.w.offerVerified(rec, addr, true, byOwner)
	}
	return n.e.Table().Len()
}

// S33: the table exempts peers at private addresses only while this node is private itself, or by
// setting.
func TestS33ExemptWhenPrivate(t *testing.T) {
	few, all := 20, 40 // of 60: with the limits, and without them as far as buckets hold them
	for _, tt := range []struct {
		name    string
		addr    string
		setting ExemptPrivate
		public  bool
		exempt  bool
	}{
		{"public node", "8.8.8.2:9000", ExemptAuto, false, false},
		{"public node of IPv6", "[2a00:1:2::2]:9000", ExemptAuto, false, false},
		{"private node", "192.168.1.2:9000", ExemptAuto, false, true},
		{"private node of a private IPv6 network", "[fd00::2]:9000", ExemptAuto, false, true},
		{"loopback node", "127.0.0.1:9000", ExemptAuto, false, true},
		{"private record, public socket", "192.168.1.2:9000", ExemptAuto, true, false},
		{"public node, always", "8.8.8.2:9000", ExemptAlways, false, true},
		{"private node, never", "192.168.1.2:9000", ExemptNever, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nw := newNetwork(t)
			n := nw.add(tt.addr, func(c *Config) { c.ExemptPrivate, c.Public = tt.setting, tt.public })
			got := addPrivatePeers(t, n)
			if tt.exempt && got < all || !tt.exempt && got > few {
				t.Errorf("%d of 60 peers of one private /24 are members", got)
			}
			if n.e.Private() != tt.exempt {
				t.Errorf("Private = %v", n.e.Private())
			}
		})
	}
}

// S33: a node that learns a public address ends the exemption, and one that loses it is private
// again.
func TestS33ExemptionFollowsTheRecord(t *testing.T) {
	nw := newNetwork(t)
	n := nw.add("192.168.1.2:9000", nil)
	set := func(addr string) {
		if err := n.e.UpdateRecord(func(b *enr.Builder) { b.SetIP(netip.MustParseAddr(addr)) }); err != nil {
			t.Fatal(err)
		}
	}
	set("8.8.8.2")
	if got := addPrivatePeers(t, n); got > 20 {
		t.Errorf("%d of 60 private peers are members of a node that has become public", got)
	}
	set("192.168.1.2")
	if got := addPrivatePeers(t, n); got < 40 {
		t.Errorf("%d of 60 private peers are members of a node that has become private", got)
	}
	n.e.SetPublic(true)
	if n.e.Private() {
		t.Error("SetPublic does not count")
	}
}

// S38: a flood under names of one private /24 is limited at a public node like that of any other
// network, and leaves room for others. A private node does not limit its own network.
func TestS38PrivateSourcesAreLimited(t *testing.T) {
	for _, tt := range []struct {
		name, addr  string
		least, most int // challenges
	}{
		{"public node", "8.8.8.2:9000", 900, 1000},
		{"private node", "192.168.1.2:9000", 5000, 5000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nw := newNetwork(t)
			b := nw.add(tt.addr, func(c *Config) {
				c.Unverified = limiter.New(limiter.Config{Rates: limiter.Unverified(), Seed: 1})
				c.Session.MaxChallenges = 8192
			})
			evil := nw.scriptedPeer("203.0.113.1:1", 7)
			for i := range 5000 {
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), uint16(1000+i))
				b.w.Receive(nw.now, from, evil.message(enr.ID{1: byte(i), 2: byte(i >> 8)}, b, nil, nil))
			}
			nw.Queue = nil
			if c := int(b.e.Counters()[WhoareyouSent]); c < tt.least || c > tt.most {
				t.Errorf("%d challenges for 5000 messages of one private /24, want %d to %d", c, tt.least, tt.most)
			}
			a := nw.add("9.9.9.9:9000", nil)
			if r := a.ping(b); r.Err != nil {
				t.Errorf("another network: %v", r.Err)
			}
		})
	}
}

// S17: a quota of the handshake queue belongs to a prefix: addresses of one network use one quota,
// and other networks keep theirs.
func TestS17QueueQuotaIsByPrefix(t *testing.T) {
	const size = 64
	for _, tt := range []struct {
		name string
		addr func(i int) string
		want int
	}{
		{"one address", func(int) string { return "20.1.2.3" }, size / 2},
		{"addresses of a /24", func(i int) string { return fmt.Sprintf("20.1.2.%d", i) }, size / 2},
		{"addresses of a /48", func(i int) string { return fmt.Sprintf("2a00:1:2:%x::1", i) }, size / 2},
		{"/24s of a /16", func(i int) string { return fmt.Sprintf("20.1.%d.1", i) }, size / 2},
		{"/48s of a /32", func(i int) string { return fmt.Sprintf("2a00:1:%x::1", i) }, size / 2},
		{"a private /24", func(i int) string { return fmt.Sprintf("192.168.1.%d", i) }, size / 2},
		{"loopback", func(i int) string { return fmt.Sprintf("127.0.0.%d", i) }, size / 2},
		{"many networks", func(i int) string { return fmt.Sprintf("20.%d.1.1", i) }, size},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q taskQueue
			q.init(size)
			var held []*task
			for i := range 200 {
				j, cause := q.reserve(netip.MustParseAddr(tt.addr(i)))
				switch {
				case j != nil:
					held = append(held, j)
				case tt.want < size && cause != DropInboundQuota:
					t.Fatalf("refused for %v", cause.Info())
				}
			}
			if len(held) != tt.want {
				t.Errorf("%d of %d tasks, want %d", len(held), size, tt.want)
			}
			other, _ := q.reserve(netip.MustParseAddr("30.1.1.1"))
			if (other != nil) != (tt.want < size) {
				t.Errorf("room for another network: %v", other != nil)
			}
			if other != nil {
				held = append(held, other)
			}
			for _, j := range held {
				q.release(j)
			}
			for range size / 2 {
				if j, _ := q.reserve(netip.MustParseAddr("40.1.1.1")); j == nil {
					t.Fatal("what was released is not free")
				}
			}
		})
	}
	// Beyond half, a network that has none yet gets its quota.
	var q taskQueue
	q.init(size)
	for i := range size / 2 {
		q.reserve(netip.MustParseAddr(fmt.Sprintf("20.%d.1.1", i)))
	}
	n := 0
	for i := range size {
		if j, _ := q.reserve(netip.MustParseAddr(fmt.Sprintf("30.1.1.%d", i))); j != nil {
			n++
		}
	}
	if n != size/siteQuota {
		t.Errorf("a /24 got %d of a queue that is half full, want %d", n, size/siteQuota)
	}
}

func TestExemptPrivateText(t *testing.T) {
	for x := ExemptAuto; x <= ExemptNever; x++ {
		var back ExemptPrivate
		if err := back.UnmarshalText([]byte(x.String())); err != nil || back != x {
			t.Errorf("%v reads back as %v, %v", x, back, err)
		}
	}
	var x ExemptPrivate
	if err := x.UnmarshalText([]byte("sometimes")); !errors.Is(err, ErrExemptPrivate) {
		t.Errorf("error %v", err)
	}
}
