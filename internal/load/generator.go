package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/fastpath"
)

// MaxPoints is how many points a Result has at most.
const MaxPoints = 3600

// MaxAhead bounds Plan.Ahead.
const MaxAhead = 1 << 20

// MaxDuration bounds Plan.For.
const MaxDuration = 24 * time.Hour

// Errors of a Generator.
var (
	ErrBusy        = errors.New("generator is running")
	ErrNotPrepared = errors.New("there are no sessions; call Prepare")
	ErrClosed      = errors.New("generator is closed")
)

// Generator loads one target. Its methods are safe for concurrent use, but only one of Prepare and
// Run can be under way.
type Generator struct {
	asked   Config // as it was given
	cfg     Config // with defaults
	workers []*worker
	busy    atomic.Bool
	shut    atomic.Bool
	info    Info
}

// Info describes the sockets and kernel features of a Generator.
type Info struct {
	Path      string // of the sockets: fastpath.PathBatch or PathPortable
	Receive   string // fastpath.MuxEpoll or MuxGoroutines
	GSO       bool   // requests leave in GSO batches (UDP_SEGMENT)
	GSOReason string // why not
	GRO       bool   // responses arrive in GRO batches (UDP_GRO)
	GROReason string // why not
	Sockets   int
	Sources   int
	Workers   int
	GSOBatch  int // requests in a GSO batch, at most
	// RecvBuffer is the granted receive buffer of each socket, in bytes.
	RecvBuffer int
}

// New opens the sockets of a generator. The error wraps ErrConfig, ErrPublic or ErrNoAddress if cfg
// cannot be used, and otherwise is that of the system.
func New(cfg Config) (*Generator, error) {
	g := &Generator{asked: cfg}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	g.cfg = cfg
	socks := make([][]*socket, cfg.Workers)
	for i := range cfg.Sockets {
		s, err := openSocket(&cfg, cfg.Sources[i%len(cfg.Sources)])
		if err != nil {
			for _, list := range socks {
				closeAll(list)
			}
			return nil, err
		}
		socks[i%cfg.Workers] = append(socks[i%cfg.Workers], s)
	}
	info := socks[0][0].group.Info()
	g.info = Info{
		Path: info.Path, Sockets: cfg.Sockets, Sources: len(cfg.Sources), Workers: cfg.Workers, RecvBuffer: info.RecvBufferGot,
		GSO: info.GSO, GSOReason: info.GSOReason, GRO: info.GRO, GROReason: info.GROReason,
	}
	for i := range socks {
		l, err := newWorker(&g.cfg, i, socks[i])
		if err != nil {
			for _, list := range socks[i:] {
				closeAll(list)
			}
			return nil, errors.Join(err, g.Close())
		}
		g.workers = append(g.workers, l)
	}
	g.info.Receive = g.workers[0].mux.Path()
	return g, nil
}

func closeAll(socks []*socket) {
	for _, s := range socks {
		s.group.Close()
	}
}

// Info describes the generator's sockets, and GSOBatch as of the last run. It must not be
// called during Run.
func (g *Generator) Info() Info {
	i := g.info
	i.GSOBatch = g.workers[0].cfg.GSOBatch
	return i
}

// Addrs returns the local addresses of the sockets. It must not be called after Close.
func (g *Generator) Addrs() []netip.AddrPort {
	list := make([]netip.AddrPort, g.cfg.Sockets)
	for i := range list {
		list[i] = g.workers[i%g.cfg.Workers].socks[i/g.cfg.Workers].group.Addr()
	}
	return list
}

// PacketSize returns the size in bytes of the first packet of a request.
func (g *Generator) PacketSize(k Kind) int { return g.workers[0].templates[k].size }

// Config is the configuration with all defaults.
func (g *Generator) Config() Config { return g.cfg }

// Close closes the sockets. It must not be called during Prepare or Run, which end with their
// context.
func (g *Generator) Close() error {
	if !g.shut.CompareAndSwap(false, true) {
		return nil
	}
	var errs []error
	for _, w := range g.workers {
		errs = append(errs, w.mux.Close())
		for _, s := range w.socks {
			errs = append(errs, s.group.Close())
		}
	}
	return errors.Join(errs...)
}

// traffic sums up the counters of all sockets.
func (g *Generator) traffic() (sum fastpath.ConnStats) {
	for _, w := range g.workers {
		for _, s := range w.socks {
			sum.Add(s.group.Stats())
		}
	}
	return sum
}

