package main

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

const namespace = "discv5_"

// collector turns a node's counts into metrics when they are asked for. It keeps no counts itself.
type collector struct {
	node     *discv5.Node
	start    time.Time // since when is counted
	counters [engine.NumCounters]*prometheus.Desc
	buckets  *prometheus.Desc
	request  *prometheus.Desc
	shake    *prometheus.Desc
	values   []metric
}

// metric is one value of the node's Stats.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	label []string
	value func(*discv5.Stats) float64
}

func newCollector(node *discv5.Node) *collector {
	c := &collector{node: node, start: time.Now()}
	for i := range c.counters {
		info := engine.Counter(i).Info()
		var labels []string
		if info.Label != "" {
			labels = []string{info.Label}
		}
		c.counters[i] = prometheus.NewDesc(namespace+info.Metric, info.Help, labels, nil)
	}
	c.buckets = prometheus.NewDesc(namespace+"table_bucket_nodes", "Nodes in each bucket that is not empty, by log distance.", []string{"distance", "state"}, nil)
	c.request = prometheus.NewDesc(namespace+"request_duration_seconds",
		"Requests of this node that were answered, from the last packet sent to the answer, by type.", []string{"type"}, nil)
	c.shake = prometheus.NewDesc(namespace+"handshake_duration_seconds",
		"Handshakes: initiator, from the first packet to the answer; recipient, from the arrival of the handshake to the end of the work on it, with its wait in the queue.",
		[]string{"side"}, nil)
	gauge := func(name, help string, value func(*discv5.Stats) float64) {
		c.values = append(c.values, metric{prometheus.NewDesc(namespace+name, help, nil, nil), prometheus.GaugeValue, nil, value})
	}
	count := func(name, help string, value func(*discv5.Stats) uint64) {
		c.values = append(c.values, metric{prometheus.NewDesc(namespace+name, help, nil, nil), prometheus.CounterValue, nil,
			func(s *discv5.Stats) float64 { return float64(value(s)) }})
	}
	gauge("sessions", "Sessions.", func(s *discv5.Stats) float64 { return float64(s.Sessions.Sessions) })
	gauge("challenges", "WHOAREYOU packets whose handshake may still come.", func(s *discv5.Stats) float64 { return float64(s.Sessions.Challenges) })
	gauge("table_nodes", "Nodes in the table.", func(s *discv5.Stats) float64 { return float64(s.Table) })
	gauge("table_live_nodes", "Nodes in the table that have answered.", func(s *discv5.Stats) float64 { return float64(s.Live) })
	gauge("pending_requests", "Requests of this node that wait for an answer.", func(s *discv5.Stats) float64 { return float64(s.Requests) })
	gauge("jobs", "Handshakes and the like that wait.", func(s *discv5.Stats) float64 { return float64(s.Jobs) })
	count("sessions_evicted_total", "Sessions that gave way to newer ones.", func(s *discv5.Stats) uint64 { return s.Sessions.Evicted })
	count("sessions_refused_total", "New sessions for which none gave way.", func(s *discv5.Stats) uint64 { return s.Sessions.Refused })
	count("sessions_expired_total", "Sessions that ended because they were idle.", func(s *discv5.Stats) uint64 { return s.Sessions.Expired })
	count("records_verified_total", "Records whose signature was checked and is good.", func(s *discv5.Stats) uint64 { return s.Records.Verified })
	count("records_failed_total", "Records whose signature was checked and is not good.", func(s *discv5.Stats) uint64 { return s.Records.Failed })
	c.addSockets()
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.counters {
		out <- d
	}
	for _, m := range c.values {
		out <- m.desc
	}
	out <- c.buckets
	out <- c.request
	out <- c.shake
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.node.Stats()
	for i, d := range c.counters {
		info := engine.Counter(i).Info()
		var labels []string
		if info.Label != "" {
			labels = []string{info.Value}
		}
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(s.Counters[i]), labels...)
	}
	for _, m := range c.values {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s), m.label...)
	}
	latency := c.node.Latency()
	for _, v := range []struct {
		which discv5.Latency
		desc  *prometheus.Desc
		label string
	}{
		{discv5.LatencyPing, c.request, "ping"}, {discv5.LatencyFindNode, c.request, "findnode"}, {discv5.LatencyTalk, c.request, "talkreq"},
		{discv5.LatencyInitiated, c.shake, "initiator"}, {discv5.LatencyAccepted, c.shake, "recipient"},
	} {
		out <- newHistogram(v.desc, &latency[v.which], c.start, v.label)
	}
	for distance := 1; distance <= 256; distance++ {
		b := c.node.Bucket(distance)
		for _, v := range []struct {
			state string
			n     int
		}{{"live", b.Live}, {"unchecked", b.Members - b.Live}, {"replacement", b.Replacements}} {
			if v.n > 0 {
				out <- prometheus.MustNewConstMetric(c.buckets, prometheus.GaugeValue, float64(v.n), strconv.Itoa(distance), v.state)
			}
		}
	}
}

