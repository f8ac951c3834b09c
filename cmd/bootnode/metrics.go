package main

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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
		b := c.node.NodeTable().BucketInfo(distance)
		for _, v := range []struct {
			state string
			n     int
		}{{"live", b.Live}, {"unchecked", b.Len - b.Live}, {"replacement", b.Replacements}} {
			if v.n > 0 {
				out <- prometheus.MustNewConstMetric(c.buckets, prometheus.GaugeValue, float64(v.n), strconv.Itoa(distance), v.state)
			}
		}
	}
}