// Plan says how long a run is, and in what it differs from Config.
type Plan struct {
	// Mix, Rate and Window are those of Config unless set here, so that the same sessions serve for
	// several runs. Prepare makes sessions for Config.Mix only. Registrations need it to have some.
	Mix    Mix
	Rate   float64
	Window int
	// For is how long requests are sent, at most MaxDuration.
	For time.Duration
	// Requests ends sending after so many. 0: no limit.
	Requests uint64
	// Every is the length of the intervals of Result.Points. Default: a second, or what makes no
	// more than MaxPoints. At the end of each its histograms are added up: with intervals of
	// milliseconds that can hold up the load itself.
	Every time.Duration
	// JunkIDs is how many of Config.JunkIDs send junk: 0 all of them, -1 none, but a new one each
	// time.
	JunkIDs int
	// Ahead, if not 0, seals that many requests before the run begins, so that the run spends no
	// time on it. The run ends when they have been sent.
	Ahead int
	// Sizes are those of the datagrams that answer a request, in order. If they are given the
	// generator opens no response: it takes them in the order of the requests, which is cheaper.
	// Requests of kind Junk are answered by a WHOAREYOU.
	Sizes []int
	// OnDatagram, if not nil, is called with the size of each datagram of the target, from the
	// workers.
	OnDatagram func(size int)
	// PID is the process of the target, whose CPU time and memory are to be measured; 0 measures
	// none. See Meter.
	PID int
	// OnPoint, if not nil, is given each point as its interval has ended, from a goroutine that has
	// ended when Run returns. Points are left out when it does not keep up.
	OnPoint func(Point)
}

func (p Plan) withDefaults() (Plan, error) {
	if p.For <= 0 || p.For > MaxDuration {
		return p, fmt.Errorf("%w: run of %v, want up to %v", ErrConfig, p.For, MaxDuration)
	}
	if p.Every < 0 {
		return p, fmt.Errorf("%w: interval of %v", ErrConfig, p.Every)
	}
	least := (p.For/MaxPoints + time.Second - 1).Truncate(time.Second)
	if p.Every == 0 {
		p.Every = max(time.Second, least)
	}
	p.Every = max(p.Every, p.For/MaxPoints, time.Millisecond)
	if p.JunkIDs < -1 {
		return p, fmt.Errorf("%w: %d node IDs of junk, want -1 or more", ErrConfig, p.JunkIDs)
	}
	if p.Ahead < 0 || p.Ahead > MaxAhead {
		return p, fmt.Errorf("%w: %d requests ahead, want 0 to %d", ErrConfig, p.Ahead, MaxAhead)
	}
	if p.Ahead > 0 && (p.Requests == 0 || p.Requests > uint64(p.Ahead)) {
		p.Requests = uint64(p.Ahead)
	}
	return p, nil
}

// effective is the configuration of a run.
func (g *Generator) effective(p *Plan) (*Config, error) {
	c := g.asked
	if p.Mix != (Mix{}) {
		c.Mix = p.Mix
	}
	if p.Rate != 0 || p.Window != 0 {
		c.Rate, c.Window = p.Rate, p.Window
	}
	if len(p.Sizes) > 0 && c.Mix[Handshake] > 0 {
		return nil, fmt.Errorf("%w: handshakes are not told by the sizes of their responses", ErrConfig)
	}
	if c.Mix[RegTopic] > 0 && !g.cfg.endpoints {
		return nil, fmt.Errorf("%w: registrations, whose records were not prepared", ErrConfig)
	}
	c.Sources, c.Sockets = g.cfg.Sources, g.cfg.Sockets
	c, err := c.withDefaults()
	c.endpoints = g.cfg.endpoints
	return &c, err
}

// requests is how many a worker may send.
func (p *Plan) requests(worker, workers int) uint64 {
	if p.Requests == 0 {
		return ^uint64(0)
	}
	n, k := p.Requests/uint64(workers), p.Requests%uint64(workers)
	if uint64(worker) < k {
		n++
	}
	return n
}

// Run loads the target for as long as plan says, waits for outstanding answers, and reports. When
// ctx ends it stops sending, waits a second at most, and reports what has been so far:
// Result.Interrupted. The error is that of a socket, ErrNotPrepared, ErrBusy, or ErrConfig; a
// Result comes with it if anything was sent.
func (g *Generator) Run(ctx context.Context, plan Plan) (*Result, error) {
	plan, err := plan.withDefaults()
	if err != nil {
		return nil, err
	}
	cfg, err := g.effective(&plan)
	if err != nil {
		return nil, err
	}
	if !g.busy.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	defer g.busy.Store(false)
	switch {
	case g.shut.Load():
		return nil, ErrClosed
	case !g.ready(cfg):
		return nil, ErrNotPrepared
	}
	r := &run{cfg: cfg, plan: plan}
	if cfg.Mix[Handshake] > 0 && cfg.Handshake == GoodHandshake {
		r.maker = newMaker(len(g.workers), identitiesAhead)
		defer r.maker.stop()
	}
	meter, err := NewMeter(plan.PID)
	if err != nil {
		return nil, err
	}
	started, before := time.Now(), g.traffic()
	s, err := g.start(ctx, r, meter, nil)
	return g.result(r, s, started, difference(g.traffic(), before)), err
}
