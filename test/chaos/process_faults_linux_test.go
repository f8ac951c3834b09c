package chaos

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
)

// kill -9 several times, at random moments, under traffic: each time the bootnode comes back with
// its key, a record that is not older and its known nodes; the peers, whose sessions it has lost,
// make new ones, and have it in their tables. See also TestS23KillNine of the program.
func TestS23KillUnderTraffic(t *testing.T) {
	heavy(t)
	dir := t.TempDir()
	m := newMesh(t, ipv4, 5, launch{dir: dir}, nil)
	eventually(t, "save of all nodes", func() bool { return m.boot.metric(t, `discv5_saves_total{result="ok"}`) > 3 })

	stop, traffic, l := make(chan struct{}), make(chan *account, 1), m.load(4, 50*time.Millisecond)
	go func() { traffic <- l.until(t, stop) }()
	const rounds = 8
	var back []time.Duration
	for range rounds {
		time.Sleep(rand.N(time.Second))
		was := m.boot.record
		made := handshakes(m.nodes)
		m.boot.kill(t)
		time.Sleep(rand.N(500 * time.Millisecond))
		start := time.Now()
		m.boot = m.boot.h.bootnode(t, launch{dir: dir})
		if m.boot.record.ID() != was.ID() || m.boot.record.Seq() < was.Seq() {
			t.Fatalf("record %d of %s after %d of %s", m.boot.record.Seq(), m.boot.record.ID().Short(), was.Seq(), was.ID().Short())
		}
		eventually(t, "bootnode and nodes know each other after kill -9", func() bool {
			for _, n := range m.nodes {
				if k, ok := n.Known(was.ID()); !ok || !k.Live {
					return false
				}
			}
			return m.boot.live(t) == len(m.nodes)
		})
		back = append(back, time.Since(start))
		if handshakes(m.nodes)-made < uint64(len(m.nodes)) {
			t.Errorf("%d handshakes after a restart", handshakes(m.nodes)-made)
		}
	}
	close(stop)
	a := <-traffic
	a.check(t, 0.8)
	m.works(t)
	slices.Sort(back)
	result(t, "%d times: bootnode and %d nodes know each other again after %s, at most %s; meanwhile %v", rounds, len(m.nodes), seconds(back[rounds/2]),
		seconds(back[rounds-1]), a)
}

// S26: a process that stands still for a while and then continues, as on a machine that is
// suspended or in a debugger: work that became due meanwhile does not come in one burst, and the
// sessions are as before.
func TestS26Suspend(t *testing.T) {
	heavy(t)
	for _, f := range []family{ipv4, ipv6} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			const asleep, watch = 10 * time.Second, 2 * time.Second
			m := newMesh(t, f, 8, launch{}, func(c *discv5.Config) { c.Resend = 0 })
			// A node is first checked half a second after it came, and then again about half a
			// minute later: that falls into the time when the process stands still.
			time.Sleep(20 * time.Second)
			before, made := m.boot.metrics(t), handshakes(m.nodes)
			sent, cpu := m.boot.h.sent.Load(), m.boot.cpu(t)
			m.boot.Signal(t, syscall.SIGSTOP)
			// to the process that stands still too
			a := m.load(2, 200*time.Millisecond).run(t, asleep)
			a.check(t, 0.6)
			m.boot.Signal(t, syscall.SIGCONT)
			took := m.nodes[0].answers(t, discv5.ContactOf(m.boot.record), "answer after SIGCONT")
			time.Sleep(watch)
			burst := m.boot.h.sent.Load() - sent
			after := m.boot.metrics(t)
			m.boot.healthy(t)
			diff := func(name string) float64 { return after[name] - before[name] }
			// Packets that came in meanwhile wait in the socket, and each request may be answered.
			// Beyond that there is no reason for more than a check of each node and a lookup or
			// two.
			came, pings := diff("discv5_packets_received_total"), diff(`discv5_messages_sent_total{type="ping"}`)
			if most := uint64(came) + uint64(20*len(m.nodes)); burst > most {
				t.Errorf("%d packets in %v after SIGCONT, for %v that had come", burst, watch, came)
			}
			if int(pings) > 3*len(m.nodes) {
				t.Errorf("%v PING to %d nodes after SIGCONT", pings, len(m.nodes))
			}
			back := m.works(t)
			if again := handshakes(m.nodes) - made; again > 0 {
				t.Errorf("%d handshakes after SIGCONT: sessions were lost", again)
			}
			result(t, "stopped for %s (%v), answers %v after SIGCONT: %d packets in the first %s, for %v that came; %v PING of its own; tables full after %s; "+
				"no new handshake; %s of processor time", seconds(asleep), a, took.Round(time.Millisecond), burst, seconds(watch), came, pings,
				seconds(back), seconds(m.boot.cpu(t)-cpu))
		})
	}
}
