package topic

import (
	"bytes"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// model is a naive registrar: it scans lists and computes nothing incrementally. It remembers the
// tickets instead of reading them.
type model struct {
	cfg     Config
	now     time.Duration
	ads     []modelAd
	spent   []modelAd // expired, until no ticket of their chain is valid
	topics  map[Topic]time.Duration
	prefix  map[modelPrefix]time.Duration
	tickets map[[TicketSize]byte]modelTicket
}

type modelAd struct {
	id      enr.ID
	topic   Topic
	record  *enr.Record
	source  netip.Addr // at admission
	expires time.Duration
}

type modelTicket struct {
	ticket
	id     enr.ID
	topic  Topic
	source netip.Addr
	record string
}

type modelPrefix struct {
	family netaddr.Family
	depth  int
	bits   uint64
}

func newModel(cfg Config) *model {
	cfg, _ = cfg.withDefaults()
	return &model{cfg: cfg, topics: map[Topic]time.Duration{}, prefix: map[modelPrefix]time.Duration{},
		tickets: map[[TicketSize]byte]modelTicket{}}
}

func (m *model) advance(now time.Duration) {
	m.now = max(m.now, now)
	for len(m.ads) > 0 && m.ads[0].expires <= m.now {
		m.spent = append(m.spent, m.ads[0])
		m.ads = m.ads[1:]
		m.forget()
	}
	m.spent = slices.DeleteFunc(m.spent, func(a modelAd) bool { return a.expires+m.cfg.Window < m.now })
}

// forget drops the bounds of topics without ads.
func (m *model) forget() {
	for t := range m.topics {
		if m.same(t) == 0 {
			delete(m.topics, t)
		}
	}
}

func (m *model) same(t Topic) (n int) {
	for _, a := range m.ads {
		if a.topic == t {
			n++
		}
	}
	return n
}

func (m *model) global(a netip.Addr) bool { return netaddr.ClassOf(a) == netaddr.Global }

// score is the definition: a counter for each prefix, by counting.
func (m *model) score(a netip.Addr) (points, depth int) {
	k := keyOf(a)
	count := func(depth int) (n int) {
		for _, ad := range m.ads {
			o := keyOf(ad.source)
			if m.global(ad.source) && o.family == k.family && o.bits>>(64-depth) == k.bits>>(64-depth) {
				n++
			}
		}
		return n
	}
	total := count(0)
	for i := 1; i <= int(levels[k.family]); i++ {
		n := count(i)
		if n > 0 {
			depth = i
		}
		if i >= bits.Len(uint(total)) && n >= 1 || i < bits.Len(uint(total)) && n<<i > total {
			points++
		}
	}
	return points, depth
}

func (m *model) register(now time.Duration, q *Request) (v Verdict, quoted ticket) {
	m.advance(now)
	now = m.now
	source := q.Source.Addr().Unmap()
	stated, _ := q.Record.IP4()
	if netaddr.FamilyOf(source) == netaddr.IPv6 {
		stated, _ = q.Record.IP6()
	}
	if stated != source {
		return Verdict{Result: Endpoint}, quoted
	}
	for i, a := range m.ads {
		if a.id == q.ID && a.topic == q.Topic {
			if q.Record.Seq() > a.record.Seq() {
				m.ads[i].record = q.Record
			}
			return Verdict{Result: Known, Wait: (a.expires - now).Truncate(time.Millisecond)}, quoted
		}
	}
	first := now
	v.Result = Waiting
	if len(q.Ticket) > 0 {
		v.Result = BadTicket
		if len(q.Ticket) == TicketSize {
			t, ok := m.tickets[[TicketSize]byte(q.Ticket)]
			ok = ok && t.id == q.ID && t.topic == q.Topic && t.source == source && t.record == string(q.Record.Bytes())
			for _, a := range m.spent {
				ok = ok && !(a.id == q.ID && a.topic == q.Topic && t.first < a.expires)
			}
			switch opens := t.issued + t.wait; {
			case !ok:
			case now < opens-early:
				v.Result = Early
			case now > opens+m.cfg.Window:
				v.Result = Late
			default:
				v.Result, first = Waiting, t.first
			}
		}
	}
	v.Waited = now - first
	if len(m.ads) == m.cfg.Capacity {
		v.Result, v.Need, v.Wait = Full, never, m.cfg.Lifetime
		return v, ticket{first, now, v.Wait}
	}
	c, same := len(m.ads), m.same(q.Topic)
	base := float64(m.cfg.Lifetime) * m.cfg.WaitScale * math.Pow(1-float64(c)/float64(m.cfg.Capacity), -m.cfg.Exponent)
	var ws, wi float64
	if c > 0 {
		ws = base * float64(same) / float64(c)
	}
	points, depth := 0, 0
	key := keyOf(source)
	if m.global(source) {
		points, depth = m.score(source)
		wi = base * float64(points) / float64(levels[key.family])
	}
	p := modelPrefix{key.family, depth, cut(key.bits, uint8(depth))}
	rawS, rawI := saturate(ws), saturate(wi)
	boundS, boundI := m.topics[q.Topic]-now, m.prefix[p]-now
	if !m.global(source) {
		boundI = 0
	}
	v.Need = max(rawS, boundS, 0) + max(rawI, boundI, 0) + saturate(base*m.cfg.Safety)
	rest := v.Need - v.Waited
	if rest <= m.cfg.Slack {
		m.spent = slices.DeleteFunc(m.spent, func(a modelAd) bool { return a.id == q.ID && a.topic == q.Topic })
		m.ads = append(m.ads, modelAd{q.ID, q.Topic, q.Record, source, now + m.cfg.Lifetime})
		v.Result, v.Wait = Admitted, m.cfg.Lifetime
		return v, quoted
	}
	if same > 0 && rawS > boundS {
		m.topics[q.Topic] = now + min(rawS, m.cfg.Lifetime)
	}
	if m.global(source) && rawI > 0 && rawI > boundI {
		m.prefix[p] = now + min(rawI, m.cfg.Lifetime)
	}
	v.Wait = min(millis(rest), m.cfg.Lifetime)
	return v, ticket{first, now, v.Wait}
}

// modelNodes are the advertisers of the comparison. Each has two records; some share prefixes, one
// has both families, two are in private networks.
func modelNodes(t testing.TB) (nodes [][2]*enr.Record) {
	for i, addrs := range [][]string{
		{"8.8.8.1"}, {"8.8.8.2"}, {"8.8.9.3"}, {"8.9.1.1"}, {"60.1.2.3"}, {"200.1.1.1"}, {"200.1.1.1"},
		{"2a00:1450:4001::1"}, {"2a00:1450:4001::2"}, {"2a00:1450:4002::1"}, {"2600:1f18::5"},
		{"8.8.8.77", "2a00:1450:4001::77"}, {"10.1.1.1"}, {"10.1.1.2"},
	} {
		nodes = append(nodes, [2]*enr.Record{signed(t, i, 1, addrs...), signed(t, i, 2, addrs...)})
	}
	return nodes
}

// modelRun drives a registrar and its model by a script, and compares them after each step.
type modelRun struct {
	t     testing.TB
	r     *Registrar
	m     *model
	nodes [][2]*enr.Record
	last  [][]byte // tickets, newest last
	now   time.Duration
}

func newModelRun(t testing.TB, nodes [][2]*enr.Record, shape byte) *modelRun {
	cfg := Config{Capacity: 40, Random: seeded(uint64(shape))}
	switch shape % 3 {
	case 1: // fills up
		cfg.Capacity, cfg.Exponent, cfg.WaitScale = 5, 0.2, 0.001
	case 2:
		cfg.Capacity, cfg.WaitScale, cfg.Lifetime = 16, 0.1, time.Minute
	}
	run := &modelRun{t: t, m: newModel(cfg), nodes: nodes}
	run.r = mustRegistrar(t, cfg)
	run.r.bounds.n = 4096 // evicts nothing, like the model
	return run
}

func (run *modelRun) step(op, a, b byte) {
	run.t.Helper()
	topic := Topic{a >> 6}
	switch op % 8 {
	case 0:
		run.now += time.Duration(a) * time.Duration(b) * 20 * time.Millisecond
	case 1: // back in time
		run.now -= time.Duration(a) * time.Millisecond
	case 2:
		run.remove(run.nodes[int(a)%len(run.nodes)][0].ID())
	default:
		n := run.nodes[int(a&63)%len(run.nodes)]
		q := request(topic, n[b&1])
		if op%8 == 7 { // another of the sender's addresses, or one that is not its own
			q.Source = netip.AddrPortFrom(request(topic, run.nodes[int(b>>1)%len(run.nodes)][0]).Source.Addr(), 1)
		}
		if b>>1&3 != 0 && len(run.last) > 0 {
			q.Ticket = bytes.Clone(run.last[max(0, len(run.last)-1-int(b>>3&7))])
			if b>>1&3 == 3 && b>>6 == 3 {
				q.Ticket[int(a)%len(q.Ticket)] ^= 1 << (b >> 3 & 7)
			}
			if op%8 == 5 { // come in time
				if t, ok := run.m.tickets[[TicketSize]byte(q.Ticket)]; ok {
					run.now = max(run.now, t.issued+t.wait+time.Duration(b)*10*time.Millisecond)
				}
			}
		}
		run.register(q)
	}
	run.compare()
}

func (run *modelRun) remove(id enr.ID) {
	got := run.r.Remove(func(a *Ad) bool { return a.ID == id })
	had := len(run.m.ads)
	run.m.ads = slices.DeleteFunc(run.m.ads, func(a modelAd) bool { return a.id == id })
	run.m.forget()
	if got != had-len(run.m.ads) {
		run.t.Fatalf("removed %d ads, want %d", got, had-len(run.m.ads))
	}
}

func (run *modelRun) register(q *Request) {
	run.t.Helper()
	got := run.r.Register(run.now, q)
	want, next := run.m.register(run.now, q)
	if want.Result == Late && got.Result == BadTicket {
		// Its key is gone, which the model does not know.
		if t := run.m.tickets[[TicketSize]byte(q.Ticket)]; run.m.now > t.issued+keyLife {
			got.Result = Late
		}
	}
	if d := got.Need - want.Need; d < -1 || d > 1 {
		run.t.Fatalf("at %v: waiting time %v, want %v", run.now, got.Need, want.Need)
	}
	if got.Result != want.Result || got.Wait != want.Wait || got.Waited != want.Waited {
		run.t.Fatalf("at %v: %v wait %v waited %v, want %v wait %v waited %v", run.now,
			got.Result, got.Wait, got.Waited, want.Result, want.Wait, want.Waited)
	}
	if hasTicket := got.Result.Answered() && !got.Result.Placed(); hasTicket != (len(got.Ticket) == TicketSize) {
		run.t.Fatalf("%v with a ticket of %d bytes", got.Result, len(got.Ticket))
	}
	if len(got.Ticket) > 0 {
		key := [TicketSize]byte(got.Ticket)
		if _, twice := run.m.tickets[key]; twice {
			run.t.Fatal("two tickets are the same")
		}
		run.m.tickets[key] = modelTicket{next, q.ID, q.Topic, q.Source.Addr().Unmap(), string(q.Record.Bytes())}
		run.last = append(run.last, bytes.Clone(got.Ticket))
	}
}

func (run *modelRun) compare() {
	run.t.Helper()
	run.m.advance(run.now)
	i := 0
	run.r.All(run.now, func(a *Ad) bool {
		if i >= len(run.m.ads) {
			run.t.Fatalf("more than %d ads", i)
		}
		w := run.m.ads[i]
		if a.ID != w.id || a.Topic != w.topic || a.Expires != w.expires || !bytes.Equal(a.Record(), w.record.Bytes()) {
			run.t.Fatalf("ad %d differs", i)
		}
		i++
		return true
	})
	s := run.r.Stats()
	topics := map[Topic]bool{}
	for _, a := range run.m.ads {
		topics[a.topic] = true
	}
	if i != len(run.m.ads) || s.Ads != i || s.Topics != len(topics) || s.Ads > s.Capacity {
		run.t.Fatalf("%d ads of %d topics, counted as %d of %d; want %d of %d", i, s.Topics, s.Ads, s.Topics, len(run.m.ads), len(topics))
	}
	at, ok := run.r.Next()
	if ok != (i > 0) || ok && at != run.m.ads[0].expires {
		run.t.Fatalf("next expiry %v %v", at, ok)
	}
	checkCache(run.t, &run.r.cache)
}
