package main

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/engine"
	"github.com/fastdisc/discv5/fastpath"
)

const namespace = "discv5_"

// collector turns a node's counts into metrics when they are asked for. It keeps no counts itself.
type collector struct {
	node     *discv5.Node
	counters [engine.NumCounters]*prometheus.Desc
	buckets  *prometheus.Desc
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
	c := &collector{node: node}
	for i := range c.counters {
		info := engine.Counter(i).Info()
		var labels []string
		if info.Label != "" {
			labels = []string{info.Label}
		}
		c.counters[i] = prometheus.NewDesc(namespace+info.Metric, info.Help, labels, nil)
	}
	c.buckets = prometheus.NewDesc(namespace+"table_bucket_nodes", "Nodes in each bucket that is not empty, by log distance.", []string{"distance", "state"}, nil)
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

// addSockets adds what the sockets count, summed over all of them.
func (c *collector) addSockets() {
	type get = func(*fastpath.ConnStats) uint64
	add := func(name, help, label, value string, g get) {
		m := metric{kind: prometheus.CounterValue, value: func(s *discv5.Stats) float64 { return float64(g(&s.Sockets)) }}
		var labels []string
		if label != "" {
			labels, m.label = []string{label}, []string{value}
		}
		m.desc = prometheus.NewDesc(namespace+"socket_"+name, help, labels, nil)
		c.values = append(c.values, m)
	}
	add("datagrams_total", "Datagrams that passed the sockets.", "direction", "in", func(s *fastpath.ConnStats) uint64 { return s.RxDatagrams })
	add("datagrams_total", "Datagrams that passed the sockets.", "direction", "out", func(s *fastpath.ConnStats) uint64 { return s.TxDatagrams })
	add("bytes_total", "UDP payload that passed the sockets.", "direction", "in", func(s *fastpath.ConnStats) uint64 { return s.RxBytes })
	add("bytes_total", "UDP payload that passed the sockets.", "direction", "out", func(s *fastpath.ConnStats) uint64 { return s.TxBytes })
	add("batches_total", "System calls that moved datagrams.", "direction", "in", func(s *fastpath.ConnStats) uint64 { return s.RxBatches })
	add("batches_total", "System calls that moved datagrams.", "direction", "out", func(s *fastpath.ConnStats) uint64 { return s.TxBatches })
	add("kernel_dropped_total", "Datagrams that the kernel dropped: receive buffer full, refused by the filter, or bad checksum.", "", "", func(s *fastpath.ConnStats) uint64 { return s.KernelDrops })
	add("read_errors_total", "Failed receive calls.", "", "", func(s *fastpath.ConnStats) uint64 { return s.ReadErrors })
	for _, v := range []struct {
		cause string
		get   get
	}{
		{"truncated", func(s *fastpath.ConnStats) uint64 { return s.Truncated }},
		{"short", func(s *fastpath.ConnStats) uint64 { return s.Short }},
		{"long", func(s *fastpath.ConnStats) uint64 { return s.Long }},
		{"source", func(s *fastpath.ConnStats) uint64 { return s.BadSource }},
	} {
		add("dropped_total", "Datagrams received and dropped unread, by cause.", "cause", v.cause, v.get)
	}
	for _, v := range []struct {
		cause string
		get   func(*fastpath.SendErrors) uint64
	}{
		{"family", func(e *fastpath.SendErrors) uint64 { return e.Family }},
		{"refused", func(e *fastpath.SendErrors) uint64 { return e.Refused }},
		{"unreachable", func(e *fastpath.SendErrors) uint64 { return e.Unreachable }},
		{"denied", func(e *fastpath.SendErrors) uint64 { return e.Denied }},
		{"no_buffers", func(e *fastpath.SendErrors) uint64 { return e.NoBuffers }},
		{"blocked", func(e *fastpath.SendErrors) uint64 { return e.Blocked }},
		{"too_long", func(e *fastpath.SendErrors) uint64 { return e.TooLong }},
		{"closed", func(e *fastpath.SendErrors) uint64 { return e.Closed }},
		{"other", func(e *fastpath.SendErrors) uint64 { return e.Other }},
	} {
		add("send_errors_total", "Datagrams that could not be sent, by cause.", "cause", v.cause, func(s *fastpath.ConnStats) uint64 { return v.get(&s.SendErrors) })
	}
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
