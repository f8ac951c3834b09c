package main

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

// newPages returns the pages of a node on loopback.
func newPages(t *testing.T, start bool) pages {
	t.Helper()
	node, err := discv5.New(discv5.Config{ListenAddrs: mustAddrs("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close() })
	if start {
		if err := node.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return pages{node: node, access: newAccessList(), count: newCounts(time.Now())}
}

// Metrics follow the conventions of Prometheus, and /healthz reports a closed node.
func TestMetricNames(t *testing.T) {
	p := newPages(t, false)
	rec := httptest.NewRecorder()
	p.metricsHandler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	problems, err := promlint.New(rec.Body).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newCollector(p.node))
	registry.MustRegister(p.count.collectors(p.access.bans.Load)...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) < 30 {
		t.Errorf("%d metrics", len(families))
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace) || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
	}
	p.node.Close()
	rec = httptest.NewRecorder()
	p.health(rec, nil)
	if rec.Code != http.StatusServiceUnavailable || rec.Body.String() != "closing\n" {
		t.Errorf("/healthz of a closed node: %d %q", rec.Code, rec.Body)
	}
}

// The manual explains every cause of a drop and of a refusal, and names none that does not exist.
func TestManualNamesCauses(t *testing.T) {
	manual := readText(t, "docs", "OPERATING.md")
	_, after, ok := strings.Cut(manual, "The causes of `discv5_dropped_total`:")
	section, _, ok2 := strings.Cut(after, "The two histograms")
	if !ok || !ok2 {
		t.Fatal("docs/OPERATING.md has no tables of causes")
	}
	causes := map[string]bool{}
	for c := range discv5.NumCounters {
		if i := c.Info(); i.Label == "cause" {
			causes[i.Value] = true
			if !strings.Contains(section, "`"+i.Value+"`") {
				t.Errorf("nothing about cause %s of %s", i.Value, i.Metric)
			}
		}
	}
	for line := range strings.Lines(section) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for i, name := range strings.Split(first, "`") {
			if i%2 == 1 && strings.HasPrefix(line, "| `") && !causes[name] {
				t.Errorf("no cause %s", name)
			}
		}
	}
	if len(causes) < 40 {
		t.Errorf("%d causes", len(causes))
	}
}

// A duration counts in the right bucket of both kinds, and in the sum.
func TestHistogram(t *testing.T) {
	var h discv5.Histogram
	h.Counts[0], h.Counts[1], h.Counts[engine.BoundOne], h.Counts[engine.NumBounds] = 1, 2, 3, 4
	h.Sum = 1500 * time.Millisecond
	desc := prometheus.NewDesc("x", "X.", []string{"type"}, nil)
	family := gather(t, newHistogram(desc, &h, time.Unix(1, 0), "ping"))
	m := family.GetMetric()[0].GetHistogram()
	if m.GetSampleCount() != 10 || m.GetSampleSum() != 1.5 || m.GetSchema() != histogramSchema || m.GetZeroCount() != 1 {
		t.Errorf("%v", m)
	}
	for _, b := range m.GetBucket() {
		want := uint64(0)
		switch {
		case b.GetUpperBound() >= 1:
			want = 6
		case b.GetUpperBound() >= discv5.LatencyBound(1).Seconds():
			want = 3
		default:
			want = 1
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("bucket up to %v has %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want)
		}
	}
	if n := len(m.GetBucket()); n != (engine.NumBounds+1)/2 {
		t.Errorf("%d classic buckets", n)
	}
	// Spans and deltas of the native buckets: index i has the bound 2^(i/2) seconds.
	index, count, native := int32(0), int64(0), map[int32]int64{}
	deltas := m.GetPositiveDelta()
	for _, s := range m.GetPositiveSpan() {
		index += s.GetOffset()
		for range s.GetLength() {
			count += deltas[0]
			deltas = deltas[1:]
			if count != 0 {
				native[index] = count
			}
			index++
		}
	}
	bound := func(i int32) float64 { return math.Exp2(float64(i) / 2) }
	if native[1-engine.BoundOne] != 2 || native[0] != 3 || native[engine.NumBounds-engine.BoundOne] != 4 || len(native) != 3 {
		t.Errorf("native buckets %v", native)
	}
	if d := bound(1-engine.BoundOne) - discv5.LatencyBound(1).Seconds(); d < 0 || d > 1e-9 {
		t.Errorf("the bounds differ by %v", d)
	}
}

// gather passes a metric through a registry that checks it.
func gather(t *testing.T, m prometheus.Metric) *dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(one{m})
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	return families[0]
}

// one collects a single metric.
type one struct{ prometheus.Metric }

func (o one) Describe(out chan<- *prometheus.Desc) { out <- o.Desc() }
func (o one) Collect(out chan<- prometheus.Metric) { out <- o.Metric }

// The latencies of real requests, and the events of the table, appear in /metrics; with native
// buckets in the protobuf format.
func TestLatencyMetrics(t *testing.T) {
	t.Parallel()
	a := start(t, t.TempDir(), "--http", anyPort)
	b := start(t, t.TempDir(), "--bootnodes", a.record.String(), "--http", anyPort)
	eventually(t, "timed exchanges", func() bool {
		return b.metric(t, `discv5_request_duration_seconds_count{type="ping"}`) > 0 && b.metric(t, `discv5_handshake_duration_seconds_count{side="initiator"}`) >= 1 &&
			a.metric(t, `discv5_handshake_duration_seconds_count{side="recipient"}`) >= 1
	})
	eventually(t, "events of the table", func() bool {
		return b.metric(t, `discv5_table_adds_total{result="added"}`) >= 1 && b.metric(t, `discv5_table_checks_total{result="answered"}`) > 0
	})
	if n := b.metric(t, `discv5_table_changes_total{change="removed"}`); n != 0 {
		t.Errorf("%v nodes were removed", n)
	}
	if s := a.metric(t, `discv5_handshake_duration_seconds_sum{side="recipient"}`); s <= 0 || s > patience.Seconds() {
		t.Errorf("the handshake took %v s", s)
	}
	req, _ := http.NewRequest("GET", "http://"+b.metrics+"/metrics", nil)
	req.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/vnd.google.protobuf") {
		t.Fatalf("%v, %v", resp.Header, err)
	}
	resp.Body.Close()
	b.stop(t)
	a.stop(t)
}
