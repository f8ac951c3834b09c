package load

import (
	"fmt"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
)

// transport is a way to move datagrams.
type transport struct {
	name            string
	noGSO, portable bool
}

var transports = []transport{{"gso", false, false}, {"batches", true, false}, {"portable", true, true}}

// whole checks what holds of every run in which the target answers all. A handshake may be lost on
// a machine so busy that its challenge ends before it is made, and may come through all the same.
func whole(t *testing.T, r *Result) {
	t.Helper()
	lost := uint64(0)
	for _, k := range r.Kinds {
		if k.Kind == Handshake {
			lost = k.Lost
		}
	}
	if r.Total.Sent == 0 || r.Total.Answered+lost != r.Total.Sent || r.Total.Lost != lost || r.Pending != 0 || r.Total.Unsent != 0 {
		t.Errorf("counted %+v, %d pending", r.Total, r.Pending)
	}
	if lost > 0 {
		t.Logf("%d handshakes were lost", lost)
		return
	}
	if r.Events.Bad() != 0 || r.Events.Late != 0 {
		t.Errorf("events %+v", r.Events)
	}
	if r.Latency.Count() != int64(r.Total.Answered) || r.Latency.Max() <= 0 {
		t.Errorf("%d latencies up to %v for %d answers", r.Latency.Count(), r.Latency.Max(), r.Total.Answered)
	}
	var sum, points Counts
	for _, k := range r.Kinds {
		sum.Add(k.Counts)
	}
	for _, p := range r.Points {
		points.Add(p.Counts)
	}
	if sum != r.Total || points != r.Total {
		t.Errorf("kinds sum up to %+v, points to %+v, want %+v", sum, points, r.Total)
	}
	if n := r.Traffic.SendErrors.Sum(); n != 0 {
		t.Errorf("%d packets not sent", n)
	}
}

// Every kind, in both loops and by all transports: each request is answered, and the node has
// counted what the generator has.
func TestModes(t *testing.T) {
	for _, c := range []modeCase{
		{Ping, engine.InPing, 64, 4000},
		{FindNode, engine.InFindNode, 64, 4000},
		{Talk, engine.InTalkRequest, 64, 4000},
		{Handshake, engine.HandshakesReceived, 8, 100},
		{Junk, engine.WhoareyouSent, 16, 1000},
		{RegTopic, engine.InRegTopic, 64, 4000},
		{TopicQuery, engine.InTopicQuery, 64, 4000},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			t.Parallel()
			n, to := node(t, "127.0.0.1:0", func(c *discv5.Config) { c.Sockets, c.Topics.Registrar = 2, true })
			for _, open := range []bool{false, true} {
				for _, by := range transports {
					t.Run(fmt.Sprintf("open %v %s", open, by.name), func(t *testing.T) { c.run(t, n, to, open, by) })
				}
			}
		})
	}
}

type modeCase struct {
	kind    Kind
	counter engine.Counter // of the node: what it was asked
	window  int
	rate    float64
}

