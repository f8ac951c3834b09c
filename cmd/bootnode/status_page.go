package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/statuspage"
	"github.com/fastdisc/discv5/internal/version"
)

// newStatusPage returns the page of the node.
func (d *daemon) newStatusPage() *statuspage.Page {
	p := statuspage.New(statuspage.Config{
		Node: d.node, Version: version.Line("bootnode"), Name: d.networkName(), Conditions: d.conditions,
		Limits: statuspage.Limits{
			Sessions: d.maxSessions, Challenges: session.DefaultMaxChallenges, Tasks: engine.DefaultMaxTasks, OwnRequests: engine.DefaultMaxRequests,
			Unverified: discv5.DefaultUnverifiedRates(), Handshake: discv5.DefaultHandshakeRates(), Requests: discv5.DefaultRequestRates(),
		},
	})
	p.Note(statuspage.OK, "The bootnode has started")
	for _, w := range d.warnings {
		p.Note(statuspage.Warning, w)
	}
	return p
}

// networkName returns the name and the chain of the network for people; it is empty if the settings
// name neither.
func (d *daemon) networkName() string {
	switch {
	case d.network == nil:
		return d.o.name
	case d.o.name == "":
		return d.network.String()
	}
	return d.o.name + " (" + d.network.String() + ")"
}

// note adds an event to the page, if there is one.
func (d *daemon) note(level statuspage.Level, text string) {
	if d.page != nil {
		d.page.Note(level, text)
	}
}

// conditions returns what the page has to report of the program around the node.
func (d *daemon) conditions() (list []statuspage.Condition) {
	warn := func(really bool, text string) {
		if really {
			list = append(list, statuspage.Condition{Level: statuspage.Warning, Text: text})
		}
	}
	c := d.count
	warn(!c.persistent.Load(), "The bootnode runs without persistence: a restart loses its known nodes and changes of its record")
	warn(c.saveFails.Load(), "The known nodes cannot be saved")
	warn(!c.lastGood.Load(), "The last reload of the settings failed; the old settings are in force")
	warn(d.mapping != nil && !c.natKnown.Load(), "--nat has not found the external endpoint")
	return list
}

// streamCollectors returns the counts of the page's streams as metrics.
func streamCollectors(p *statuspage.Page) []prometheus.Collector {
	if p == nil {
		return nil
	}
	const help = "Streams of the status page that the bootnode closed, by reason."
	closed := func(reason string, n func(statuspage.StreamStats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: namespace + "http_streams_closed_total", Help: help, ConstLabels: prometheus.Labels{"reason": reason},
		}, func() float64 { return float64(n(p.Streams())) })
	}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: namespace + "http_streams", Help: "Open streams of the status page."},
			func() float64 { return float64(p.Streams().Open) }),
		closed("slow", func(s statuspage.StreamStats) uint64 { return s.Slow }),
		closed("replaced", func(s statuspage.StreamStats) uint64 { return s.Replaced }),
	}
}
