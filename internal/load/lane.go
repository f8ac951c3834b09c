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
)

const (
	// receiveBatch bounds the datagrams that are taken before what is due leaves.
	receiveBatch = 64
	// sendBatch bounds the requests that leave before answers are looked at again.
	sendBatch = 256
	// sealBatch bounds the requests that are sealed ahead before answers are looked at again: 5 µs
	// of work.
	sealBatch = 16
	// longestWait bounds a sleep, so that an interrupt is noticed.
	longestWait = 50 * time.Millisecond
	// pollPause is the time between two looks at the sockets of a lane that polls. Looking all the
	// time would hold up the kernel as it delivers.
	pollPause = 10 * time.Microsecond
	// challengeLife is how long a handshake within a run is waited for, at most: a target forgets
	// its challenge after that time. If the handshake was lost, the next request brings about
	// another one; if its answer is late, that request opens.
	challengeLife = time.Second
	// ghostLife is for how many timeouts a lost exchange is remembered.
	ghostLife = 3
)

// lane is a goroutine's share of the load.
type lane struct {
	cfg       *Config // of the run
	number    int
	socks     []*socket
	mux       *fastpath.Mux
	tx        *fastpath.Tx
	txSock    int32
	random    *aead.Random
	initiator *initiator
	templates [NumKinds]template
	strangers *strangers
	pool      *exchanges
	ring      ring
	draw      draw
	turn      int    // socket of the last train
	seq       uint64 // the last request ID
	since     uint64 // the request ID before the first
	segments  string // why no trains can be sent

	bad     []*identity // that make bad handshakes
	nextBad int

	// Of the run. now is the time since it began, as of the last look at the clock.
	run     *run
	clock   fastpath.Clock
	now     time.Duration
	pace    pace
	due     []time.Duration // scratch
	left    uint64          // requests that may still be sent
	sending bool
	until   time.Duration // then the lane stops sending; afterwards, when it did
	drained time.Duration // when to wait no longer for answers
	expires time.Duration // when to look for lost exchanges
	rolls   time.Duration // when the interval ends
	tally   *tally

	// Of Prepare: identities whose handshake is to be tried again, how many are to be made, and
	// when the last session was.
	waiting  []*identity
	missing  int
	progress time.Duration

	// Scratch. What goes through the interface of a cipher would escape to the heap as a local
	// variable.
	packet codec.Packet
	nonce  codec.Nonce
	iv     [codec.IVSize]byte
	buf    [codec.MaxPacketSize]byte
}

// run is what all lanes of a run have in common.
type run struct {
	cfg     *Config
	plan    Plan
	clock   fastpath.Clock
	prepare bool
	stop    *atomic.Bool
	maker   *maker
	reports chan<- report
	made    *atomic.Int64
}

// report is what a lane did in an interval. Each lane makes one for each interval until its last
// one.
type report struct {
	lane  int
	tally *tally
	spare chan<- *tally // where to give it back, empty
	last  bool
	until time.Duration // when the lane stopped sending; of the last report
	left  int           // exchanges that were under way at the end; of the last report
	err   error
}

