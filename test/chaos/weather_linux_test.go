package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
)

// weather is a fault of the whole network, and what it may cost.
type weather struct {
	name  string
	fault fault
	// answered is the least share of calls that have to be answered with two tries more.
	// docs/CHAOS.md has the expected values; this leaves room for chance.
	answered float64
	// calm: nothing is lost or altered, so no session may need another handshake.
	calm bool
}

var weathers = []weather{
	{"loss", fault{loss: 0.3}, 0.75, false},
	{"delay", fault{delay: 200 * time.Millisecond, jitter: 50 * time.Millisecond}, 0.98, true},
	{"reorder", fault{reorder: 0.4}, 0.98, true},
	{"duplicate", fault{duplicate: 0.4}, 0.98, true},
	{"corrupt", fault{corrupt: 0.2}, 0.75, false},
	{"all", fault{loss: 0.1, duplicate: 0.1, corrupt: 0.05, reorder: 0.2, delay: 100 * time.Millisecond, jitter: 50 * time.Millisecond}, 0.8, false},
}

// How many nodes there are around the bootnode, and for how long the fault lasts.
const (
	weatherNodes = 5
	weatherTime  = 10 * time.Second
)

// A network that loses, delays, reorders, doubles or alters packets: every call ends, exactly once
// and in its time; as many are answered as the fault lets through; no answer is wrong; and when the
// fault has gone, so has all that it did.
func TestWeather(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		for _, w := range weathers {
			t.Run(w.name+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				m := newMesh(t, f, weatherNodes, launch{}, nil)
				m.endure(t, w, func() { m.setFault(w.fault) }, func() { m.setFault(fault{}) })
			})
		}
	}
}

// The same with the faults of the kernel instead of those of the fabric.
func TestNetem(t *testing.T) {
	heavy(t)
	probe := newFabric(t).host(t, "10.7.0.1")
	if out, err := probe.space.Run("tc", "qdisc", "add", "dev", device, "root", "netem", "loss", "1%"); err != nil {
		t.Skipf("probed for netem (sch_netem), which the kernel lacks: tc: %s", strings.TrimSpace(out))
	}
	for _, f := range []family{ipv4, ipv6} {
		w := weathers[len(weathers)-1]
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, f, weatherNodes, launch{}, nil)
			tc := func(args ...string) {
				for _, h := range m.hosts() {
					if out, err := h.space.Run(append([]string{"tc", "qdisc"}, args...)...); err != nil {
						t.Errorf("tc %v: %v %s", args, err, out)
					}
				}
			}
			m.endure(t, w,
				func() { tc(append([]string{"add", "dev", device, "root", "netem"}, w.fault.netem()...)...) },
				func() { tc("del", "dev", device, "root") })
		})
	}
}

func (m *mesh) hosts() (list []*host) {
	for _, n := range m.nodes {
		list = append(list, n.h)
	}
	return append(list, m.boot.h)
}

// endure puts a load on the network while a fault lasts.
func (m *mesh) endure(t *testing.T, w weather, begin, end func()) {
	before, began := handshakes(m.nodes), time.Now()
	begin()
	a := m.load(8, 200*time.Millisecond).run(t, weatherTime)
	again := handshakes(m.nodes) - before
	came := m.join(t)
	end()
	a.check(t, w.answered)
	if w.calm && again > 0 && shared.stallsSince(began) == 0 {
		t.Errorf("%d handshakes, although every packet arrived", again)
	}
	m.boot.healthy(t)
	back := m.works(t)
	after := m.load(8, 200*time.Millisecond).run(t, 2*time.Second)
	after.check(t, 1)
	result(t, "%v: %v; %d handshakes; a new node had an answer of everybody after %s; tables full %s after the fault, then %.1f %% of %d calls answered. Fabric: %v",
		w.fault, a, again, seconds(came), seconds(back), 100*after.share(), after.calls(), &m.tally)
}

// join starts one more node, and returns how long it took until everybody had answered it. Its
// handshakes are made in the weather that there is.
func (m *mesh) join(t *testing.T) time.Duration {
	known := m.records()
	start := time.Now()
	n := m.host(t, m.family.addr(len(m.nodes)+2)...).node(t, nil, m.boot.record)
	for _, r := range known {
		n.answers(t, discv5.ContactOf(r), "answer to a new node")
	}
	m.nodes = append(m.nodes, n)
	return time.Since(start)
}
