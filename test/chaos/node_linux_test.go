package chaos

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// udpPort is where all nodes listen, each on its host.
const udpPort = 9000

// Settings of the nodes of these tests, where a test does not change them.
const (
	requestTimeout = time.Second
	resend         = 2
)

// echo is the protocol that answers a TALKREQ with its payload.
const echo = "echo"

// node is a node on a host.
type node struct {
	*discv5.Node
	h      *host
	config discv5.Config
}

// node starts a node with sockets for all addresses of the host, whose record names the host's
// addresses.
func (h *host) node(t *testing.T, change func(*discv5.Config), boot ...*enr.Record) *node {
	t.Helper()
	cfg := discv5.Config{
		PacketConns: h.listen(t, udpPort), Advertise: h.endpoints(), Bootnodes: discv5.Contacts(boot...),
		RequestTimeout: requestTimeout, Resend: resend, RefreshInterval: 2 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	n := &node{h: h, config: cfg}
	var err error
	h.do(func() { n.Node, err = discv5.New(cfg) }) // there, as it may look at the interfaces
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	n.HandleTalk(echo, func(_ context.Context, r discv5.TalkRequest) []byte { return append([]byte{}, r.Payload...) })
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n
}

// endpoints are where nodes of the host can be reached.
func (h *host) endpoints() (list []netip.AddrPort) {
	for _, a := range []netip.Addr{h.v4, h.v6} {
		if a.IsValid() {
			list = append(list, netip.AddrPortFrom(a, udpPort))
		}
	}
	return list
}

// contact is how others reach a node.
func (n *node) contact() discv5.Contact { return discv5.ContactOf(n.LocalRecord()) }

// answers pings until there is an answer.
func (n *node) answers(t *testing.T, to discv5.Contact, what string) time.Duration {
	t.Helper()
	return eventually(t, what, func() bool {
		_, err := n.Ping(t.Context(), to)
		return err == nil
	})
}

// meets reports whether the table of n has a node, live and at an endpoint.
func (n *node) meets(r *enr.Record, at netip.AddrPort) bool {
	k, ok := n.Known(r.ID())
	return ok && k.Live && k.Addr == at
}

// handshakes is how many handshakes nodes have sent or accepted.
func handshakes(nodes []*node) (sum uint64) {
	for _, n := range nodes {
		c := n.Stats().Counters
		sum += c[engine.HandshakesSent] + c[engine.HandshakesReceived]
	}
	return sum
}

// endpoint is where n is by its record, IPv4 if it has both.
func (n *node) endpoint() netip.AddrPort {
	if a, ok := n.LocalRecord().UDPEndpoint4(); ok {
		return a
	}
	a, _ := n.LocalRecord().UDPEndpoint6()
	return a
}