func newLane(c *Config, number int, socks []*socket, segments string) (*lane, error) {
	l := &lane{
		cfg: c, number: number, socks: socks, segments: segments,
		tx:   fastpath.NewTx(fastpath.DefaultBatch, codec.MaxPacketSize),
		pool: newExchanges(c.outstanding()),
		due:  make([]time.Duration, 0, sendBatch),
	}
	var err error
	if err = aead.SelfTest(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if l.random, err = aead.NewRandom(rand.Reader); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if l.initiator, err = newInitiator(&c.Target); err != nil {
		return nil, err
	}
	if l.templates, err = templates(c); err != nil {
		return nil, err
	}
	l.strangers = newStrangers(c, l.random, share(c.Strangers, number, c.Lanes))
	l.since = l.random.Uint64() >> 1 // no two runs have the same
	l.seq = l.since
	conns := make([]fastpath.Conn, len(socks))
	for i, s := range socks {
		conns[i] = s.conn
	}
	if l.mux, err = fastpath.NewMux(conns, receiveBatch, codec.MaxPacketSize); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return l, nil
}

// work is the goroutine of a lane during a run. Its last report ends it.
func (l *lane) work(r *run) {
	spare := make(chan *tally, 2)
	spare <- newTally()
	l.begin(r)
	err := l.loop(spare)
	r.reports <- report{lane: l.number, tally: l.tally, spare: spare, last: true, until: l.until, left: l.pool.clear(l.socks), err: err}
}

func (l *lane) begin(r *run) {
	l.run, l.cfg, l.clock = r, r.cfg, r.clock
	if n := l.cfg.outstanding(); n > len(l.pool.all) {
		l.pool = newExchanges(n)
	}
	l.now = l.clock.Now()
	l.progress, l.expires = l.now, 0
	l.tally = newTally()
	l.draw = draw{mix: l.cfg.Mix}
	longest := 0
	for k, w := range l.cfg.Mix {
		if w > 0 {
			longest = max(longest, l.templates[k].size)
		}
	}
	l.ring.reset(l.cfg.Train, longest)
	l.pace = newPace(l.cfg, l.number, l.random)
	l.sending, l.until, l.drained = true, r.plan.For, 0
	l.left = r.plan.requests(l.number, l.cfg.Lanes)
	l.rolls = r.plan.Every
	l.drain()
}

// drain throws away what has come since the last run.
func (l *lane) drain() {
	for {
		if _, rx, err := l.mux.Next(0); rx == nil || err != nil {
			return // an error shows again
		}
	}
}

// loop sends and receives until all is done.
func (l *lane) loop(spare chan *tally) error {
	for {
		l.now = l.clock.Now()
		for l.now >= l.rolls {
			l.run.reports <- report{lane: l.number, tally: l.tally, spare: spare}
			l.tally = <-spare
			l.rolls += l.run.plan.Every
		}
		if l.now >= l.expires {
			l.expire()
		}
		if err := l.send(); err != nil {
			return err
		}
		if !l.sending && (l.pool.live == 0 || l.now >= l.drained) {
			return nil
		}
		from, rx, err := l.mux.Next(0)
		if err == nil && rx == nil {
			if sealed, err := l.seal(sealBatch); sealed > 0 || err != nil {
				if err != nil {
					return err
				}
				continue
			}
			from, rx, err = l.wait()
		}
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		if rx != nil {
			if err := l.receive(int32(from), rx); err != nil {
				return err
			}
		}
	}
}

// wait sleeps until something comes or is to be done.
func (l *lane) wait() (from int, rx *fastpath.Rx, err error) {
	began := l.clock.Now()
	next := min(l.rolls, l.expires, began+longestWait)
	if l.sending {
		next = min(next, l.until)
		if l.scheduled() && l.pace.at < l.until {
			next = min(next, l.pace.at)
		}
	} else {
		next = min(next, l.drained)
	}
	if next <= began {
		return 0, nil, nil
	}
	if !l.cfg.Poll {
		from, rx, err = l.mux.Next(next - began)
		l.tally.idle += l.clock.Now() - began
		return from, rx, err
	}
	now := began
	for end := min(next, began+pollPause); now < end; now = l.clock.Now() {
	}
	runtime.Gosched()
	l.tally.idle += now - began
	return 0, nil, nil
}

// expiry is the time between two looks for lost exchanges.
func (l *lane) expiry() time.Duration { return max(l.cfg.Timeout/20, time.Millisecond) }

// expire gives up exchanges that are too old, and forgets those that were given up long ago.
func (l *lane) expire() {
	timeout := l.cfg.Timeout
	l.expires = l.now + l.expiry()
	for _, s := range l.socks {
		for i := s.list.live; i != none; {
			x := l.pool.at(i)
			if x.sent+timeout > l.now {
				break
			}
			next := x.next
			if !x.ghost && x.deadline <= l.now {
				l.lose(s, i)
			}
			i = next
		}
		for i := s.list.head; i != none && l.pool.at(i).ghost && l.pool.at(i).sent+ghostLife*timeout <= l.now; i = s.list.head {
			l.pool.drop(&s.list, i)
		}
	}
}

// lose counts an exchange as lost.
func (l *lane) lose(s *socket, i int32) {
	x := l.pool.at(i)
	l.tally.counts[x.kind].Lost++
	if l.run.prepare {
		l.waiting = append(l.waiting, x.who)
	}
	if x.who == nil {
		l.pool.end(&s.list, i) // nothing has to be tried to tell whom a late answer is for
		return
	}
	l.pool.bury(&s.list, i)
}
