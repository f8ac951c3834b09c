package chaos

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// outage is a fault of the bootnode's own machine.
type outage struct {
	name       string
	begin, end func(t *testing.T, h *host)
	bound      bool // the process listens on its address instead of all
}

var outages = []outage{
	{"interface down",
		func(t *testing.T, h *host) { h.ip(t, "link set "+device+" down") },
		func(t *testing.T, h *host) {
			h.ip(t, "link set "+device+" up")
			h.number(t, h.numbers()...) // the kernel has dropped the IPv6 address and the routes
		}, false},
	{"no route",
		func(t *testing.T, h *host) {
			if h.v4.IsValid() {
				h.ip(t, "route delete default")
			}
			if h.v6.IsValid() {
				h.ip(t, "route delete ::/0 dev "+device)
			}
		},
		func(t *testing.T, h *host) { h.ip(t, h.routes()...) }, false},
	{"no address", loseAddress, renumber, false},
	{"bound address lost", loseAddress, renumber, true},
}

func loseAddress(t *testing.T, h *host) { h.ip(t, "address flush dev "+device+" scope global") }

func renumber(t *testing.T, h *host) { h.number(t, h.numbers()...) }

// numbers are the addresses of the host as text.
func (h *host) numbers() (list []string) {
	for _, a := range h.addrs {
		list = append(list, a.String())
	}
	return list
}

// outageTime is longer than it takes until nodes that are checked again and again begin to leave
// tables.
const outageTime = 12 * time.Second

// The machine of a bootnode loses its interface, its routes or its address, and gets it back. The
// process counts the datagrams that it could not send, logs nothing and uses no CPU time, and is
// back in the network without a restart.
func TestOutage(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		for _, o := range outages {
			t.Run(o.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				m := newMesh(t, f, 4, launch{bound: o.bound}, nil)
				before, lines, cpu := m.boot.metrics(t), m.boot.Log.Lines(), m.boot.cpu(t)
				o.begin(t, m.boot.h)
				// The others keep calling each other, and in vain the bootnode, which tries to
				// reach them.
				a := load{nodes: m.nodes, workers: 4, pause: 100 * time.Millisecond}.run(t, outageTime)
				a.check(t, 1)
				used := m.boot.cpu(t) - cpu
				m.boot.healthy(t)
				during := m.boot.metrics(t)
				unsent := sumOf(during, "discv5_socket_send_errors_total") - sumOf(before, "discv5_socket_send_errors_total")
				// IPv6 sends all the same, from the link-local address or the one that has gone.
				if lost := o.name == "no address" || o.bound; unsent == 0 && !(lost && f.name == "IPv6") {
					t.Error("nothing that could not be sent was counted")
				}
				if sumOf(during, "discv5_socket_read_errors_total") > sumOf(before, "discv5_socket_read_errors_total")+10 {
					t.Errorf("%v read errors", during["discv5_socket_read_errors_total"])
				}
				if used > outageTime/4 {
					t.Errorf("%v of processor time in %v", used, outageTime)
				}
				o.end(t, m.boot.h)
				back := m.works(t)
				var after map[string]float64
				eventually(t, "no more than five goroutines more than before", func() bool {
					after = m.boot.metrics(t)
					return after["go_goroutines"]-before["go_goroutines"] <= 5
				})
				said := m.boot.Log.Lines() - lines
				if said > 5 || m.boot.Log.Lines("ERROR") > 0 {
					t.Errorf("%d lines of the log", said)
				}
				result(t, "%v datagrams not sent, %s of processor time in %s, %d lines of the log; tables full %s after; goroutines %v before, %v after",
					unsent, seconds(used), seconds(outageTime), said, seconds(back), before["go_goroutines"], after["go_goroutines"])
			})
		}
	}
}

// sumOf adds up a metric over its labels.
func sumOf(m map[string]float64, name string) (sum float64) {
	for k, v := range m {
		if len(k) >= len(name) && k[:len(name)] == name && (len(k) == len(name) || k[len(name)] == '{') {
			sum += v
		}
	}
	return sum
}

