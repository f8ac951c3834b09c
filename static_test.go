package discv5

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/limits"
)

// static is what n says of a static node.
func static(t *testing.T, n *Node, id enr.ID) StaticNode {
	t.Helper()
	for _, s := range n.StaticNodes() {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("node %s is no static node", id.Short())
	return StaticNode{}
}

// A static node is contacted as long as the program runs: less and less often while it does not
// answer, and it is back soon after it does, whatever became of its record.
func TestStaticNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		sent := 0
		gone := netip.MustParseAddrPort("10.0.2.1:9000")
		peer := onWire(t, w, 2, nil)
		key, record := peer.cfg.PrivateKey, peer.LocalRecord()
		enode := enr.Enode{PublicKey: key.PublicKey(), Addr: gone.Addr(), UDP: gone.Port()}
		byURL, err := EnodeContact(enode, gone)
		if err != nil {
			t.Fatal(err)
		}
		n := onWire(t, w, 1, func(c *Config) { c.StaticNodes = []Contact{byURL} })
		defer n.Close()
		time.Sleep(5 * time.Second)
		if s := static(t, n, key.ID()); !s.Live || s.Err != nil || s.Record == nil || s.Answered.IsZero() || s.Trusted {
			t.Fatalf("after 5 s: %+v", s)
		}
		if k, ok := n.Known(key.ID()); !ok || !k.Live {
			t.Error("it is not in the table")
		}
		// It is gone for two hours.
		peer.Close()
		w.SetRoute(func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) {
			if to == gone {
				sent++
			}
			return from, to, true
		})
		time.Sleep(2 * time.Hour)
		if s := static(t, n, key.ID()); s.Live || !errors.Is(s.Err, ErrTimeout) || s.Failures < 20 || s.Failures > 50 || time.Until(s.Next) > 6*time.Minute {
			t.Errorf("after two hours: %+v", s)
		}
		if sent < 20 || sent > 600 { // with those of the lookups that refresh the table
			t.Errorf("%d packets in two hours", sent)
		}
		peer = onWire(t, w, 2, func(c *Config) { c.PrivateKey, c.Previous = key, record })
		time.Sleep(6 * time.Minute)
		if s := static(t, n, key.ID()); !s.Live || s.Failures != 0 {
			t.Errorf("after its return: %+v", s)
		}
		if err := peer.UpdateRecord(func(b *enr.Builder) { b.SetUint("x", 1) }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := static(t, n, key.ID()); s.Record == nil || s.Record.Seq() != peer.LocalRecord().Seq() {
			t.Errorf("its new record is not known: %+v", s)
		}
		if !n.RemoveStaticNode(key.ID()) || n.RemoveStaticNode(key.ID()) || len(n.StaticNodes()) != 0 {
			t.Error("it was not removed once")
		}
		peer.Close()
	})
}

// No limit by prefix and no rate limit keeps trusted nodes out, bans of their IDs do not last, and
// other nodes have the limits for themselves.
func TestTrustedNodesAreExempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		at := func(host byte) string {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, host}), 9000).String()
		}
		n := onWireAt(t, w, "8.8.8.8:9000", func(c *Config) { c.DetectAddress = -1 })
		defer n.Close()
		const each = 16
		var trusted, others []*Node
		for i := range byte(each) {
			trusted = append(trusted, onWireAt(t, w, at(10+i), nil))
			others = append(others, onWireAt(t, w, at(100+i), func(c *Config) { c.Bootnodes = Contacts(n.LocalRecord()) }))
			defer trusted[i].Close()
			defer others[i].Close()
			if err := n.AddTrustedNode(ContactOf(trusted[i].LocalRecord())); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		count := func(list []*Node) (members int) {
			for _, o := range list {
				if k, ok := n.Known(o.ID()); ok && k.Member && k.Live {
					members++
				}
			}
			return members
		}
		// All are at a /24 that has room for ten nodes; some may share a bucket of 16.
		if got := count(trusted); got < each-2 {
			t.Errorf("%d of %d trusted nodes are in the table", got, each)
		}
		if got := count(others); got == 0 || got > 10 {
			t.Errorf("%d other nodes of the /24 are in the table", got)
		}
		first := trusted[0]
		if err := n.Ban(limits.NodeTarget([32]byte(first.ID())), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Ping(t.Context(), contact(n)); err != nil {
			t.Errorf("a trusted node that is banned by its ID: %v", err)
		}
		for range 500 { // more than the rate limit of requests takes at a time
			if _, err := first.Ping(t.Context(), contact(n)); err != nil {
				t.Fatalf("a trusted node is limited: %v", err)
			}
		}
		n.RemoveStaticNode(first.ID())
		if _, err := first.Ping(t.Context(), contact(n)); !errors.Is(err, ErrTimeout) {
			t.Errorf("a node that is trusted no longer, and banned: %v", err)
		}
	})
}

// A node that cannot be kept is refused. The error has its number in the Config.
func TestStaticNodesRefused(t *testing.T) {
	key := keysAt(t, enr.ID{}, 256, 1)[0]
	self, err := enr.NewBuilder().SetIP(netip.MustParseAddr("10.0.0.1")).SetUDP(1).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   error
	}{
		"nobody":             {func(c *Config) { c.StaticNodes = []Contact{{}} }, ErrNoEndpoint},
		"itself":             {func(c *Config) { c.TrustedNodes = Contacts(self) }, ErrSelf},
		"nobody, as trusted": {func(c *Config) { c.TrustedNodes = []Contact{ContactOf(nil)} }, ErrNoEndpoint},
	} {
		cfg := Config{PrivateKey: key, Conns: []fastpath.Conn{newWire().Conn(netip.MustParseAddrPort("10.0.0.1:1"))}}
		c.change(&cfg)
		if n, err := New(cfg); !errors.Is(err, c.want) || !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				n.Close()
			}
		}
	}
	n, err := New(Config{PrivateKey: key, Conns: []fastpath.Conn{newWire().Conn(netip.MustParseAddrPort("10.0.0.1:1"))}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	at := netip.MustParseAddrPort("10.0.0.2:1")
	for i := range MaxStaticNodes + 1 {
		err := n.AddStaticNode(ContactAt(enr.ID{byte(i >> 8), byte(i), 1}, at))
		if full := i == MaxStaticNodes; full != errors.Is(err, ErrStaticNodes) || !full && err != nil {
			t.Fatalf("node %d: %v", i+1, err)
		}
	}
	if err := n.AddStaticNode(ContactOf(self)); !errors.Is(err, ErrSelf) {
		t.Errorf("itself: %v", err)
	}
}
