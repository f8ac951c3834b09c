package main

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/table"
)

const namespace = "discv5_"

// collector exports a node's counts as metrics. It keeps no counts itself.
type collector struct {
	node      *discv5.Node
	start     time.Time // of the counts
	counters  [engine.NumCounters]*prometheus.Desc
	buckets   *prometheus.Desc
	request   *prometheus.Desc
	handshake *prometheus.Desc
	adds      *prometheus.Desc
	xdp       accelerationMetrics
	values    []metric
}

// metric is one value of the node's Stats.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	label []string
	value func(*discv5.Stats) float64
}

func newCollector(node *discv5.Node) *collector {
	c := &collector{node: node, start: time.Now(), xdp: newAccelerationMetrics()}
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
		"Time from the last packet of a request of this node to the response, by type.", []string{"type"}, nil)
	c.handshake = prometheus.NewDesc(namespace+"handshake_duration_seconds",
		"Time of handshakes, by side. Initiator: from the first packet to the response. Recipient: from the arrival of the handshake to the session, including the wait in the queue.",
		[]string{"side"}, nil)
	c.adds = prometheus.NewDesc(namespace+"table_adds_total", "Nodes offered to the table, by result.", []string{"result"}, nil)
	gauge := func(name, help string, value func(*discv5.Stats) float64) {
		c.values = append(c.values, metric{prometheus.NewDesc(namespace+name, help, nil, nil), prometheus.GaugeValue, nil, value})
	}
	count := func(name, help, label, of string, value func(*discv5.Stats) uint64) {
		var labels, values []string
		if label != "" {
			labels, values = []string{label}, []string{of}
		}
		c.values = append(c.values, metric{prometheus.NewDesc(namespace+name, help, labels, nil), prometheus.CounterValue, values,
			func(s *discv5.Stats) float64 { return float64(value(s)) }})
	}
	gauge("sessions", "Sessions.", func(s *discv5.Stats) float64 { return float64(s.Sessions.Sessions) })
	gauge("challenges", "WHOAREYOU packets that wait for their handshake.", func(s *discv5.Stats) float64 { return float64(s.Sessions.Challenges) })
	gauge("table_nodes", "Nodes in the table.", func(s *discv5.Stats) float64 { return float64(s.Table) })
	gauge("table_live_nodes", "Nodes in the table that have answered a PING and have not failed too often since.", func(s *discv5.Stats) float64 { return float64(s.Live) })
	gauge("pending_requests", "Requests of this node that wait for a response.", func(s *discv5.Stats) float64 { return float64(s.Requests) })
	gauge("handshake_tasks", "Handshakes and record checks that wait for a worker.", func(s *discv5.Stats) float64 { return float64(s.Tasks) })
	count("silenced_total", "Datagrams not sent because the lease of the shared identity had run out.", "", "", func(s *discv5.Stats) uint64 { return s.Silenced })
	count("sessions_evicted_total", "Sessions evicted by newer ones.", "", "", func(s *discv5.Stats) uint64 { return s.Sessions.Evicted })
	count("sessions_refused_total", "New sessions refused because none could be evicted.", "", "", func(s *discv5.Stats) uint64 { return s.Sessions.Refused })
	count("sessions_expired_total", "Sessions that ended because they were idle.", "", "", func(s *discv5.Stats) uint64 { return s.Sessions.Expired })
	count("records_verified_total", "Records whose signature is valid.", "", "", func(s *discv5.Stats) uint64 { return s.Records.Verified })
	count("records_failed_total", "Records whose signature is not valid.", "", "", func(s *discv5.Stats) uint64 { return s.Records.Failed })
	const checks, changes = "Checks of table members that changed their state, by result.", "Members and replacements that moved, by change."
	count("table_checks_total", checks, "result", "answered", func(s *discv5.Stats) uint64 { return s.TableEvents.Live })
	count("table_checks_total", checks, "result", "failed", func(s *discv5.Stats) uint64 { return s.TableEvents.Failed })
	count("table_changes_total", changes, "change", "removed", func(s *discv5.Stats) uint64 { return s.TableEvents.Removed })
	count("table_changes_total", changes, "change", "promoted", func(s *discv5.Stats) uint64 { return s.TableEvents.Promoted })
	count("table_changes_total", changes, "change", "displaced", func(s *discv5.Stats) uint64 { return s.TableEvents.Displaced })
	count("table_changes_total", changes, "change", "exchanged", func(s *discv5.Stats) uint64 { return s.TableEvents.Turned })
	c.addSockets()
	c.addFilter()
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
	out <- c.handshake
	out <- c.adds
	c.xdp.describe(out)
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
	for result, n := range s.TableEvents.Adds {
		out <- prometheus.MustNewConstMetric(c.adds, prometheus.CounterValue, float64(n), table.AddResult(result).String())
	}
	c.xdp.collect(c.node, out)
	latency := c.node.Latency()
	for _, v := range []struct {
		which discv5.Latency
		desc  *prometheus.Desc
		label string
	}{
		{discv5.LatencyPing, c.request, "ping"}, {discv5.LatencyFindNode, c.request, "findnode"}, {discv5.LatencyTalk, c.request, "talkreq"},
		{discv5.LatencyInitiated, c.handshake, "initiator"}, {discv5.LatencyAccepted, c.handshake, "recipient"},
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

// counts holds the daemon's own counters and gauges. The node has others.
type counts struct {
	reloads, badReloads atomic.Uint64
	lastReload          atomic.Int64 // Unix seconds of the start or the last successful reload
	lastGood            atomic.Bool
	saves, badSaves     atomic.Uint64
	saveFails           atomic.Bool // the last save failed
	natFailures         atomic.Uint64
	httpEvicted         atomic.Uint64
	persistent          atomic.Bool // the storage saves the known nodes
	natKnown            atomic.Bool // the record has an endpoint from --nat
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

// collectors returns the counts as metrics. bans returns the number of bans.
func (c *counts) collectors(bans func() int64) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: namespace + name, Help: help}, value)
	}
	count := func(name, help string, label prometheus.Labels, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: namespace + name, Help: help, ConstLabels: label},
			func() float64 { return float64(value()) })
	}
	result := func(r string) prometheus.Labels { return prometheus.Labels{"result": r} }
	const helpReloads, helpSaves = "Reloads of the settings on SIGHUP, by result.", "Saves of the known nodes, by result."
	return []prometheus.Collector{
		count("reloads_total", helpReloads, result("ok"), c.reloads.Load),
		count("reloads_total", helpReloads, result("failed"), c.badReloads.Load),
		gauge("last_reload_success_timestamp_seconds", "Unix time when the settings in force were read.", func() float64 { return float64(c.lastReload.Load()) }),
		gauge("last_reload_successful", "1 if the last reload of the settings succeeded.", func() float64 { return number(c.lastGood.Load()) }),
		count("saves_total", helpSaves, result("ok"), c.saves.Load),
		count("saves_total", helpSaves, result("failed"), c.badSaves.Load),
		gauge("storage_persistent", "1 if known nodes and the record are saved, 0 if a restart loses them.", func() float64 { return number(c.persistent.Load()) }),
		gauge("nat_endpoint_known", "1 if the record has an endpoint that --nat found.", func() float64 { return number(c.natKnown.Load()) }),
		count("nat_failures_total", "Failed attempts to find or map the external endpoint.", nil, c.natFailures.Load),
		count("http_connections_evicted_total", "HTTP connections closed for newer ones.", nil, c.httpEvicted.Load),
		gauge("banned_entries", "Entries of the ban file.", func() float64 { return float64(bans()) }),
	}
}

// histogramSchema is the schema of the buckets of engine.Histogram: bounds are powers of √2.
const histogramSchema = 1

// histogram is a metric with two kinds of buckets: native buckets for the protobuf format, and
// every second bucket as a classic bucket for the text format.
type histogram struct {
	native, classic prometheus.Metric
}

// newHistogram returns a metric of the durations that the node has counted since start.
func newHistogram(desc *prometheus.Desc, h *discv5.Histogram, start time.Time, label string) prometheus.Metric {
	// The bound of bucket i is 2^((i-BoundOne)/2) seconds; that of index 0 of schema 1 is 1. The
	// first bucket begins at 0. Durations beyond the last bound count as just beyond.
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
