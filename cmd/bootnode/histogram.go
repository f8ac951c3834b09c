package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
)

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
