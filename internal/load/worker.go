package load

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/monotime"
	"github.com/fastdisc/discv5/internal/session"
)

const (
	// receiveBatch bounds the datagrams that are taken before what is due leaves.
	receiveBatch = fastpath.DefaultBatch
	// sendBatch bounds the requests that leave before answers are looked at again.
	sendBatch = 256
	// sealBatch bounds the requests that are sealed ahead before answers are looked at again: 5 µs
	// of work.
	sealBatch = 16
	// longestWait bounds a sleep, so that an interrupt is noticed.
	longestWait = 50 * time.Millisecond
	// minWait is the least sleep until an identity may register again.
	minWait = 100 * time.Microsecond
	// pollPause is the time between two looks at the sockets of a worker that polls. Looking all
	// the time would hold up the kernel as it delivers.
	pollPause = 10 * time.Microsecond
	// challengeLife is how long a handshake within a run is waited for, at most: a target forgets
	// its challenge after that time. If the handshake was lost, the next request brings about
	// another one; if its answer is late, that request opens.
	challengeLife = session.DefaultChallengeLifetime
	// lostLife is for how many timeouts a lost exchange is remembered.
	lostLife = 3
)

// worker is a goroutine's share of the load.
type worker struct {
	cfg       *Config // of the run
	number    int
	socks     []*socket
	mux       *fastpath.Mux
	tx        *fastpath.Tx
	txSock    int32
	random    *aead.Random
	initiator *initiator
	templates [NumKinds]template
	junkIDs   *junkIDs
	topics    topicRun
	distances codec.Distances
	pool      *exchanges
	ring      ring
	picker    picker
	turn      int    // socket of the last batch
	seq       uint64 // the last request ID
	since     uint64 // the request ID before the first

	bad     []*identity // that make bad handshakes
	nextBad int

	// State of the run. now is the time since it began, as of the last look at the clock.
	run      *run
	clock    monotime.Clock
	now      time.Duration
	schedule schedule
	due      []time.Duration // scratch
	left     uint64          // requests that may still be sent
	sending  bool
	until    time.Duration // then the worker stops sending; afterwards, when it did
	drained  time.Duration // when to wait no longer for answers
	expires  time.Duration // when to look for lost exchanges
	rolls    time.Duration // when the interval ends
	stats    *stats
	sizes    []int     // of Plan or Config.Echo; nil if responses are opened
	delayed  []delayed // handshakes that wait for Config.Trip, oldest first

	// State of Prepare: identities whose handshake must be retried, how many are to be made,
	// and when the last session was.
	waiting  []*identity
	missing  int
	made     int // members so far
	progress time.Duration

	// Scratch. Arguments of a cipher, which is an interface, would escape to the heap as a local
	// variable.
	packet codec.Packet
	header session.Header // of the packet that is being built
	buf    [codec.MaxPacketSize]byte
}

// run is what all workers of a run have in common.
type run struct {
	cfg     *Config
	plan    Plan
	clock   monotime.Clock
	prepare bool
	stop    *atomic.Bool
	maker   *maker
	reports chan<- report
	made    *atomic.Int64
}

// report holds the figures of a worker in an interval. Each worker makes one for each interval
// until its last one.
type report struct {
	worker int
	stats  *stats
	spare  chan<- *stats // where to give it back, empty
	last   bool
	until  time.Duration // when the worker stopped sending; of the last report
	left   int           // exchanges that were under way at the end; of the last report
	err    error
}

func newWorker(c *Config, number int, socks []*socket) (*worker, error) {
	w := &worker{
		cfg: c, number: number, socks: socks,
		tx:   fastpath.NewTx(fastpath.MaxSegments, codec.MaxPacketSize),
		pool: newExchanges(c.outstanding()),
		due:  make([]time.Duration, 0, sendBatch),

		header: session.Header{Protocol: c.Protocol},
	}
	var err error
	if err = aead.SelfTest(); err != nil {
		return nil, err
	}
	if w.random, err = aead.NewRandom(rand.Reader); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	if w.initiator, err = newInitiator(&c.Target); err != nil {
		return nil, err
	}
	if w.templates, err = templates(c); err != nil {
		return nil, err
	}
	if w.distances, _, err = codec.NewDistances(nil, c.Distances); err != nil {
		return nil, fmt.Errorf("distances: %w", err)
	}
	if c.Mix[RegTopic] > 0 {
		if w.topics.sample, err = sampleRecord(); err != nil {
			return nil, err
		}
	}
	w.junkIDs = newJunkIDs(c, w.random, share(c.JunkIDs, number, c.Workers))
	// No two generators have the same request IDs. The first bit of each is set: some
	// implementations take IDs for numbers, and repeat them without leading zeros.
	w.since = w.random.Uint64()>>2 | 1<<63
	w.seq = w.since
	conns := make([]fastpath.Conn, len(socks))
	for i, s := range socks {
		conns[i] = s.conn
	}
	if w.mux, err = fastpath.NewMux(conns, receiveBatch, codec.MaxPacketSize); err != nil {
		return nil, fmt.Errorf("wait for packets: %w", err)
	}
	return w, nil
}

// work is the goroutine of a worker during a run. Its last report ends it.
func (w *worker) work(r *run) {
	spare := make(chan *stats, 2)
	spare <- newStats()
	w.begin(r.clock)
	err := w.loop(spare)
	r.reports <- report{worker: w.number, stats: w.stats, spare: spare, last: true, until: w.until, left: w.pool.clear(w.socks), err: err}
}

