package main

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

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
