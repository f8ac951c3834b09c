package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
)

// network is the chain that a running node serves. Its method run does nothing if it is nil.
type network struct {
	chain  forks.Chain
	filter *forks.Filter // nil: all nodes are served
	name   string        // for labels
	serve  string
}

// newNetwork returns the network of the settings, or nil if they name no chain.
func newNetwork(c *chainOptions) *network {
	if c.chain == nil {
		return nil
	}
	n := &network{chain: c.chain, name: c.chain.Name(), serve: c.serving()}
	if n.name == "" {
		n.name = "custom"
	}
	if c.filters() {
		n.filter = forks.NewFilter(c.chain, time.Now)
	}
	return n
}

// configure sets the parts of the node's configuration that depend on the network.
func (o *options) configureNetwork(cfg *discv5.Config, n *network) {
	cfg.Protocol = o.net.id
	cfg.Entries = o.net.recordEntries(cfg.Previous)
	if n != nil && n.filter != nil {
		cfg.TableFilter = n.filter.Allow
	}
}

// run keeps the record at the fork in force until ctx ends, and warns about forks that this program
// does not know.
func (n *network) run(ctx context.Context, node *discv5.Node, log *slog.Logger) {
	if n == nil {
		return
	}
	warned := make(chan struct{})
	go func() {
		defer close(warned)
		n.watch(ctx, node, log)
	}()
	forks.Follow(ctx, node, n.chain, func(e forks.Event) {
		if e.Err != nil {
			log.Error("the record cannot be changed for the fork; retrying", "fork", e.Fork.Name, "err", e.Err)
			return
		}
		log.Info("fork rules changed", "fork", e.Fork.Name, "digest", e.Fork.Digest.String(), "removed", e.Removed)
	})
	<-warned
}

const (
	// unknownForkInterval is the time between two checks for forks that the program does not know.
	unknownForkInterval = 10 * time.Minute
	// unknownForkRepeat is the time between two warnings about the same fork.
	unknownForkRepeat = 24 * time.Hour
	// minWitnesses is how many nodes at least must name an unknown fork.
	minWitnesses = 8
)

// watch warns while most nodes of the table name a next fork that the chain does not have.
func (n *network) watch(ctx context.Context, node *discv5.Node, log *slog.Logger) {
	tick := time.NewTicker(unknownForkInterval)
	defer tick.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c := countNext(n.chain, node, now)
			if c.unknown() && now.Sub(last) >= unknownForkRepeat {
				last = now
				log.Warn("most nodes of the network plan a fork that this program does not know: update it, or name the fork with --chain-config", "nodes", c.other, "of", c.total)
			}
		}
	}
}

// nextCount is how many live nodes at the fork in force plan another next fork than the chain.
type nextCount struct{ total, other int }

func (c nextCount) unknown() bool { return c.other >= minWitnesses && 2*c.other > c.total }

func countNext(chain forks.Chain, node *discv5.Node, now time.Time) (c nextCount) {
	for k := range node.AllNodes() {
		if k.Live && chain.Check(k.Record.View(), now).Match == forks.Current {
			c.add(chain, k.Record.View(), now)
		}
	}
	return c
}

// add counts a record.
func (c *nextCount) add(chain forks.Chain, v enr.View, now time.Time) {
	c.total++
	i, list := chain.At(now), chain.Forks()
	switch chain := chain.(type) {
	case *forks.Consensus:
		theirs, _ := v.Eth2()
		if theirs.NextForkEpoch != forks.FarFuture && theirs.NextForkEpoch != chain.Eth2(now).NextForkEpoch {
			c.other++
		}
	case *forks.Execution:
		theirs, _ := v.Eth()
		known := i+1 < len(list) && theirs.Next == uint64(max(list[i+1].Start.Unix(), 0))
		if theirs.Next != 0 && !known {
			c.other++
		}
	}
}

// forkName returns how a page names the fork of a record: by name, by digest, or none.
func (n *network) forkName(v enr.View, now time.Time) string {
	verdict := n.chain.Check(v, now)
	if verdict.Match == forks.Absent {
		return "none"
	}
	if name := forks.NameOf(n.chain, verdict.Digest); name != "" {
		return name
	}
	return verdict.Digest.String()
}

// label returns the value of the label fork: the digest of a fork of the chain, other or none. So
// peers cannot make up values.
func (n *network) label(v forks.Verdict) string {
	switch {
	case v.Match == forks.Absent:
		return "none"
	case forks.NameOf(n.chain, v.Digest) == "":
		return "other"
	}
	return v.Digest.String()
}

// forkCollector exports the table and the refused nodes by fork.
type forkCollector struct {
	network *network
	node    *discv5.Node
	table   *prometheus.Desc
	refused *prometheus.Desc
	current *prometheus.Desc
	next    *prometheus.Desc
}

