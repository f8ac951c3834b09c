package soak

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/internal/load"
)

// sample holds the figures of the bootnode at an instant. Figures that only rise are those since
// its start.
type sample struct {
	Seconds     float64 `json:"seconds"` // since the load began
	RSS         float64 `json:"rss_bytes"`
	Heap        float64 `json:"heap_in_use_bytes"`
	Goroutines  float64 `json:"goroutines"`
	Descriptors float64 `json:"descriptors"`
	Sessions    float64 `json:"sessions"`
	Challenges  float64 `json:"challenges"`
	Table       float64 `json:"table"`
	Live        float64 `json:"table_live"`
	Pending     float64 `json:"pending_requests"`
	Tasks       float64 `json:"tasks"`
	In          float64 `json:"datagrams_in"`
	Out         float64 `json:"datagrams_out"`
	Dropped     float64 `json:"dropped"`        // by the node, of all causes
	KernelDrops float64 `json:"kernel_dropped"` // by the kernel; a GRO batch is one
	CPU         float64 `json:"cpu_seconds"`
	Restarts    float64 `json:"peer_restarts"`
	Sent        float64 `json:"steady_sent"`
	Answered    float64 `json:"steady_answered"`
	P99         float64 `json:"steady_p99_seconds"` // in the interval before the sample
}

// sampler takes samples.
type sampler struct {
	b        *bootnode
	restarts *atomic.Int64
	start    time.Time
	samples  []sample
	missed   int // samples that could not be taken
	cause    error

	mu     sync.Mutex
	steady load.Counts
	p99    time.Duration
}

// point adds an interval of the steady generator.
func (s *sampler) point(p load.Point) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steady.Add(p.Counts)
	s.p99 = p.P99
}

// run takes a sample each time until ctx ends or the process has.
func (s *sampler) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if x, err := s.take(); err != nil {
			s.missed, s.cause = s.missed+1, err
		} else {
			s.samples = append(s.samples, x)
		}
		select {
		case <-tick.C:
		case <-s.b.Exited:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (s *sampler) take() (x sample, err error) {
	m, err := s.b.metrics()
	if err != nil {
		return x, err
	}
	if x.RSS, err = memory(s.b.Cmd.Process.Pid); err != nil {
		return x, err
	}
	if x.Descriptors, err = descriptors(s.b.Cmd.Process.Pid); err != nil {
		return x, err
	}
	x.Seconds = time.Since(s.start).Seconds()
	for _, v := range []struct {
		to   *float64
		name string
	}{
		{&x.Heap, "go_memstats_heap_inuse_bytes"}, {&x.Goroutines, "go_goroutines"}, {&x.Sessions, "discv5_sessions"},
		{&x.Challenges, "discv5_challenges"}, {&x.Table, "discv5_table_nodes"}, {&x.Live, "discv5_table_live_nodes"},
		{&x.Pending, "discv5_pending_requests"}, {&x.Tasks, "discv5_handshake_tasks"}, {&x.CPU, "process_cpu_seconds_total"},
		{&x.In, `discv5_socket_datagrams_total{direction="in"}`}, {&x.Out, `discv5_socket_datagrams_total{direction="out"}`},
		{&x.KernelDrops, "discv5_socket_kernel_dropped_total"},
	} {
		value, ok := m[v.name]
		if !ok {
			return x, errNoMetric(v.name)
		}
		*v.to = value
	}
	for name, v := range m {
		if strings.HasPrefix(name, "discv5_dropped_total") || strings.HasPrefix(name, "discv5_socket_dropped_total") {
			x.Dropped += v
		}
	}
	s.mu.Lock()
	x.Sent, x.Answered, x.P99 = float64(s.steady.Sent), float64(s.steady.Answered), s.p99.Seconds()
	s.mu.Unlock()
	x.Restarts = float64(s.restarts.Load())
	return x, nil
}

// errNoMetric is the name of a metric that is not served.
type errNoMetric string

func (e errNoMetric) Error() string { return "/metrics has no " + string(e) }
