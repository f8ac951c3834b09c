package chaos

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// others are nodes that a test's node meets. Their own record stays as it is.
func (f *fabric) others(t *testing.T, v6 bool, n int) (list []*node) {
	t.Helper()
	var boot []*enr.Record
	for i := range n {
		o := f.host(t, publicAddr(v6, i+1, 1)).node(t, func(c *discv5.Config) { c.DetectAddress = -1 }, boot...)
		list = append(list, o)
		boot = []*enr.Record{list[0].LocalRecord()}
	}
	return list
}

// met waits until all nodes have another one in their tables, at an address.
func met(t *testing.T, list []*node, n *node, addr string) time.Duration {
	t.Helper()
	at := netip.AddrPortFrom(netip.MustParseAddr(addr), udpPort)
	return eventually(t, fmt.Sprintf("node in all tables at %v", at), func() bool {
		for _, o := range list {
			if !o.meets(n.LocalRecord(), at) {
				return false
			}
		}
		return true
	})
}

// A node that starts before its host has an address advertises that when it comes, another one when
// it changes, and none but that of its loopback interface when it has gone. Peers learn of it. No
// privileges, no signal and no votes are needed.
func TestFollowAddresses(t *testing.T) {
	heavy(t)
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[v6], func(t *testing.T) {
			t.Parallel()
			f := newFabric(t)
			list := f.others(t, v6, 3)
			h := f.host(t)
			n := h.follows(t, list[0].LocalRecord())
			if a := n.named(v6); a.IsValid() && !a.Addr().IsLoopback() {
				t.Fatalf("the record names %v, and the host has no address", a)
			}
			first, second := publicAddr(v6, 9, 1), publicAddr(v6, 8, 7)
			h.number(t, first)
			came := n.names(t, v6, first)
			joined := met(t, list, n, first)

			seq := n.LocalRecord().Seq()
			h.number(t, second)
			changed := n.names(t, v6, second)
			moved := met(t, list, n, second)
			if got := n.LocalRecord().Seq() - seq; got == 0 || got > 2 {
				t.Errorf("%d new records for one change", got)
			}

			// An interface that flaps costs no record.
			seq = n.LocalRecord().Seq()
			h.number(t)
			time.Sleep(3 * time.Second)
			h.number(t, second)
			time.Sleep(3 * time.Second)
			if got := n.LocalRecord().Seq() - seq; got != 0 || n.named(v6).Addr().String() != second {
				t.Errorf("%d new records because an address was away for 3 s; now %v", got, n.named(v6))
			}
			h.number(t)
			gone := eventually(t, "record without the address", func() bool {
				a := n.named(v6)
				return !a.IsValid() || a.Addr().IsLoopback()
			})
			result(t, "named after %s, in all tables after %s more; changed after %s, and %s more; gone after %s", seconds(came), seconds(joined),
				seconds(changed), seconds(moved), seconds(gone))
		})
	}
}

// An address goes while peers have sessions with it. The node's requests to them leave from another
// one, which is counted; peers reach it there.
func TestAddressGone(t *testing.T) {
	heavy(t)
	for _, c := range allHomes[:2] {
		for _, portable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/portable=%v", c.family.name, portable), func(t *testing.T) {
				t.Parallel()
				f := newFabric(t)
				h := f.host(t, c.family.addr(1)...)
				first := c.family.addr(1)[0]
				h.more(t, c.second, c.dev, "")
				change := func(cfg *discv5.Config) {
					alone(cfg)
					cfg.Portable = portable
				}
				x := h.node(t, change)
				y := f.host(t, c.family.addr(2)...).node(t, change)
				y.meetsAt(t, x, first, c.second)
				y.answers(t, x.at(t, c.second), "answer from the second address")
				s := f.watchSources(h)
				if _, err := x.Ping(t.Context(), y.contact()); err != nil {
					t.Error(err)
				}
				s.only(t, "request", c.second)

				h.less(t, c.second, c.dev)
				x.answers(t, y.contact(), "answer to a request of the node")
				s.only(t, "request without the second address", first)
				y.answers(t, x.at(t, first), "answer from the first address")
				if st := x.Stats().Sockets; st.LocalFallbacks == 0 || st.SendErrors.Sum() != 0 {
					t.Errorf("counted %+v", st)
				}
				result(t, "%d datagrams left from the other address", x.Stats().Sockets.LocalFallbacks)
			})
		}
	}
}

// A bootnode process that starts before its host has an address follows it, and continues after a
// reload of its settings.
func TestFollowAddressesBootnode(t *testing.T) {
	heavy(t)
	f := newFabric(t)
	h := f.host(t)
	b := h.bootnode(t, launch{args: []string{"--addr", fmt.Sprintf(":%d", udpPort)}})
	for i, addr := range []string{"10.7.0.9", "10.7.0.10"} {
		h.number(t, addr)
		took := eventually(t, "bootnode's log of its record", func() bool { return b.Log.Lines("record changed") > i })
		if err := b.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "settings read", func() bool { return b.Log.Lines("settings were reloaded") > i })
		n := f.host(t, fmt.Sprintf("10.7.0.%d", 50+i)).node(t, nil, b.record)
		n.answers(t, contactAt(t, b.record, addr), "answer of the bootnode at "+addr)
		got, err := n.FindNode(t.Context(), contactAt(t, b.record, addr), 0)
		if err != nil || len(got) != 1 {
			t.Fatalf("the bootnode's record: %v, %v", got, err)
		}
		if a, _ := got[0].UDPEndpoint4(); a.Addr().String() != addr {
			t.Errorf("the bootnode's record names %v, want %s", a, addr)
		}
		result(t, "address %d named after %s", i+1, seconds(took))
	}
}
