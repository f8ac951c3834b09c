package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

// maxParallel is half of the pending requests that a node allows.
const maxParallel = 2048

// crawlSummary is the result of crawl.
type crawlSummary struct {
	File        string  `json:"file"`
	Nodes       int     `json:"nodes"`
	Registrars  int     `json:"registrars"` // nodes that are registrars of topics
	Seconds     float64 `json:"seconds"`
	Interrupted bool    `json:"interrupted,omitempty"`
	TimedOut    bool    `json:"timedOut,omitempty"`
	crawlCounts
	Fleet *fleetSummary `json:"fleet,omitempty"`
}

func newCrawl(t *tool) *cobra.Command {
	n := &network{t: t}
	var chain chainFlags
	var fleet fleetFlags
	limit := cli.Seconds(30 * time.Minute)
	parallel := 64
	c := &cobra.Command{
		Use: "crawl FILE", Short: "Visit all nodes of the network and write them to a file",
		Long: `Visit all nodes of the network and write those that answer to FILE, in the format of the
devp2p tool's nodes.json.

It starts from --bootnodes and from the nodes of FILE, oldest check first: it continues an
interrupted crawl, and refreshes a complete one. A node that answers gets one point. A node
that does not loses half of its points, unless hardly any other node answered at that time,
and crawl removes it when it has none left. Crawl replaces the file as a whole, every 30 s
and at the end, even if it is interrupted or out of time. Exit code 1: no node answered.

With --network or --chain-config, it lists only nodes of that chain. It visits the others too,
because all chains share one network. --network also names bootnodes, unless --bootnodes does.
For each node, FILE has its round trip time, fork and client, if it is known.

With --fleet, all processes with the same --crawl-name divide one crawl, through a server of
NATS with JetStream. They need not start together. Each node is visited by one of them. If a
process ends, however it ends, the others visit its nodes; to continue later, start one with
the same name. Each writes the results of all to its FILE, and so does --collect afterwards.
A crawl is deleted seven days after its last change.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if parallel < 1 || parallel > maxParallel {
				return cli.Usagef("--parallel %d: want 1 to %d", parallel, maxParallel)
			}
			if err := fleet.check(c); err != nil {
				return err
			}
			if err := n.parse(c.Context()); err != nil {
				return err
			}
			if err := chain.load(c); err != nil {
				return err
			}
			if !c.Flags().Changed("bootnodes") {
				published, err := chain.bootnodes(c.Context(), n)
				if err != nil {
					return err
				}
				n.boot = append(n.boot, published...)
			}
			r := crawlRun{network: n, path: args[0], parallel: parallel, limit: time.Duration(limit), serves: chain.serves, fleet: &fleet}
			return r.run(c.Context())
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.Var(&limit, "timeout", "maximum `TIME` of the crawl; 0 for no limit")
	f.IntVar(&parallel, "parallel", parallel, "`NUMBER` of nodes to visit at the same time")
	n.flags(f, "request-timeout", "", true)
	fleet.add(f)
	chain.add(f)
	return c
}

// crawlRun is one run of crawl.
type crawlRun struct {
	*network
	path     string
	parallel int
	limit    time.Duration // 0: none
	serves   func(enr.View) bool
	fleet    *fleetFlags

	began time.Time
}

func (r *crawlRun) run(ctx context.Context) error {
	set, targets, err := loadNodes(r.path)
	if err != nil {
		return place(argument(0), err)
	}
	targets = append(targets, r.boot...)
	if len(targets) == 0 && !r.fleet.enabled() {
		return cli.Usagef("no node to start from: --bootnodes is missing, and %s holds no node", r.path)
	}
	set.order(targets)
	// Fail now, not in half an hour, if the file cannot be written.
	if err := checkFile(r.path); err != nil {
		return place(argument(0), cli.Usage(err))
	}
	r.began = time.Now()
	if r.fleet.collect {
		return r.collect(ctx, set)
	}
	r.change = func(c *discv5.Config) { // only the crawl sends requests
		c.Bootnodes, c.RefreshInterval = nil, 24*time.Hour
	}
	node, err := r.start(ctx, targets, true)
	if err != nil {
		return err
	}
	defer node.Close()
	timed := ctx
	if r.limit > 0 {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(ctx, r.limit)
		defer cancel()
	}
	if r.fleet.enabled() {
		return r.divide(ctx, timed, node, set, targets)
	}
	c := newCrawler(node, newLocalFrontier(), set, time.Duration(r.timeout))
	c.serves = r.serves
	for _, to := range targets {
		c.add(to, nil)
	}
	r.visit(timed, c)
	c.judge(timed)
	return r.finish(ctx, timed, c, nil)
}

// visit visits nodes until none is left or ctx ends. It shows the progress and saves the file.
func (r *crawlRun) visit(ctx context.Context, c *crawler) {
	finished := make(chan struct{})
	watching, observed := context.WithCancel(ctx)
	defer observed()
	go c.observe(watching)
	go func() {
		c.run(ctx, r.parallel)
		close(finished)
	}()
	r.t.watch(c, r.path, r.began, finished)
}

// finish writes the file and prints the summary.
func (r *crawlRun) finish(ctx, timed context.Context, c *crawler, fleet *fleetSummary) error {
	content, nodes, registrars, err := c.content()
	if err == nil {
		err = writeFile(r.path, content)
	}
	if err != nil {
		return err
	}
	s := crawlSummary{File: r.path, Nodes: nodes, Registrars: registrars, Seconds: round(time.Since(r.began).Seconds()), crawlCounts: c.counts(), Fleet: fleet}
	s.Interrupted = ctx.Err() != nil
	s.TimedOut = !s.Interrupted && timed.Err() != nil
	r.t.print(s, s.text())
	if s.Answered == 0 && !s.Interrupted {
		return errors.New("no node answered")
	}
	return nil
}

// text returns the summary in one line.
func (s *crawlSummary) text() string {
	text := fmt.Sprintf("%s in %s: %d answered, %d did not, %d added, %d removed", cli.Count(s.Nodes, "node"), s.File, s.Answered, s.Failed, s.Added, s.Removed)
	if s.Other > 0 {
		text += fmt.Sprintf(", %d of another chain", s.Other)
	}
	if s.Registrars > 0 {
		text += ", " + cli.Count(s.Registrars, "registrar") + " of topics"
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped because of a bad record or an address that is out of reach", s.Skipped)
	}
	if s.Interrupted || s.TimedOut || s.Fleet != nil && !s.Fleet.Complete {
		text += fmt.Sprintf("; not complete, %d waiting", s.Waiting)
	}
	if s.Undecided > 0 {
		text += fmt.Sprintf("; %d silent nodes keep their score, because this machine's network may be at fault", s.Undecided)
	}
	if s.Fleet != nil {
		text += s.Fleet.text()
	}
	return text
}