func newForkCollector(n *network, node *discv5.Node) *forkCollector {
	return &forkCollector{
		network: n, node: node,
		table:   prometheus.NewDesc(namespace+"table_fork_nodes", "Nodes in the table, by the fork that their record names.", []string{"fork", "match"}, nil),
		refused: prometheus.NewDesc(namespace+"refused_fork_nodes", "Nodes refused in the last hour because of their fork.", []string{"fork", "match"}, nil),
		current: prometheus.NewDesc(namespace+"fork_info", "1 for the fork in force.", []string{"chain", "layer", "fork", "name"}, nil),
		next:    prometheus.NewDesc(namespace+"next_fork_timestamp_seconds", "Unix time of the next fork that this program knows; 0 if there is none.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *forkCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.table, c.refused, c.current, c.next} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *forkCollector) Collect(out chan<- prometheus.Metric) {
	n, now := c.network, time.Now()
	emit := func(desc *prometheus.Desc, list []forks.Count) {
		type labels struct{ fork, match string }
		sums := make(map[labels]int)
		for _, f := range list {
			sums[labels{n.label(f.Verdict), f.Match.String()}] += f.Nodes
		}
		for l, nodes := range sums {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(nodes), l.fork, l.match)
		}
	}
	emit(c.table, n.tableByFork(c.node, now))
	if n.filter != nil {
		emit(c.refused, n.filter.Refused())
	}
	list, i := n.chain.Forks(), n.chain.At(now)
	out <- prometheus.MustNewConstMetric(c.current, prometheus.GaugeValue, 1, n.name, string(n.chain.Layer()), list[i].Digest.String(), list[i].Name)
	next := 0.0
	if i+1 < len(list) && !list[i+1].Start.IsZero() {
		next = float64(list[i+1].Start.Unix())
	}
	out <- prometheus.MustNewConstMetric(c.next, prometheus.GaugeValue, next)
}

// tableByFork counts the members of the table by fork.
func (n *network) tableByFork(node *discv5.Node, now time.Time) []forks.Count {
	var t forks.Tally
	for k := range node.AllNodes() {
		if k.Member {
			t.Add(n.chain, k.Record.View(), now)
		}
	}
	return t.Counts(n.chain)
}

// forkView is a fork in /forks.
type forkView struct {
	Name   string     `json:"name"`
	Digest string     `json:"digest"`
	Start  *time.Time `json:"start"` // null: the first one, or at a block number
}

// forkCountView is a group of nodes in /forks.
type forkCountView struct {
	Name   string `json:"name,omitempty"` // of a fork of the chain
	Digest string `json:"digest,omitempty"`
	Match  string `json:"match"`
	Nodes  int    `json:"nodes"`
}

// forksView is /forks.
type forksView struct {
	Network string          `json:"network"`
	Layer   string          `json:"layer"`
	Serve   string          `json:"serve"`
	Current forkView        `json:"current"`
	Next    *forkView       `json:"next"`
	Forks   []forkView      `json:"forks"`
	Table   []forkCountView `json:"table"`
	Refused []forkCountView `json:"refused"` // in the last hour
}

// maxForkCounts bounds the groups of nodes in /forks. The rest is one group without a digest.
const maxForkCounts = 32

func viewOfCounts(list []forks.Count) []forkCountView {
	view := []forkCountView{}
	for i, c := range list {
		if i == maxForkCounts {
			rest := 0
			for _, c := range list[i:] {
				rest += c.Nodes
			}
			return append(view, forkCountView{Match: "rest", Nodes: rest})
		}
		v := forkCountView{Name: c.Name, Match: c.Match.String(), Nodes: c.Nodes}
		if c.Match != forks.Absent {
			v.Digest = c.Digest.String()
		}
		view = append(view, v)
	}
	return view
}

// view returns the content of /forks.
func (n *network) view(node *discv5.Node, now time.Time) forksView {
	v := forksView{Network: n.name, Layer: string(n.chain.Layer()), Serve: n.serve, Table: viewOfCounts(n.tableByFork(node, now)), Refused: []forkCountView{}}
	for _, f := range n.chain.Forks() {
		one := forkView{Name: f.Name, Digest: f.Digest.String()}
		if !f.Start.IsZero() {
			start := f.Start.UTC()
			one.Start = &start
		}
		v.Forks = append(v.Forks, one)
	}
	i := n.chain.At(now)
	v.Current = v.Forks[i]
	if i+1 < len(v.Forks) {
		v.Next = &v.Forks[i+1]
	}
	if n.filter != nil {
		v.Refused = viewOfCounts(n.filter.Refused())
	}
	return v
}

// forks serves /forks.
func (p pages) forks(rw http.ResponseWriter, _ *http.Request) {
	if p.network == nil {
		http.Error(rw, "this node serves no chain; see --network", http.StatusNotFound)
		return
	}
	writeJSON(rw, p.network.view(p.node, time.Now()))
}

// String returns the network for the log.
func (n *network) String() string { return fmt.Sprintf("%s %s", n.name, n.chain.Layer()) }
