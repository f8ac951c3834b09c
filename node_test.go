package discv5

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// startNode starts a node with cfg as change, if not nil, changes it. The node is closed when the
// test ends.
func startNode(t testing.TB, cfg Config, change func(*Config)) *Node {
	t.Helper()
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// patient makes a node wait for others on a machine that pauses. A challenge lives for a second: if
// the machine pauses longer within a handshake, only a retry gets an answer.
func patient(c *Config) { c.RequestTimeout, c.Resend = 5*time.Second, 3 }

// loopback starts a patient node on a free loopback port of its own. A request that is to time out
// needs WithTimeout, or Config.Resend 0 and a time of its own.
func loopback(t testing.TB, addr string, change func(*Config)) *Node {
	t.Helper()
	cfg := Config{ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort(addr)}, Sockets: 1}
	patient(&cfg)
	return startNode(t, cfg, change)
}

func contact(n *Node) Contact { return ContactOf(n.LocalRecord()) }

// patience is how long a test waits for something that must happen. A machine under load may need
// many times what it takes otherwise.
const patience = 90 * time.Second

// soon is the timeout of a request that nobody answers.
const soon = 50 * time.Millisecond

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestExchanges(t *testing.T) {
	for _, c := range []struct {
		name, addr string
		change     func(*Config)
	}{
		{"IPv4", "127.0.0.1:0", nil},
		{"IPv6", "[::1]:0", nil},
		{"several sockets", "127.0.0.1:0", func(c *Config) { c.Sockets = 4 }},
		{"portable sockets", "127.0.0.1:0", func(c *Config) { c.Portable = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := loopback(t, c.addr, c.change), loopback(t, c.addr, c.change)
			ctx := within(t)
			pong, err := a.Ping(ctx, contact(b))
			if err != nil {
				t.Fatal(err)
			}
			if pong.Endpoint != a.Addrs()[0] || pong.RecordSeq != b.LocalRecord().Seq() {
				t.Errorf("PONG %+v", pong)
			}
			r, err := b.RequestENR(ctx, contact(a))
			if err != nil || r.ID() != a.ID() {
				t.Errorf("record %v, %v", r, err)
			}
			b.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return append(r.Payload, '!') })
			b.HandleTalk("panic", func(context.Context, TalkRequest) []byte { panic("on purpose") })
			for _, c := range []struct{ protocol, want string }{{"echo", "hello!"}, {"unknown", ""}, {"panic", ""}} {
				got, err := a.Talk(ctx, contact(b), c.protocol, []byte("hello"))
				if err != nil || string(got) != c.want {
					t.Errorf("talk %s: %q, %v; want %q", c.protocol, got, err, c.want)
				}
			}
			if b.TalkPanics() != 1 {
				t.Errorf("%d panics counted", b.TalkPanics())
			}
		})
	}
}

// A contact made of an enode URL has no record; the node fetches what it needs.
func TestContactWithoutRecord(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	e, ok := b.LocalRecord().Enode()
	if !ok {
		t.Fatal("record has no enode form")
	}
	c, err := EnodeContact(e, b.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.RequestENR(within(t), c)
	if err != nil || r.ID() != b.ID() {
		t.Fatalf("record %v, %v", r, err)
	}
}

func TestCallsEnd(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	if _, err := a.Ping(within(t), contact(a)); !errors.Is(err, ErrSelf) {
		t.Errorf("ping to itself: %v", err)
	}
	to := contact(b)
	b.Close()
	if _, err := a.Ping(within(t), to, WithTimeout(soon)); !errors.Is(err, ErrTimeout) {
		t.Errorf("ping to a closed node: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := a.Ping(ctx, to); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled ping: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := a.Ping(context.Background(), to)
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	a.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("ping while closing: %v", err)
	}
	if _, err := a.Ping(context.Background(), to); !errors.Is(err, ErrClosed) {
		t.Errorf("ping after closing: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// Nodes that know one bootnode find each other through it.
func TestBootstrap(t *testing.T) {
	boot := loopback(t, "127.0.0.1:0", nil)
	var nodes []*Node
	for range 5 {
		nodes = append(nodes, loopback(t, "127.0.0.1:0", func(c *Config) {
			c.Bootnodes = Contacts(boot.LocalRecord())
			c.RefreshInterval = time.Second
		}))
	}
	for i, n := range nodes {
		eventually(t, fmt.Sprintf("node %d knows all others", i), func() bool { return n.Stats().Live >= len(nodes) })
	}
	found, err := nodes[0].Lookup(within(t), nodes[4].ID())
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 || found[0].ID() != nodes[4].ID() {
		t.Errorf("lookup found %d nodes, the target is not the first", len(found))
	}
}

func TestRecordSeqNeverFallsBack(t *testing.T) {
	key, err := enr.ParsePrivateKeyHex("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")
	if err != nil {
		t.Fatal(err)
	}
	start := func(prev *enr.Record, advertise string) *enr.Record {
		cfg := Config{PrivateKey: key, ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Previous: prev}
		if advertise != "" {
			cfg.Advertise = []netip.AddrPort{netip.MustParseAddrPort(advertise)}
		}
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		return n.LocalRecord()
	}
	first := start(nil, "192.0.2.1:9000")
	if same := start(first, "192.0.2.1:9000"); same.Seq() != first.Seq() || same.String() != first.String() {
		t.Error("an unchanged record was signed once more")
	}
	if changed := start(first, "192.0.2.2:9000"); changed.Seq() <= first.Seq() {
		t.Errorf("changed record has sequence number %d after %d", changed.Seq(), first.Seq())
	}
}

// One node with a socket of each family talks to nodes that have only one of them, and its record
// names both endpoints.
func TestDualStack(t *testing.T) {
	both := loopback(t, "127.0.0.1:0", func(c *Config) { c.ListenAddrs = append(c.ListenAddrs, netip.MustParseAddrPort("[::1]:0")) })
	four, ok4 := both.LocalRecord().UDPEndpoint4()
	six, ok6 := both.LocalRecord().UDPEndpoint6()
	if addrs := both.Addrs(); !ok4 || !ok6 || len(addrs) != 2 || four != addrs[0] || six != addrs[1] {
		t.Fatalf("the record names %v and %v, the node listens on %v", four, six, addrs)
	}
	for addr, want := range map[string]netip.AddrPort{"127.0.0.1:0": four, "[::1]:0": six} {
		other := loopback(t, addr, nil)
		if p, err := both.Ping(within(t), contact(other)); err != nil || p.Endpoint != want {
			t.Errorf("PING of a node at %s: %+v, %v; want %v", addr, p, err, want)
		}
		if p, err := other.Ping(within(t), contact(both)); err != nil || p.Endpoint != other.Addrs()[0] {
			t.Errorf("PING by a node at %s: %+v, %v", addr, p, err)
		}
	}
}
