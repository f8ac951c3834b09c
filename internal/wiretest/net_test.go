package wiretest

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/fastpath"
)

var (
	addrA = netip.MustParseAddrPort("10.0.0.1:1")
	addrB = netip.MustParseAddrPort("10.0.0.2:2")
	addrC = netip.MustParseAddrPort("10.0.0.3:3")
)

// Datagrams arrive in order, those that receivers send included, unless Route, Drop or the test
// does something about it.
func TestNet(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(n *Net)
		want   string
	}{
		{"as it is", func(*Net) {}, "1 2 1+ 2+ "},
		{"dropped", func(n *Net) {
			n.Drop = func(from, to netip.AddrPort, b []byte) bool { return string(b) == "1" }
		}, "2 2+ "},
		{"routed elsewhere", func(n *Net) {
			n.Route = func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) { return from, addrC, true }
		}, ""},
		{"lost on the way", func(n *Net) {
			n.Route = func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) { return from, to, to != addrA }
		}, "1 2 "},
		{"taken by the test", func(n *Net) {
			if d := n.Take(1); string(d.B) != "2" || d.From != addrA {
				t.Errorf("took %+v", d)
			}
		}, "1 1+ "},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := NewNet()
			got, tapped := "", 0
			n.Tap = func(_, _ netip.AddrPort, _ []byte) { tapped++ }
			n.Receive = func(d Datagram) {
				switch d.To {
				case addrA:
					got += string(d.B) + " "
				case addrB:
					got += string(d.B) + " "
					n.Send(addrB, d.From, append(d.B, '+'))
				}
			}
			n.Send(addrA, addrB, []byte("1"))
			n.Send(addrA, addrB, []byte("2"))
			c.change(n)
			if n.Deliver(t); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if c.want != "" && tapped == 0 {
				t.Error("nothing was tapped")
			}
		})
	}
}

func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNet()
		n.Delay = 30 * time.Millisecond
		a, b := n.Conn(addrA), n.Conn(addrB)
		tx, rx := fastpath.NewTx(2, 100), fastpath.NewRx(2, 100)
		send := func(text string) {
			tx.Commit(copy(tx.Buffer(), text), addrB)
			if err := a.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		send("x")
		if err := b.ReadBatch(rx); err != nil || string(rx.Packet(0)) != "x" || rx.Addr(0) != addrA || time.Since(began) != n.Delay {
			t.Errorf("%d datagrams, %v, after %v", rx.Len(), err, time.Since(began))
		}
		n.Locked(func() {
			n.Route = func(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort, bool) { return addrC, to, true }
		})
		send("y")
		if err := b.ReadBatch(rx); err != nil || rx.Addr(0) != addrC {
			t.Errorf("%v, from %v", err, rx.Addr(0))
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.ReadBatch(rx); !errors.Is(err, fastpath.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
