package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/topic"
)

// topicCollector exports the counts of the registrar of topics as metrics. They are 0 if the node
// is no registrar.
type topicCollector struct {
	node          *discv5.Node
	registrations *prometheus.Desc
	ended         *prometheus.Desc
	waited        *prometheus.Desc
	quoted        *prometheus.Desc
	occupancy     *prometheus.Desc
	values        []topicMetric
}

// topicMetric is a metric without labels.
type topicMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*discv5.TopicStats) float64
}

func newTopicCollector(node *discv5.Node) *topicCollector {
	c := &topicCollector{
		node: node,
		registrations: prometheus.NewDesc(namespace+"topic_registrations_total",
			"Requests to store an ad (REGTOPIC), by result.", []string{"result"}, nil),
		ended: prometheus.NewDesc(namespace+"topic_ads_ended_total", "Ads that this node stored and that ended, by reason.",
			[]string{"reason"}, nil),
		waited: prometheus.NewDesc(namespace+"topic_waited_seconds", "Time that admitted ads had waited for.", nil, nil),
		quoted: prometheus.NewDesc(namespace+"topic_quoted_wait_seconds",
			"Wait-time in the answers to requests to store an ad that was not admitted.", nil, nil),
		occupancy: prometheus.NewDesc(namespace+"topic_occupancy_ratio",
			"Part of the capacity that was in use when an ad was admitted or had to wait.", nil, nil),
	}
	for _, m := range []struct {
		name, help string
		kind       prometheus.ValueType
		value      func(*discv5.TopicStats) float64
	}{
		{"topic_ads", "Ads that this node stores for others.", prometheus.GaugeValue,
			func(s *discv5.TopicStats) float64 { return float64(s.Ads) }},
		{"topic_topics", "Topics of the ads that this node stores.", prometheus.GaugeValue,
			func(s *discv5.TopicStats) float64 { return float64(s.Topics) }},
		{"topic_capacity", "Ads that this node can store; 0 if it is no registrar of topics.", prometheus.GaugeValue,
			func(s *discv5.TopicStats) float64 { return float64(s.Capacity) }},
		{"topic_queries_total", "Requests for the ads of a topic (TOPICQUERY).", prometheus.CounterValue,
			func(s *discv5.TopicStats) float64 { return float64(s.Queries) }},
		{"topic_ads_returned_total", "Ads in the responses to requests for the ads of a topic (TOPICQUERY).", prometheus.CounterValue,
			func(s *discv5.TopicStats) float64 { return float64(s.Returned) }},
		{"topic_key_failures_total", "Failed attempts to replace the key of tickets; the old key stays in use.", prometheus.CounterValue,
			func(s *discv5.TopicStats) float64 { return float64(s.KeyFailures) }},
	} {
		c.values = append(c.values, topicMetric{prometheus.NewDesc(namespace+m.name, m.help, nil, nil), m.kind, m.value})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *topicCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.registrations
	out <- c.ended
	out <- c.waited
	out <- c.quoted
	out <- c.occupancy
	for _, m := range c.values {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *topicCollector) Collect(out chan<- prometheus.Metric) {
	s := c.node.TopicStats()
	for result, n := range s.Results {
		out <- prometheus.MustNewConstMetric(c.registrations, prometheus.CounterValue, float64(n), topic.Result(result).String())
	}
	out <- prometheus.MustNewConstMetric(c.ended, prometheus.CounterValue, float64(s.Expired), "expired")
	out <- prometheus.MustNewConstMetric(c.ended, prometheus.CounterValue, float64(s.Removed), "banned")
	out <- waitHistogram(c.waited, &s.Waited)
	out <- waitHistogram(c.quoted, &s.Quoted)
	out <- occupancyHistogram(c.occupancy, &s)
	for _, m := range c.values {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s))
	}
}

func waitHistogram(desc *prometheus.Desc, h *topic.WaitHistogram) prometheus.Metric {
	buckets := make(map[float64]uint64, topic.NumWaitBounds)
	count := uint64(0)
	for i, n := range h.Counts {
		count += n
		if i < topic.NumWaitBounds {
			buckets[topic.WaitBound(i).Seconds()] = count
		}
	}
	return prometheus.MustNewConstHistogram(desc, count, h.Sum.Seconds(), buckets)
}

// occupancyHistogram has a sum that takes each decision for one in the middle of its bucket: the
// registrar keeps no exact one.
func occupancyHistogram(desc *prometheus.Desc, s *discv5.TopicStats) prometheus.Metric {
	buckets := make(map[float64]uint64, topic.NumOccupancyBounds)
	count, sum := uint64(0), 0.0
	for i, n := range s.Occupancy {
		count += n
		sum += float64(n) * (float64(i) + 0.5) / topic.NumOccupancyBounds
		buckets[float64(i+1)/topic.NumOccupancyBounds] = count
	}
	return prometheus.MustNewConstHistogram(desc, count, sum, buckets)
}
