package discv5

import (
	"crypto/rand"
	"errors"
	"math"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// These tests show that the fields of Config reach the packages that use them. The tests of those
// packages show their effect.

// onWire starts a node at 10.0.LAST.1 of w.
func onWire(t *testing.T, w *wiretest.Net, last byte, change func(*Config)) *Node {
	t.Helper()
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, last, 1}), 9000)
	cfg := Config{Conns: []fastpath.Conn{w.Conn(addr)}, MaxSessions: 256, MaxChallenges: 256}
	return startNode(t, cfg, change)
}

// keysAt makes private keys whose node IDs lie at a log distance from id, which must be close to
// 256.
func keysAt(t *testing.T, id enr.ID, distance, count int) (keys []*enr.PrivateKey) {
	t.Helper()
	for len(keys) < count {
		k, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if enr.LogDistance(id, k.ID()) == distance {
			keys = append(keys, k)
		}
	}
	return keys
}

func TestConfigResend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := onWire(t, w, 1, func(c *Config) { c.Resend, c.RefreshInterval = 2, time.Hour })
		defer a.Close()
		b := onWire(t, w, 2, nil)
		to := contact(b)
		b.Close()
		lost := w.Conn(b.Addrs()[0]) // nobody reads from it
		if _, err := a.Ping(t.Context(), to); !errors.Is(err, ErrTimeout) {
			t.Errorf("PING of a silent node: %v", err)
		}
		if n := lost.Waiting(); n != 3 {
			t.Errorf("%d packets were sent, want one and two more", n)
		}
	})
}

// Nodes of another network are not heard, those of the same one are.
func TestConfigProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		other := func(c *Config) {
			c.Protocol = codec.Protocol{ID: [6]byte{'p', 'r', 'i', 'v', 'a', 't'}, Version: 2}
		}
		a, b, public := onWire(t, w, 1, other), onWire(t, w, 2, other), onWire(t, w, 3, nil)
		defer a.Close()
		defer b.Close()
		defer public.Close()
		if _, err := a.Ping(t.Context(), contact(b)); err != nil {
			t.Errorf("within the network: %v", err)
		}
		if _, err := a.Ping(t.Context(), contact(public)); !errors.Is(err, ErrTimeout) {
			t.Errorf("into the other network: %v", err)
		}
	})
}

// A bucket takes only so many nodes that made contact first; the others wait for a slot.
func TestConfigInboundLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := onWire(t, w, 1, func(c *Config) { c.InboundLimit = 2 })
		defer a.Close()
		const count = 6
		for i, k := range keysAt(t, a.ID(), 256, count) {
			n := onWire(t, w, byte(10+i), func(c *Config) { c.PrivateKey = k })
			defer n.Close()
			if _, err := n.Ping(t.Context(), contact(a)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if list := a.Nodes(256); len(list) != 2 || !list[0].Inbound || !list[1].Inbound {
			t.Errorf("%d nodes have a place, want 2", len(list))
		}
		if n := a.Bucket(256).Replacements; n != count-2 {
			t.Errorf("%d nodes wait, want %d", n, count-2)
		}
	})
}

// Nodes and Known are about nodes that have a place in a bucket, and not about those that wait for
// one.
func TestNodesHaveAPlace(t *testing.T) {
	a := loopback(t, "127.0.0.1:0", func(c *Config) { c.RequestTimeout = time.Minute })
	const count = 20
	for i, k := range keysAt(t, a.ID(), 256, count) {
		r, err := enr.NewBuilder().SetIP(netip.MustParseAddr("127.0.0.1")).SetUDP(uint16(1000 + i)).Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.AddNode(r); err != nil {
			t.Errorf("node %d: %v", i+1, err)
		}
	}
	if n := len(a.Nodes(256)); n != 16 {
		t.Errorf("%d nodes of a bucket, want 16", n)
	}
	if n := a.Bucket(256).Replacements; n != count-16 {
		t.Errorf("%d nodes wait", n)
	}
}

// Addresses that nobody may know are not voted on. Peers change no address that was given.
func TestConfigDetectAddress(t *testing.T) {
	given := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:9000")}
	for _, c := range []struct {
		cfg  Config
		want int
	}{
		{Config{}, 0}, {Config{DetectAddress: 5}, 5}, {Config{DetectAddress: -3}, -1},
		{Config{Advertise: given}, 0}, {Config{Advertise: given, DetectAddress: -1}, -1}, {Config{NoEndpoint: true, DetectAddress: 5}, -1},
	} {
		if got := c.cfg.detectAddress(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.cfg, got, c.want)
		}
	}
}

