package nat

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errDown  = errors.New("gateway is down")
	endpoint = netip.MustParseAddrPort("44.1.2.3:9000")
	other    = netip.MustParseAddrPort("44.1.2.4:9001")
)

// scripted is a gateway with its search, in virtual time.
type scripted struct {
	begin   time.Time
	grants  []any // of the attempts: grant or error; the last one repeats
	block   bool  // attempts last until their context ends
	at      []time.Duration
	wants   []uint16
	finds   int // attempts that began with a search
	deleted int
	fail    error // of close
}

func (s *scripted) method() Method { return PMP }

func (s *scripted) open(ctx context.Context, want uint16) (grant, error) {
	s.at = append(s.at, time.Since(s.begin))
	s.wants = append(s.wants, want)
	if s.block {
		<-ctx.Done()
		return grant{}, ctx.Err()
	}
	next := s.grants[0]
	if len(s.grants) > 1 {
		s.grants = s.grants[1:]
	}
	if err, ok := next.(error); ok {
		return grant{}, err
	}
	return next.(grant), nil
}

func (s *scripted) close(context.Context) error {
	s.deleted++
	return s.fail
}

func (s *scripted) connect(ctx context.Context, want uint16) (gateway, grant, error) {
	s.finds++
	g, err := s.open(ctx, want)
	return s, g, err
}

// zeros is a source of randomness for tests that need none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// start starts a Mapper with the scripted gateway. It appends events to the slice.
func (s *scripted) start(t *testing.T, events *[]Event) *Mapper {
	t.Helper()
	m, err := NewMapper(Config{Method: PMP}, Options{
		Port: 9000, Rand: zeros{}, Report: func(e Event) { *events = append(*events, e) },
		Lease: 20 * time.Minute, Timeout: 10 * time.Second, RetryMin: 30 * time.Second, RetryMax: 4 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	m.connect = s.connect
	s.begin = time.Now()
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func held(e netip.AddrPort, lease time.Duration) grant {
	return grant{endpoint: e, lease: lease, portKnown: true, mapped: true}
}

// TestMapper checks calls and events over time for given answers of a gateway.
func TestMapper(t *testing.T) {
	const s, min = time.Second, time.Minute
	ok := Event{Method: PMP, Endpoint: endpoint, PortKnown: true}
	for _, c := range []struct {
		name   string
		grants []any
		block  bool
		run    time.Duration
		at     []time.Duration // of attempts
		finds  int
		events []Event // compared with errors.Is
	}{
		{
			name: "renewal at half of the lease, reported once", grants: []any{held(endpoint, 10*min)}, run: 11 * min,
			at: []time.Duration{0, 5 * min, 10 * min}, finds: 1, events: []Event{ok},
		},
		{
			name: "no lease given: that which was asked", grants: []any{held(endpoint, 0)}, run: 11 * min,
			at: []time.Duration{0, 10 * min}, finds: 1, events: []Event{ok},
		},
		{
			name: "lease of a century", grants: []any{held(endpoint, 100*365*24*time.Hour)}, run: 11 * min,
			at: []time.Duration{0, 10 * min}, finds: 1, events: []Event{ok},
		},
		{
			name: "short lease is refused", grants: []any{held(endpoint, s)}, run: 31 * s,
			at: []time.Duration{0, 30 * s}, finds: 2, events: []Event{{Method: PMP, Err: ErrLease}, {Method: PMP, Err: ErrLease}},
		},
		{
			name: "lease that becomes short ends the endpoint", grants: []any{held(endpoint, 2*min), held(endpoint, s)}, run: 61 * s,
			at: []time.Duration{0, min}, finds: 1, events: []Event{ok, {Method: PMP, Err: ErrExpired}},
		},
		{
			name: "endpoint changes", grants: []any{held(endpoint, 2*min), held(other, 2*min)}, run: 61 * s,
			at: []time.Duration{0, min}, finds: 1, events: []Event{ok, {Method: PMP, Endpoint: other, PortKnown: true}},
		},
		{
			name: "pauses double up to the largest", grants: []any{errDown}, run: 12 * min,
			at:    []time.Duration{0, 30 * s, 90 * s, 210 * s, 450 * s, 690 * s},
			finds: 6, events: slices.Repeat([]Event{{Method: PMP, Err: errDown}}, 6),
		},
		{
			name: "silent gateway: an attempt ends", block: true, run: 41 * s,
			at: []time.Duration{0, 40 * s}, finds: 2, events: []Event{{Method: PMP, Err: context.DeadlineExceeded}},
		},
		{
			name: "failed renewal, then good again", grants: []any{held(endpoint, 10*min), errDown, held(endpoint, 10*min)}, run: 6 * min,
			at: []time.Duration{0, 5 * min, 5*min + 30*s}, finds: 2,
			events: []Event{ok, {Method: PMP, Endpoint: endpoint, PortKnown: true, Err: errDown}, ok},
		},
		{
			name: "mapping expires", grants: []any{held(endpoint, 2*min), errDown}, run: 125 * s,
			at: []time.Duration{0, 60 * s, 90 * s, 120 * s}, finds: 3, events: []Event{
				ok, {Method: PMP, Endpoint: endpoint, PortKnown: true, Err: errDown},
				{Method: PMP, Endpoint: endpoint, PortKnown: true, Err: errDown}, {Method: PMP, Err: ErrExpired},
			},
		},
		{
			name: "without a mapping the endpoint stays", grants: []any{grant{endpoint: endpoint}, errDown}, run: 30 * min,
			at:    []time.Duration{0, 10 * min, 10*min + 30*s, 11*min + 30*s, 13*min + 30*s, 17*min + 30*s, 21*min + 30*s, 25*min + 30*s, 29*min + 30*s},
			finds: 8, events: append([]Event{{Method: PMP, Endpoint: endpoint}},
				slices.Repeat([]Event{{Method: PMP, Endpoint: endpoint, Err: errDown}}, 8)...),
		},
		{
			name: "grant without port", grants: []any{held(netip.AddrPortFrom(endpoint.Addr(), 0), 0)}, run: s,
			at: []time.Duration{0}, finds: 1, events: []Event{{Method: PMP, Err: ErrBadAnswer}},
		},
		{
			name: "final grant", grants: []any{grant{endpoint: endpoint, portKnown: true, final: true}}, run: 100 * time.Hour,
			at: []time.Duration{0}, finds: 1, events: []Event{ok},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gw := &scripted{grants: c.grants, block: c.block}
				var events []Event
				m := gw.start(t, &events)
				time.Sleep(c.run)
				if err := m.Close(); err != nil {
					t.Error(err)
				}
				if !slices.Equal(gw.at, c.at) || gw.finds != c.finds {
					t.Errorf("attempts at %v, %d with search; want %v, %d", gw.at, gw.finds, c.at, c.finds)
				}
				if !slices.EqualFunc(events, c.events, func(got, want Event) bool {
					same := errors.Is(got.Err, want.Err)
					got.Err, want.Err = nil, nil
					return same && got == want
				}) {
					t.Errorf("events\n%+v, want\n%+v", events, c.events)
				}
			})
		})
	}
}

func TestMapperKeepsPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gw := &scripted{grants: []any{held(other, 2*time.Minute), errDown, held(other, 2*time.Minute)}}
		var events []Event
		m := gw.start(t, &events)
		time.Sleep(2 * time.Minute)
		_ = m.Close()
		if want := []uint16{9000, 9001, 9001}; !slices.Equal(gw.wants, want) {
			t.Errorf("asked for %v, want %v", gw.wants, want)
		}
	})
}

func TestMapperEnds(t *testing.T) {
	t.Run("Close deletes once, and is final", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gw := &scripted{grants: []any{held(endpoint, time.Hour)}, fail: errDown}
			var events []Event
			m := gw.start(t, &events)
			if err := m.Start(t.Context()); !errors.Is(err, ErrStarted) {
				t.Errorf("second Start: %v", err)
			}
			synctest.Wait()
			for range 2 {
				if err := m.Close(); !errors.Is(err, errDown) {
					t.Errorf("Close: %v", err)
				}
			}
			if err := m.Start(t.Context()); !errors.Is(err, ErrClosed) {
				t.Errorf("Start after Close: %v", err)
			}
			if gw.deleted != 1 || len(events) != 1 {
				t.Errorf("%d deletions, events %v", gw.deleted, events)
			}
		})
	})
	t.Run("context deletes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gw := &scripted{grants: []any{held(endpoint, time.Hour)}}
			m, err := NewMapper(Config{Method: UPnP}, Options{Port: 1, Report: func(Event) {}})
			if err != nil {
				t.Fatal(err)
			}
			m.connect = gw.connect
			ctx, cancel := context.WithCancel(t.Context())
			if err := m.Start(ctx); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			cancel()
			synctest.Wait()
			if gw.deleted != 1 {
				t.Errorf("%d deletions", gw.deleted)
			}
		})
	})
	t.Run("Close interrupts an attempt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gw := &scripted{block: true}
			var events []Event
			m := gw.start(t, &events)
			synctest.Wait()
			if err := m.Close(); err != nil || time.Since(gw.begin) != 0 || len(events) != 0 {
				t.Errorf("%v after %s, events %v", err, time.Since(gw.begin), events)
			}
		})
	})
	t.Run("Close without Start", func(t *testing.T) {
		m, _ := NewMapper(Config{Method: UPnP}, Options{Port: 1, Report: func(Event) {}})
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("None", func(t *testing.T) {
		m, _ := NewMapper(Config{}, Options{Port: 1, Report: func(e Event) { t.Errorf("event %v", e) }})
		if err := errors.Join(m.Start(t.Context()), m.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestExtIP(t *testing.T) {
	for _, c := range []struct{ spec, want string }{
		{"extip:44.1.2.3", "44.1.2.3:9001"}, {"extip:192.168.1.9", "192.168.1.9:9001"}, {"extip:2a00::7", "[2a00::7]:9001"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg, err := Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			var events []Event
			m, err := NewMapper(cfg, Options{Port: 9000, ExternalPort: 9001, Report: func(e Event) { events = append(events, e) }})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			_ = m.Close()
			if want := []Event{{Method: ExtIP, Endpoint: netip.MustParseAddrPort(c.want), PortKnown: true}}; !slices.Equal(events, want) {
				t.Errorf("%v, want %v", events, want)
			}
		})
	}
}

// TestFirst: the first gateway that answers and grants is used, and the other search ends before
// the attempt does.
func TestFirst(t *testing.T) {
	find := func(delay time.Duration, gw *scripted, ended *atomic.Int32) finder {
		return func(ctx context.Context) (gateway, error) {
			defer ended.Add(1)
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(delay):
			}
			if gw == nil {
				return nil, errDown
			}
			return gw, nil
		}
	}
	good := func() *scripted { return &scripted{grants: []any{held(endpoint, time.Hour)}} }
	refusing := func() *scripted { return &scripted{grants: []any{errDown}} }
	for _, c := range []struct {
		name string
		a, b *scripted
		want string // which one it is
		took time.Duration
	}{
		{"fast one", good(), good(), "a", time.Second},
		{"fast one refuses", refusing(), good(), "b", 2 * time.Second},
		{"fast one not found", nil, good(), "b", 2 * time.Second},
		{"none", nil, refusing(), "", 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended atomic.Int32
				begin := time.Now()
				gw, g, err := first(find(time.Second, c.a, &ended), find(2*time.Second, c.b, &ended))(t.Context(), 9000)
				var want gateway
				switch c.want {
				case "a":
					want = c.a
				case "b":
					want = c.b
				}
				if gw != want || (err == nil) != (want != nil) || want != nil && g.endpoint != endpoint || time.Since(begin) != c.took {
					t.Errorf("%v %v %v after %s", gw, g, err, time.Since(begin))
				}
				if want == nil && !errors.Is(err, errDown) {
					t.Error(err)
				}
				if ended.Load() != 2 {
					t.Errorf("%d searches have ended", ended.Load())
				}
			})
		})
	}
}

// TestAbandon: an attempt that ends after its request was sent leaves no mapping.
func TestAbandon(t *testing.T) {
	for name, join := range map[string]func(finder) connector{"one": one, "first": func(f finder) connector { return first(f) }} {
		synctest.Test(t, func(t *testing.T) {
			gw := &scripted{block: true}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, _, err := join(func(context.Context) (gateway, error) { return gw, nil })(ctx, 1)
			if !errors.Is(err, context.Canceled) || gw.deleted != 1 {
				t.Errorf("%s: %v, %d deletions", name, err, gw.deleted)
			}
		})
	}
}
