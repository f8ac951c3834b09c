package filter

import (
	"fmt"
	"testing"

	"github.com/fastdisc/discv5/fastpath/filter"
)

// TestSessionsSurviveJunk: while junk has emptied the buckets, the requests of peers with sessions
// are answered, and so are requests of the node to nodes that it has never talked to.
func TestSessionsSurviveJunk(t *testing.T) {
	for _, mode := range []filter.Mode{filter.Socket, filter.TC, filter.XDP} {
		for _, c := range []struct{ name, listen, node, peer, other, junk string }{
			{"IPv4", "10.1.0.1:9000", "10.1.0.1:9000", "10.65.%d.1:9000", "10.66.%d.1:9000", "10.1.0.1:9000"},
			{"IPv4 wildcard", "0.0.0.0:9000", "10.1.0.1:9000", "10.65.%d.1:9000", "10.66.%d.1:9000", "10.1.0.1:9000"},
			{"IPv6 wildcard", "[::]:9000", "[fd01::1]:9000", "[fd64:65:0:%d::1]:9000", "[fd64:66:0:%d::1]:9000", "[fd01::1]:9000"},
		} {
			t.Run(fmt.Sprintf("%v/%s", mode, c.name), func(t *testing.T) {
				l := newLab(t)
				node, f := l.start(t, filter.Config{Mode: mode, PrefixRate: rate(1, 1), TotalRate: rate(1, 40)}, c.listen)
				needFilter(t, f, mode)
				if i := f.Info(); i.Mode != mode.String() || i.Reason != "" {
					t.Fatalf("%v", i)
				}
				peer := l.peer(t, fmt.Sprintf(c.peer, 1))
				eventually(t, "a session", func() bool { return tryPing(peer, node) == nil })
				stop := l.junk(t, c.junk, 100)
				eventually(t, "junk has emptied the buckets", func() bool {
					s := f.Stats()
					return s.DroppedTotal > 1000 && s.DroppedPrefix > 100
				})
				for i := range 200 {
					ping(t, peer, node, fmt.Sprintf("request %d of a session", i))
				}
				for i := range 5 {
					ping(t, node, l.peer(t, fmt.Sprintf(c.other, i)), "a request to a new node")
				}
				stop()
				s := f.Stats()
				if s.PassedHeld < 200 || s.Missed != 0 || s.Held < 6 {
					t.Errorf("counts %+v", s)
				}
				if got := node.Stats(); got.Filter.PassedHeld < 200 {
					t.Errorf("the node's counts: %+v", got.Filter)
				}
				// The kernel took junk from the sockets.
				read := node.Stats().Sockets.RxDatagrams
				if read > s.PassedHeld+s.PassedHandshake+s.PassedNew {
					t.Errorf("%d datagrams were read, %+v passed", read, s)
				}
				node.Close()
				if last := f.Stats(); last.DroppedTotal < s.DroppedTotal || last.Held != 0 {
					t.Errorf("after Close: %+v", last)
				}
			})
		}
	}
}