// A node whose IPv6 leads nowhere, as many have it, is reached over IPv4, and the other way round:
// what is not answered over one family is tried over the other one. (The tables have the node there
// once the next checks have failed, which takes a minute or two.)
func TestDeadFamily(t *testing.T) {
	heavy(t)
	for _, dead := range []string{"IPv4", "IPv6"} {
		t.Run(dead, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, dual, 4, launch{}, func(c *discv5.Config) { c.Resend = 0 })
			victim := m.nodes[0]
			good := netip.AddrPortFrom(victim.h.v6, udpPort)
			if dead == "IPv6" {
				good = netip.AddrPortFrom(victim.h.v4, udpPort)
			}
			m.set(func() {
				for a, p := range m.routes {
					if p == victim.h.port && a != good.Addr() {
						delete(m.routes, a)
					}
				}
			})
			a := m.load(6, 200*time.Millisecond).run(t, 8*time.Second)
			a.check(t, 0.99)
			result(t, "packets to one of 4 nodes are lost over %s: %v", dead, a)
		})
	}
}

// A line that carries one way alone: whoever asks for a handshake gets it asked of him again and
// again, and nothing more. Nobody sends more than a few packets for each call.
func TestHalfOpen(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fab := newFabric(t)
			a, b := fab.host(t, f.addr(1)...).node(t, nil), fab.host(t, f.addr(2)...).node(t, nil)
			open := fab.host(t, f.addr(3)...).node(t, nil)
			for _, n := range []*node{b, open} {
				n.answers(t, a.contact(), "handshake")
				a.answers(t, n.contact(), "handshake")
			}
			fab.set(func() { fab.cut = func(from, to *port) bool { return from == b.h.port && to == a.h.port } })
			sent := fab.tally.packets.Load()
			var both [2]*account
			var all sync.WaitGroup
			for i, l := range []load{{nodes: []*node{a}, others: []*enr.Record{b.LocalRecord()}}, {nodes: []*node{b}, others: []*enr.Record{a.LocalRecord()}}} {
				l.workers, l.pause = 4, 50*time.Millisecond
				all.Go(func() { both[i] = l.run(t, 6*time.Second) })
			}
			all.Wait()
			calls := both[0].calls() + both[1].calls()
			perCall := float64(fab.tally.packets.Load()-sent) / float64(calls)
			for _, x := range both {
				x.check(t, 0)
			}
			if perCall > 20 {
				t.Errorf("%.1f packets for each call", perCall)
			}
			if _, err := open.Ping(t.Context(), a.contact()); err != nil {
				t.Errorf("another node: %v", err)
			}
			fab.set(func() { fab.cut = nil })
			back := max(a.answers(t, b.contact(), "answer when the line carries both ways"), b.answers(t, a.contact(), "answer the other way"))
			result(t, "one way alone: %d calls, %d answered, %.1f packets for each; answers %s after the line carries both ways", calls,
				both[0].answered+both[1].answered, perCall, seconds(back))
		})
	}
}

// A node that is closed while nothing gets through: every call under way ends then, with ErrClosed.
func TestCloseInTheDark(t *testing.T) {
	heavy(t)
	fab := newFabric(t)
	n := fab.host(t, "10.7.0.1").node(t, func(c *discv5.Config) { c.RequestTimeout = time.Hour })
	peer := fab.host(t, "10.7.0.2").node(t, nil)
	n.answers(t, peer.contact(), "handshake")
	fab.setFault(fault{loss: 1})
	ended := make(chan error)
	const calls = 30
	for i := range calls {
		go func() {
			var err error
			switch i % 3 {
			case 0:
				_, err = n.Ping(t.Context(), peer.contact())
			case 1:
				_, err = n.Talk(t.Context(), discv5.ContactOf(absent(t, "10.7.0.9")), echo, nil)
			default:
				_, err = n.Lookup(t.Context(), peer.ID())
			}
			ended <- err
		}()
	}
	eventually(t, "calls under way", func() bool { return n.Stats().Requests >= calls*2/3 })
	start := time.Now()
	n.Close()
	for range calls {
		if err := <-ended; !errors.Is(err, discv5.ErrClosed) {
			t.Errorf("a call ended with %v", err)
		}
	}
	result(t, "%d calls under way, all ended %v after Close", calls, time.Since(start).Round(time.Millisecond))
}
