package nat

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// gateway is a router or server, or a stand-in for one. The Mapper calls its methods one at a time.
type gateway interface {
	method() Method
	// open creates or renews the mapping. want is the external port to ask for.
	open(ctx context.Context, want uint16) (grant, error)
	// close deletes the mapping of open, if there is one.
	close(ctx context.Context) error
}

// grant is the result of gateway.open.
type grant struct {
	endpoint  netip.AddrPort
	portKnown bool
	lease     time.Duration // 0: as requested
	mapped    bool          // the gateway holds a mapping, which ends with the lease
	final     bool          // the grant never changes: do not ask once more
}

// connector finds a gateway and opens the mapping.
type connector func(ctx context.Context, want uint16) (gateway, grant, error)

// Mapper keeps a mapping alive and reports the endpoint. It is safe for concurrent use.
//
// A Mapper opens the mapping, renews it at half of the lease, and searches for a gateway after a
// failure, with growing pauses. The endpoint is valid until the lease ends. An endpoint from STUN
// is valid until STUN returns another one, because a silent server says nothing about the node's
// address.
type Mapper struct {
	cfg     Config
	opt     Options
	connect connector

	mu     sync.Mutex
	cancel context.CancelFunc // nil until Start
	closed bool
	done   chan struct{} // closed when the goroutine has ended
	err    error         // result of the deletion; valid once done is closed
}

// NewMapper returns a Mapper that has not started. Errors wrap ErrSpec or ErrOptions.
func NewMapper(c Config, o Options) (*Mapper, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	o, err := o.withDefaults(c)
	if err != nil {
		return nil, err
	}
	m := &Mapper{cfg: c, opt: o, done: make(chan struct{})}
	switch c.Method {
	case ExtIP:
		m.connect = staticConnector(c.Addr.Unmap())
	case UPnP:
		m.connect = one(m.findUPnP)
	case PMP:
		m.connect = one(m.findPMP)
	case Any:
		m.connect = first(m.findUPnP, m.findPMP)
	case STUN:
		m.connect = one(m.findSTUN)
	}
	return m, nil
}

// Start starts the Mapper and returns immediately. When ctx ends, the Mapper deletes the mapping as
// Close does. You can start a Mapper once. Method None does nothing.
func (m *Mapper) Start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return ErrClosed
	case m.cancel != nil:
		return ErrStarted
	}
	if m.connect == nil {
		m.cancel = func() {}
		close(m.done)
		return nil
	}
	ctx, m.cancel = context.WithCancel(ctx)
	go func() {
		defer close(m.done)
		k := keeper{m: m, want: m.opt.ExternalPort}
		k.run(ctx)
		m.err = k.release(ctx)
	}()
	return nil
}

// Close stops the Mapper, deletes the mapping, and waits for both, for a few seconds at most.
// Report is not called after Close has returned. The error says why the deletion failed; the
// mapping then ends with its lease.
func (m *Mapper) Close() error {
	m.mu.Lock()
	m.closed = true
	cancel := m.cancel
	m.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel()
	<-m.done
	return m.err
}

// keeper is the state of a Mapper's goroutine.
type keeper struct {
	m       *Mapper
	gw      gateway // of the last success; closed at the end
	want    uint16  // external port to ask for
	stale   bool    // gw failed: search for another one
	now     Event   // current endpoint, with the error of the last event
	mapped  bool
	expires time.Time // of the mapping, if mapped
	fails   uint
}

func (k *keeper) run(ctx context.Context) {
	for {
		g, err := k.attempt(ctx)
		if ctx.Err() != nil {
			return
		}
		var pause time.Duration
		if err != nil {
			pause = k.failed(err)
		} else {
			pause = k.succeeded(g)
			if g.final {
				<-ctx.Done()
				return
			}
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// attempt opens or renews the mapping once.
func (k *keeper) attempt(ctx context.Context) (g grant, err error) {
	ctx, cancel := context.WithTimeout(ctx, k.m.opt.Timeout)
	defer cancel()
	gw := k.gw
	if gw == nil || k.stale {
		gw, g, err = k.m.connect(ctx, k.want)
	} else {
		g, err = gw.open(ctx, k.want)
	}
	if err != nil {
		return g, err
	}
	k.gw, k.stale = gw, false
	asked := k.m.opt.Lease
	switch {
	// A gateway cannot stop renewals by granting an infinite lease.
	case g.lease == 0 || g.lease > asked:
		g.lease = asked
	case g.lease < MinLease:
		_ = gw.close(ctx) // on failure the mapping ends soon anyway
		k.expires = time.Now()
		return g, fail(gw.method(), "open mapping", fmt.Errorf("%w: %s", ErrLease, g.lease))
	}
	if !g.endpoint.IsValid() || g.endpoint.Port() == 0 {
		return g, fail(gw.method(), "open mapping", fmt.Errorf("%w: endpoint %s", ErrBadAnswer, g.endpoint))
	}
	return g, nil
}

// succeeded stores a grant and returns when to renew it.
func (k *keeper) succeeded(g grant) time.Duration {
	k.fails = 0
	k.mapped = g.mapped
	k.expires = time.Now().Add(g.lease)
	if g.mapped {
		k.want = g.endpoint.Port() // also on another gateway
	}
	e := Event{Method: k.gw.method(), Endpoint: g.endpoint, PortKnown: g.portKnown}
	if e != k.now { // also true after an error, which is over
		k.report(e)
	}
	return g.lease / 2
}

// failed reports an error and returns the pause before the next attempt.
func (k *keeper) failed(err error) time.Duration {
	o := &k.m.opt
	k.stale = true
	pause := o.RetryMax
	if k.fails < 16 {
		pause = min(pause, o.RetryMin<<k.fails)
		k.fails++
	}
	var b [1]byte
	if _, e := o.Rand.Read(b[:]); e == nil {
		pause += pause / 4 * time.Duration(b[0]) / 256
	}
	e := k.now
	if e.Method == None {
		e.Method = k.m.cfg.Method
	}
	e.Err = err
	if k.mapped && e.Endpoint.IsValid() {
		if left := time.Until(k.expires); left > 0 {
			pause = min(pause, left)
		} else {
			e.Endpoint, e.PortKnown = netip.AddrPort{}, false
			e.Err = fmt.Errorf("%w: %w", ErrExpired, err)
		}
	}
	k.report(e)
	return pause
}

func (k *keeper) report(e Event) {
	k.now = e
	k.m.opt.Report(e)
}

// release deletes the mapping after ctx has ended.
func (k *keeper) release(ctx context.Context) error {
	if k.gw == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return k.gw.close(ctx)
}

// staticConnector implements ExtIP.
func staticConnector(a netip.Addr) connector {
	return func(_ context.Context, want uint16) (gateway, grant, error) {
		s := static{a}
		g, err := s.open(context.Background(), want)
		return s, g, err
	}
}

type static struct{ addr netip.Addr }

func (s static) method() Method { return ExtIP }

func (s static) open(_ context.Context, want uint16) (grant, error) {
	return grant{endpoint: netip.AddrPortFrom(s.addr, want), portKnown: true, final: true}, nil
}

func (s static) close(context.Context) error { return nil }
