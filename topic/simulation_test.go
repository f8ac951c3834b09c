package topic

import (
	"bytes"
	"container/heap"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// crowdSim runs one registrar with many advertisers. Each comes back when its ticket says so, for
// ever. Time is virtual: an event is an advertiser's next request.
type crowdSim struct {
	t      testing.TB
	r      *Registrar
	rnd    *rand.Rand
	now    time.Duration
	events simEvents
	nodes  []*simNode
	hostil map[enr.ID]bool

	ready    time.Duration // nothing is measured before
	requests [2]int        // by honest and hostile advertisers
	admitted [2]int
	waits    [2][]time.Duration // of those admitted, from the first request
	held     [2]float64         // ads, summed over samples
	target   [2]float64         // of them with the attacked topic
	samples  int
}

type simNode struct {
	q       Request
	hostile int
	first   time.Duration // the first request of the chain
	waiting bool
}

type simEvent struct {
	at   time.Duration
	node *simNode
}

type simEvents []simEvent

func (e simEvents) Len() int           { return len(e) }
func (e simEvents) Less(i, j int) bool { return e[i].at < e[j].at }
func (e simEvents) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *simEvents) Push(x any)        { *e = append(*e, x.(simEvent)) }
func (e *simEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newCrowdSim(t testing.TB, cfg Config, seed uint64) *crowdSim {
	cfg.Random = seeded(seed)
	return &crowdSim{t: t, r: mustRegistrar(t, cfg), rnd: rand.New(seeded(seed + 1)), hostil: map[enr.ID]bool{}}
}

// add lets an advertiser begin at a time.
func (s *crowdSim) add(at time.Duration, addr netip.Addr, topic Topic, hostile bool) {
	n := &simNode{q: *request(topic, signedAt(s.t, len(s.nodes), 1, addr))}
	if hostile {
		n.hostile = 1
		s.hostil[n.q.ID] = true
	}
	s.nodes = append(s.nodes, n)
	heap.Push(&s.events, simEvent{at, n})
}

// run runs until end and samples the cache each minute.
func (s *crowdSim) run(end time.Duration) {
	sampleAt := s.ready
	for len(s.events) > 0 && s.events[0].at < end {
		e := heap.Pop(&s.events).(simEvent)
		for ; sampleAt <= e.at; sampleAt += time.Minute {
			s.sample(sampleAt)
		}
		s.now = e.at
		heap.Push(&s.events, simEvent{e.at + s.ask(e.node), e.node})
	}
}

// ask makes one request, and returns after how long the next one follows. Answers take 50 ms.
func (s *crowdSim) ask(n *simNode) time.Duration {
	if !n.waiting {
		n.first, n.waiting, n.q.Ticket = s.now, true, nil
	}
	v := s.r.Register(s.now, &n.q)
	measured := s.now >= s.ready
	if measured {
		s.requests[n.hostile]++
	}
	switch v.Result {
	case Admitted:
		n.waiting = false
		if measured {
			s.admitted[n.hostile]++
			s.waits[n.hostile] = append(s.waits[n.hostile], s.now-n.first)
		}
		return v.Wait + time.Duration(s.rnd.IntN(int(2*time.Second)))
	case Waiting:
		n.q.Ticket = append(n.q.Ticket[:0], bytes.Clone(v.Ticket)...)
		return v.Wait + 50*time.Millisecond
	}
	s.t.Fatalf("at %v: %v", s.now, v.Result)
	return 0
}

// attacked is the topic of the attack on one topic.
var attacked = Of("attacked")

func (s *crowdSim) sample(now time.Duration) {
	s.samples++
	s.r.All(now, func(a *Ad) bool {
		hostile := 0
		if s.hostil[a.ID] {
			hostile = 1
		}
		s.held[hostile]++
		if a.Topic == attacked {
			s.target[hostile]++
		}
		return true
	})
}

// meanHeld is how many ads the cache held.
func (s *crowdSim) meanHeld() float64 { return (s.held[0] + s.held[1]) / float64(s.samples) }

// utilization is the part of the capacity that was in use.
func (s *crowdSim) utilization() float64 { return s.meanHeld() / float64(s.r.Stats().Capacity) }

// share is the attacker's part of the cache, or of the attacked topic.
func share(held [2]float64) float64 { return held[1] / (held[0] + held[1]) }

func meanWait(waits []time.Duration) float64 {
	var sum time.Duration
	for _, w := range waits {
		sum += w
	}
	return float64(sum) / float64(len(waits)) / float64(DefaultLifetime)
}

func percentile(waits []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(waits))
	return sorted[int(p*float64(len(sorted)-1))]
}

// zipf returns a function that draws one of n topics with a probability of 1/rank.
func zipf(rnd *rand.Rand, n int) func() Topic {
	sums := make([]float64, n)
	sum := 0.0
	for i := range sums {
		sum += 1 / float64(i+1)
		sums[i] = sum
	}
	return func() Topic {
		i, _ := slices.BinarySearch(sums, rnd.Float64()*sum)
		return Topic{byte(i), byte(i >> 8), 0x55}
	}
}

// steady is a run of x advertisers with random addresses that want to be in the cache all the time.
func steady(t testing.TB, x, topics int, scale float64, addr func(*rand.Rand) netip.Addr, hours int) *crowdSim {
	s := newCrowdSim(t, Config{WaitScale: scale}, uint64(x*1000+topics))
	draw := zipf(s.rnd, topics)
	for range x {
		s.add(time.Duration(s.rnd.Int64N(int64(DefaultLifetime))), addr(s.rnd), draw(), false)
	}
	s.ready = time.Duration(hours) * time.Hour / 3
	s.run(time.Duration(hours) * time.Hour)
	return s
}

func within(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance*want }

// flood is the attack of the published study on one registrar: honest advertisers arrive at 0.05 a
// second, hostile ones of one /24 at 0.2 a second, and all stay. scenario says what they register
// for. The last quarter of the run is measured.
func flood(t testing.TB, scenario string, honest func(*rand.Rand) netip.Addr, topics, hours int) *crowdSim {
	s := newCrowdSim(t, Config{}, uint64(hours))
	draw := zipf(s.rnd, topics)
	end := time.Duration(hours) * time.Hour
	arrivals := func(perSecond float64, f func(at time.Duration)) {
		for at := 0.0; ; {
			at += s.rnd.ExpFloat64() / perSecond
			if d := time.Duration(at * float64(time.Second)); d < end {
				f(d)
				continue
			}
			return
		}
	}
	arrivals(0.05, func(at time.Duration) {
		topic := draw()
		if scenario == "one topic" && s.rnd.IntN(2) == 0 {
			topic = attacked
		}
		s.add(at, honest(s.rnd), topic, false)
	})
	if scenario != "no attacker" {
		arrivals(0.2, func(at time.Duration) {
			topic := draw()
			if scenario == "one topic" || scenario == "one topic, diverse" {
				topic = attacked
			}
			addr := hostileAddr(s.rnd)
			if scenario == "diverse" || scenario == "one topic, diverse" {
				addr = publicAddr(s.rnd)
			}
			s.add(at, addr, topic, true)
		})
	}
	s.ready = end * 3 / 4
	s.run(end)
	return s
}

// hostileAddr returns an address of the attacker's /24.
func hostileAddr(rnd *rand.Rand) netip.Addr {
	return netip.AddrFrom4([4]byte{45, 9, 8, byte(rnd.IntN(256))})
}
