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
		{"topic_waited_seconds_total", "Time that admitted ads had waited for.", prometheus.CounterValue,
			func(s *discv5.TopicStats) float64 { return s.Waited.Seconds() }},
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
	for _, m := range c.values {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s))
	}
}