// A requested record enters the table immediately, also in place of an older one.
func TestRequestENRRenewsTable(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	if err := a.AddNode(b.LocalRecord()); err != nil {
		t.Fatal(err)
	}
	to := contact(b)
	eventually(t, "the node is live", func() bool { k, ok := a.Known(b.ID()); return ok && k.Live })
	if err := b.UpdateRecord(func(r *enr.Builder) { r.SetString("client", "new") }); err != nil {
		t.Fatal(err)
	}
	r, err := a.RequestENR(within(t), to)
	if err != nil || r.Seq() != b.LocalRecord().Seq() {
		t.Fatalf("record %v, %v", r, err)
	}
	if k, ok := a.Known(b.ID()); !ok || k.Record.Seq() != r.Seq() {
		t.Errorf("the table has %+v", k)
	}
}

// New bootnodes are contacted immediately, also by a node that has been alone for a long time.
func TestSetBootnodesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a, b := onWire(t, w, 1, func(c *Config) { c.RefreshInterval = time.Hour }), onWire(t, w, 2, nil)
		defer a.Close()
		defer b.Close()
		time.Sleep(2 * time.Hour)
		if err := a.SetBootnodes([]Contact{{}}); !errors.Is(err, ErrConfig) || !errors.Is(err, ErrNoEndpoint) {
			t.Errorf("a bootnode without address: %v", err)
		}
		if err := a.SetBootnodes(Contacts(b.LocalRecord())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := a.Stats().Sessions.Sessions; n != 1 {
			t.Errorf("%d sessions after a second", n)
		}
	})
}

// New refuses values that it cannot use, with ErrConfig, before they cost a socket or memory.
func TestConfigBounds(t *testing.T) {
	for name, c := range map[string]Config{
		"sessions":   {MaxSessions: math.MaxInt},
		"challenges": {MaxChallenges: math.MaxInt},
		"sockets":    {Sockets: fastpath.MaxSockets + 1},
		"zero key":   {PrivateKey: new(enr.PrivateKey)},
	} {
		c.ListenAddrs = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
		if n, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				n.Close()
			}
		}
	}
}

// The default is one socket for each CPU, also where there are more CPUs than sockets that may
// share an address.
func TestConfigManyCPUs(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(fastpath.MaxSockets + 1))
	c, err := Config{}.withDefaults()
	if err != nil || c.Sockets != fastpath.MaxSockets {
		t.Errorf("%d sockets, %v", c.Sockets, err)
	}
}

// New and Validate refuse the same listen addresses, with the same words.
func TestListenAddrsChecked(t *testing.T) {
	list := func(s string) (addrs []netip.AddrPort) {
		for _, a := range strings.Fields(s) {
			addrs = append(addrs, netip.MustParseAddrPort(a))
		}
		return addrs
	}
	const port = ":29311"
	for _, tt := range []struct{ name, addrs, want string }{
		{"twice", "127.0.0.1" + port + " 127.0.0.1" + port, "listed twice"},
		{"mapped twin", "127.0.0.1" + port + " [::ffff:127.0.0.1]" + port, "listed twice"},
		{"all and one", "0.0.0.0" + port + " 127.0.0.1" + port, "includes 127.0.0.1"},
		{"one and all", "[::1]" + port + " [::]" + port, "includes [::1]"},
		{"too many", strings.Repeat("127.0.0.1:0 ", maxListen+1), "at most"},
		{"free ports", "127.0.0.1:0 127.0.0.1:0", ""},
		{"families apart", "127.0.0.1" + port + " [::]" + port, ""},
		{"ports apart", "0.0.0.0:29312 127.0.0.1:29313", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{ListenAddrs: list(tt.addrs), Sockets: 1}
			err := cfg.Validate()
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate: %v", err)
			}
			n, started := New(cfg)
			if started == nil {
				n.Close()
			}
			if started == nil || started.Error() != err.Error() {
				t.Errorf("New says %v, Validate says %v", started, err)
			}
		})
	}
}