// reset makes w ready for a run, before its time begins.
func (w *worker) reset(r *run) error {
	w.run, w.cfg = r, r.cfg
	if n := w.cfg.outstanding(); n > len(w.pool.all) {
		w.pool = newExchanges(n)
	}
	w.stats = newStats()
	w.picker = picker{mix: w.cfg.Mix}
	longest := 0
	for k, weight := range w.cfg.Mix {
		if weight > 0 {
			longest = max(longest, w.templates[k].size)
		}
	}
	w.schedule = newSchedule(w.cfg, w.number, w.random)
	w.sending, w.until, w.drained = true, r.plan.For, 0
	w.left = r.plan.requests(w.number, w.cfg.Workers)
	w.rolls = r.plan.Every
	w.delayed = w.delayed[:0]
	w.junkIDs.use(r.plan.JunkIDs)
	if w.sizes = r.plan.Sizes; len(w.sizes) == 0 {
		w.sizes = w.cfg.Echo
	}
	w.resetTopics()
	if r.plan.Ahead == 0 {
		w.ring.reset(w.cfg.sealedLength(), longest, sealAhead)
		return nil
	}
	w.ring.reset(w.cfg.sealedLength(), longest, int(w.left))
	_, err := w.seal(int(w.left))
	return err
}

// begin starts the time of a run.
func (w *worker) begin(c monotime.Clock) {
	w.clock = c
	w.now = c.Now()
	w.beginTopics()
	w.progress, w.expires = w.now, 0
	w.drain()
}

// drain discards datagrams that have come since the last run.
func (w *worker) drain() {
	for {
		if _, rx, err := w.mux.Next(0); rx == nil || err != nil {
			return // an error shows again
		}
	}
}

// loop sends and receives until all is done.
func (w *worker) loop(spare chan *stats) error {
	for {
		w.now = w.clock.Now()
		for w.now >= w.rolls {
			w.run.reports <- report{worker: w.number, stats: w.stats, spare: spare}
			w.stats = <-spare
			w.rolls += w.run.plan.Every
		}
		if w.now >= w.expires {
			w.expire()
		}
		if err := w.sendDelayed(); err != nil {
			return err
		}
		if err := w.send(); err != nil {
			return err
		}
		if !w.sending && (w.pool.live == 0 || w.now >= w.drained) {
			return nil
		}
		from, rx, err := w.mux.Next(0)
		if err == nil && rx == nil {
			sealed := 0
			if w.run.plan.Ahead == 0 {
				if sealed, err = w.seal(sealBatch); err != nil {
					return err
				}
			}
			if sealed > 0 {
				continue
			}
			from, rx, err = w.wait()
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if rx != nil {
			if err := w.receive(int32(from), rx); err != nil {
				return err
			}
		}
	}
}

// wait sleeps until something comes or is to be done.
func (w *worker) wait() (from int, rx *fastpath.Rx, err error) {
	began := w.clock.Now()
	next := min(w.rolls, w.expires, began+longestWait)
	if w.sending {
		next = min(next, w.until)
		if w.scheduled() && w.schedule.at < w.until {
			next = min(next, w.schedule.at)
		}
		if t := &w.topics; !w.scheduled() && len(t.ready) == 0 && len(t.waiting) > 0 {
			next = min(next, max(t.waiting[0].due, began+minWait))
		}
	} else {
		next = min(next, w.drained)
	}
	if len(w.delayed) > 0 {
		next = min(next, w.delayed[0].due)
	}
	if next <= began {
		return 0, nil, nil
	}
	if !w.cfg.Poll {
		from, rx, err = w.mux.Next(next - began)
		w.stats.idle += w.clock.Now() - began
		return from, rx, err
	}
	now := began
	for end := min(next, began+pollPause); now < end; now = w.clock.Now() {
	}
	runtime.Gosched()
	w.stats.idle += now - began
	return 0, nil, nil
}

// expiry is the time between two looks for lost exchanges.
func (w *worker) expiry() time.Duration { return max(w.cfg.Timeout/20, time.Millisecond) }

// expire gives up exchanges that are too old, and forgets those that were given up long ago.
func (w *worker) expire() {
	timeout := w.cfg.Timeout
	w.expires = w.now + w.expiry()
	for _, s := range w.socks {
		for i := s.list.live; i != none; {
			x := w.pool.at(i)
			if x.sent+timeout > w.now {
				break
			}
			next := x.next
			if !x.lost && x.deadline <= w.now {
				w.lose(s, i)
			}
			i = next
		}
		for i := s.list.head; i != none && w.pool.at(i).lost && w.pool.at(i).sent+lostLife*timeout <= w.now; i = s.list.head {
			w.pool.drop(&s.list, i)
		}
	}
}

// lose counts an exchange as lost.
func (w *worker) lose(s *socket, i int32) {
	x := w.pool.at(i)
	w.stats.counts[x.kind].Lost++
	if x.kind == RegTopic {
		w.later(x.who, w.now) // with the same ticket, if it is still worth something
	}
	if w.run.prepare {
		w.waiting = append(w.waiting, x.who)
	}
	if x.who == nil {
		w.pool.end(&s.list, i) // without an identity, a late response needs no search
		return
	}
	w.pool.markLost(&s.list, i)
}
