package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/statuspage"
	"github.com/fastdisc/discv5/internal/version"
)

// newStatusPage returns the page of the node.
func (d *daemon) newStatusPage() *statuspage.Page {
	cfg := statuspage.Config{
		Node: d.node, Version: version.Line("bootnode"), Name: d.networkName(), Conditions: d.conditions,
		Limits: statuspage.Limits{
			Sessions: d.maxSessions, Challenges: session.DefaultMaxChallenges, Tasks: engine.DefaultMaxTasks, OwnRequests: engine.DefaultMaxRequests,
			Unverified: discv5.DefaultUnverifiedRates(), Handshake: discv5.DefaultHandshakeRates(), Requests: discv5.DefaultRequestRates(),
		},
	}
	if n := d.network; n != nil {
		cfg.Fork = func(r *enr.Record) string { return n.forkText(r.View(), time.Now()) }
		cfg.Forks = n.forksOfPage
	}
	if d.fleet != nil {
		cfg.Fleet = d.fleet.describe
	}
	p := statuspage.New(cfg)
	p.Note(statuspage.OK, "The bootnode has started")
	for _, w := range d.warnings {
		p.Note(statuspage.Warning, w)
	}
	return p
}

// forkText names the fork of a record on the page: by name and digest, and by what it is for the
// chain if it is not in force.
func (n *network) forkText(v enr.View, now time.Time) string {
	verdict := n.chain.Check(v, now)
	return textOfFork(forks.NameOf(n.chain, verdict.Digest), verdict)
}

func textOfFork(name string, v forks.Verdict) string {
	if v.Match == forks.Absent {
		return "none stated"
	}
	text := v.Digest.String()
	if name != "" {
		text = name + " " + text
	}
	if v.Match != forks.Current {
		text += ", " + v.Match.String()
	}
	return text
}

// forksOfPage describes the chain for the page.
func (n *network) forksOfPage(now time.Time) *statuspage.Forks {
	list, i := n.chain.Forks(), n.chain.At(now)
	of := func(f forks.Fork) statuspage.Fork {
		one := statuspage.Fork{Name: f.Name, Digest: f.Digest.String()}
		if !f.Start.IsZero() {
			start := f.Start.UTC()
			one.Start = &start
		}
		return one
	}
	v := &statuspage.Forks{Chain: n.name, Layer: string(n.chain.Layer()), Serve: n.serve, Current: of(list[i]), Refused: []statuspage.Count{}}
	if i+1 < len(list) {
		next := of(list[i+1])
		v.Next = &next
	}
	if n.filter != nil {
		for _, c := range n.filter.Refused() {
			v.Refused = append(v.Refused, statuspage.Count{Name: textOfFork(c.Name, c.Verdict), Nodes: c.Nodes})
		}
	}
	return v
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

// conditions returns the conditions of the program around the node, for the page.
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
	list = append(list, d.fleet.conditions()...)
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