// counts is what the daemon itself counts, beside its node.
type counts struct {
	reloads, badReloads atomic.Uint64
	lastReload          atomic.Int64 // Unix seconds of the start or the last good reload
	lastGood            atomic.Bool
	saves, badSaves     atomic.Uint64
	natFailures         atomic.Uint64
	httpEvicted         atomic.Uint64
	persistent          atomic.Bool // known nodes are saved
	natKnown            atomic.Bool // an endpoint from --nat is in the record
}

func newCounts(now time.Time) *counts {
	c := new(counts)
	c.lastReload.Store(now.Unix())
	c.lastGood.Store(true)
	return c
}

func (c *counts) reloaded(now time.Time) {
	c.reloads.Add(1)
	c.lastReload.Store(now.Unix())
	c.lastGood.Store(true)
}

func (c *counts) reloadFailed() {
	c.badReloads.Add(1)
	c.lastGood.Store(false)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// collectors makes metrics of the counts. suppressed is the number of log lines that were held
// back, bans that of the bans.
func (c *counts) collectors(suppressed func() uint64, bans func() int64) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: namespace + name, Help: help}, value)
	}
	count := func(name, help string, label prometheus.Labels, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: namespace + name, Help: help, ConstLabels: label},
			func() float64 { return float64(value()) })
	}
	result := func(r string) prometheus.Labels { return prometheus.Labels{"result": r} }
	const helpReloads, helpSaves = "Times that settings were read anew on SIGHUP, by result.", "Saves of the known nodes, by result."
	return []prometheus.Collector{
		count("reloads_total", helpReloads, result("ok"), c.reloads.Load),
		count("reloads_total", helpReloads, result("failed"), c.badReloads.Load),
		gauge("last_reload_success_timestamp_seconds", "When the settings in force were read.", func() float64 { return float64(c.lastReload.Load()) }),
		gauge("last_reload_successful", "1 if the last reading of the settings went well.", func() float64 { return number(c.lastGood.Load()) }),
		count("saves_total", helpSaves, result("ok"), c.saves.Load),
		count("saves_total", helpSaves, result("failed"), c.badSaves.Load),
		gauge("storage_persistent", "1 if known nodes and the record are saved, 0 if they are lost at the end.", func() float64 { return number(c.persistent.Load()) }),
		gauge("nat_endpoint_known", "1 if the record names an endpoint that --nat found.", func() float64 { return number(c.natKnown.Load()) }),
		count("nat_failures_total", "Failed attempts to find or map the external endpoint.", nil, c.natFailures.Load),
		count("http_connections_evicted_total", "HTTP connections closed to make room for new ones.", nil, c.httpEvicted.Load),
		gauge("banned_entries", "Entries of the ban file.", func() float64 { return float64(bans()) }),
		count("log_lines_suppressed_total", "Lines that were not logged because the same line had just been.", nil, suppressed),
	}
}

// histogramSchema is that of the buckets of engine.Histogram: bounds are powers of √2.
const histogramSchema = 1

// histogram is a metric that has the buckets of both kinds: native ones, which a server that knows
// them takes from the protobuf format, and classic ones, of which the text format has every second.
type histogram struct {
	native, classic prometheus.Metric
}

// newHistogram makes a metric of what the node has counted since start.
func newHistogram(desc *prometheus.Desc, h *discv5.Histogram, start time.Time, label string) prometheus.Metric {
	// Bucket i has the bound 2^((i-BoundOne)/2); index 0 of schema 1 has 1. The first bucket
	// reaches down to nothing. What is beyond the last bound counts as just beyond.
	native := make(map[int]int64)
	classic := make(map[float64]uint64)
	total := uint64(0)
	for i, n := range h.Counts {
		total += n
		if i > 0 && n > 0 {
			native[i-engine.BoundOne] = int64(n)
		}
		if i < engine.NumBounds && i%2 == 0 {
			classic[discv5.LatencyBound(i).Seconds()] = total
		}
	}
	sum := h.Sum.Seconds()
	return histogram{
		native: prometheus.MustNewConstNativeHistogram(desc, total, sum, native, nil, h.Counts[0], histogramSchema,
			discv5.LatencyBound(0).Seconds(), start, label),
		classic: prometheus.MustNewConstHistogram(desc, total, sum, classic, label),
	}
}

// Desc implements prometheus.Metric.
func (h histogram) Desc() *prometheus.Desc { return h.native.Desc() }

// Write implements prometheus.Metric.
func (h histogram) Write(out *dto.Metric) error {
	var classic dto.Metric
	if err := h.classic.Write(&classic); err != nil {
		return err
	}
	if err := h.native.Write(out); err != nil {
		return err
	}
	out.Histogram.Bucket = classic.Histogram.Bucket
	return nil
}