func (c modeCase) run(t *testing.T, n *discv5.Node, to Target, open bool, by transport) {
	cfg := Config{
		Target: to, Mix: Only(c.kind), Identities: 5, Sockets: 4, Window: c.window, Timeout: enough,
		DisableGSO: by.noGSO, Portable: by.portable, TalkSize: 100, Tickets: EarlyTickets,
	}
	plan := Plan{For: patience, Requests: uint64(4*c.window + 3)}
	want := plan.Requests
	if open {
		cfg.Window, cfg.Rate = 0, c.rate
		plan = Plan{For: 60 * time.Millisecond}
		want = uint64(c.rate * 0.06)
	}
	g := generate(t, cfg)
	p := prepare(t, g)
	if want := 5 * btoi(cfg.Mix.sessions()); p.Sessions != want || p.Latency.Count() != int64(want) {
		t.Fatalf("%d sessions, %d latencies, want %d", p.Sessions, p.Latency.Count(), want)
	}
	before := n.Stats().Counters[c.counter]
	r := load(t, g, plan)
	whole(t, r)
	if r.Total.Lost > 0 {
		return
	}
	if after := n.Stats().Counters[c.counter]; after-before != r.Total.Sent || r.Total.Sent != want {
		t.Errorf("the node counted %d, the generator %d, want %d", after-before, r.Total.Sent, want)
	}
	challenges := r.Total.Sent * uint64(btoi(!c.kind.inSession()))
	if r.Events.Whoareyou != challenges || r.Events.Rekeys != 0 {
		t.Errorf("%d WHOAREYOU, want %d; %d sessions renewed", r.Events.Whoareyou, challenges, r.Events.Rekeys)
	}
	i := g.Info()
	if (i.GSOReason == "") != i.GSO || by.noGSO && i.GSOReason != "disabled" || by.portable && i.Path != fastpath.PathPortable {
		t.Errorf("info %+v", i)
	}
	if !open && i.GSO && c.window == 64 && r.Traffic.TxBatches == r.Traffic.TxDatagrams {
		t.Errorf("%d packets in as many calls, with GSO batches of %d", r.Traffic.TxBatches, i.GSOBatch)
	}
}

// A mix sends each kind by its weight.
func TestMixed(t *testing.T) {
	t.Parallel()
	_, to := node(t, "127.0.0.1:0", nil)
	mix := Mix{Ping: 4, FindNode: 3, Talk: 2, Handshake: 1, Junk: 2}
	for _, cfg := range []Config{{Window: 24}, {Rate: 1500}, {Rate: 1500, Poisson: true}, {Window: 24, Workers: 3, Sockets: 6}, {Rate: 1500, Workers: 2}} {
		cfg.Target, cfg.Mix, cfg.Identities, cfg.Timeout, cfg.GSOBatch = to, mix, 10, enough, 1
		g := generate(t, cfg)
		prepare(t, g)
		r := load(t, g, Plan{For: patience, Requests: 240})
		whole(t, r)
		if len(r.Kinds) != mix.kinds() {
			t.Fatalf("%d kinds", len(r.Kinds))
		}
		for _, k := range r.Kinds {
			if k.Lost > 0 {
				continue
			}
			want := uint64(240 / 12 * mix[k.Kind])
			if spread := uint64(cfg.Workers); k.Sent+spread < want || k.Sent > want+spread {
				t.Errorf("%v: %d, want %d", k.Kind, k.Sent, want)
			}
			if k.Latency.Count() != int64(k.Answered) {
				t.Errorf("%v: %d latencies for %d answers", k.Kind, k.Latency.Count(), k.Answered)
			}
		}
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	_, to := node(t, "[::1]:0", func(c *discv5.Config) { c.Topics.Registrar = true })
	if !to.Addr.Addr().Is6() {
		t.Fatalf("target at %v", to.Addr)
	}
	for _, by := range transports {
		g := generate(t, Config{Target: to, Mix: Mix{1, 1, 1, 1, 1, 1, 1}, Identities: 10, Window: 10, Timeout: enough, DisableGSO: by.noGSO, Portable: by.portable})
		prepare(t, g)
		whole(t, load(t, g, Plan{For: patience, Requests: 100}))
	}
}

// Requests come from as many addresses and ports as were asked for.
func TestSources(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	addrs, ports := map[string]bool{}, map[uint16]bool{}
	f.answer = func(r *fakeRequest) {
		addrs[r.from.Addr().String()] = true
		ports[r.from.Port()] = true
		usual(r)
	}
	f.serve()
	g, err := New(Config{Target: to, Mix: Only(Ping), Identities: 60, Window: 10, Sources: LoopbackSources(20), Sockets: 40, Timeout: enough})
	if err != nil {
		t.Skipf("probed for addresses of 127.0.0.0/8: %v", err)
	}
	defer g.Close()
	prepare(t, g)
	whole(t, load(t, g, Plan{For: patience, Requests: 300}))
	f.conn.Close()
	if len(addrs) != 20 || len(ports) < 20 {
		t.Errorf("%d addresses, %d ports", len(addrs), len(ports))
	}
}
