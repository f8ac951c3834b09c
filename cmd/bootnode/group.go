package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/statuspage"
)

// group runs a daemon for each network of the configuration file, with one HTTP server for all. The
// daemons share nothing else: a flood on one does not fill the queues of another.
type group struct {
	program
	o *options

	daemons []*daemon
	manager *serviceManager
}

// serve runs all networks until ctx ends or one of them fails, which ends the others.
func (g *group) serve(ctx context.Context) (err error) {
	count := newCounts(time.Now())
	web, err := listenHTTP("http", g.o.http, count)
	if err != nil {
		return err
	}
	defer web.close()
	metrics, err := listenHTTP("metrics", g.o.metrics, count)
	if err != nil {
		return err
	}
	defer metrics.close()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(g.o.networkList))
	var running sync.WaitGroup
	// Every network ends before the function does, so that all of them have saved.
	defer func() {
		cancel()
		running.Wait()
		close(ended)
		for e := range ended {
			err = errors.Join(err, e)
		}
	}()
	for _, o := range g.o.networkList {
		started := make(chan struct{})
		d := &daemon{
			program: program{
				args: g.args, system: g.share(), stdout: g.stdout,
				log: g.log.With("network", o.name), level: g.level, hup: make(chan os.Signal),
			},
			o: o, manager: &serviceManager{log: g.log, quiet: true}, started: func() { close(started) },
		}
		running.Go(func() {
			defer cancel()
			if err := d.serve(ctx); err != nil && !errors.Is(err, context.Canceled) {
				ended <- fmt.Errorf("network %s: %w", d.o.name, err)
			}
		})
		select {
		case <-started:
			g.daemons = append(g.daemons, d)
		case <-ctx.Done():
			return nil
		}
	}
	for _, w := range g.o.warnings {
		g.log.Warn(w)
	}
	g.shareMemory()
	g.manager = newServiceManager(g.log)
	answer := httpAnswer
	if g.o.pprof {
		answer = httpProfile
	}
	web.serve(g.handler(), g.o.vhosts, answer, g.log)
	metrics.serve(g.metricsHandler(), g.o.vhosts, httpAnswer, g.log)
	g.manager.ready()
	g.watch(ctx)
	g.manager.stopping()
	running.Wait()
	web.drain()
	metrics.drain()
	return nil
}

// share returns the system that each network sees: with its part of the memory.
func (g *group) share() system {
	s := g.system
	if all := s.memory; all != nil {
		s.memory = func() (int64, string) {
			limit, from := all()
			return limit / int64(len(g.o.networkList)), from
		}
	}
	return s
}

// shareMemory sets the limit of Go's garbage collector, which each daemon has set to its part, for
// all of them.
func (g *group) shareMemory() {
	if g.system.memory == nil || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit, _ := g.system.memory(); limit > 0 {
		debug.SetMemoryLimit(debug.SetMemoryLimit(-1) * int64(len(g.daemons)))
	}
}

// watch passes reloads on and resets the watchdog, until ctx ends.
func (g *group) watch(ctx context.Context) {
	every := defaultStatusInterval
	if w := g.manager.watchdog; w > 0 {
		every = min(every, w/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.manager.alive(g.daemons[0].node.Stats())
		case <-g.hup:
			g.manager.reloading()
			g.manager.reloaded(g.reload())
		}
	}
}

// reload reloads the settings of all networks. A mistake in one changes none of them.
func (g *group) reload() error {
	o, err := load(g.args, g.system.environ)
	for _, d := range g.daemons {
		if err == nil && o.network(d.o.name) == nil {
			err = fmt.Errorf("network %s is gone; that needs a restart", d.o.name)
		}
	}
	if err == nil && len(o.networkList) != len(g.daemons) {
		err = errors.New("there are more networks; that needs a restart")
	}
	var failures []error
	for _, d := range g.daemons {
		e := err
		if e == nil {
			e = d.reloader.apply(o.network(d.o.name))
		}
		d.reloader.done(e)
		if e != nil {
			failures = append(failures, fmt.Errorf("network %s: %w", d.o.name, e))
		}
	}
	if err != nil {
		return err
	}
	g.level.Set(o.level)
	return errors.Join(failures...)
}

// networkView is an entry of /networks.
type networkView struct {
	Name   string `json:"name"`
	Chain  string `json:"chain,omitempty"`
	Layer  string `json:"layer,omitempty"`
	ID     string `json:"id"`
	ENR    string `json:"enr"`
	Nodes  int    `json:"nodes"`
	Live   int    `json:"live"`
	Health string `json:"health"`
}

// handler returns the handler of --http: the pages of the first network, and those of each network
// below /network/NAME.
func (g *group) handler() http.Handler {
	mux := http.NewServeMux()
	for i, d := range g.daemons {
		p := d.pages()
		p.pprof = g.o.pprof && i == 0
		h := p.handler()
		prefix := "/network/" + d.o.name
		mux.Handle(prefix+"/", http.StripPrefix(prefix, h))
		if i == 0 {
			mux.Handle("/", h)
		}
	}
	mux.HandleFunc("GET /networks", statuspage.WithoutParameters(g.networks))
	mux.HandleFunc("GET /healthz", g.health)
	return mux
}

func (g *group) networks(rw http.ResponseWriter, _ *http.Request) {
	list := []networkView{}
	for _, d := range g.daemons {
		s := d.node.Stats()
		v := networkView{Name: d.o.name, ID: d.node.ID().String(), ENR: d.node.LocalRecord().String(), Nodes: s.Table, Live: s.Live, Health: d.pages().reason()}
		if v.Health == "" {
			v.Health = "ok"
		}
		if d.network != nil {
			v.Chain, v.Layer = d.network.name, string(d.network.chain.Layer())
		}
		list = append(list, v)
	}
	writeJSON(rw, list)
}

// health serves /healthz of all networks.
func (g *group) health(rw http.ResponseWriter, _ *http.Request) {
	for _, d := range g.daemons {
		if reason := d.pages().reason(); reason != "" {
			writeHealth(rw, "network "+d.o.name+": "+reason)
			return
		}
	}
	writeHealth(rw, "")
	for _, d := range g.daemons {
		if problem := d.fleet.problem(); problem != "" {
			fmt.Fprintln(rw, "degraded: network "+d.o.name+": fleet: "+problem)
		}
	}
}

// metricsHandler returns the handler of --metrics. Each metric has the label network.
func (g *group) metricsHandler() http.Handler {
	registry := newRegistry()
	for _, d := range g.daemons {
		d.pages().register(prometheus.WrapRegistererWith(prometheus.Labels{"network": d.o.name}, registry))
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promHandler(registry))
	mux.HandleFunc("GET /healthz", g.health)
	return mux
}

// checkAll implements --check-config for all networks. It returns the exit code.
func checkAll(o *options, stdout, stderr io.Writer) int {
	if len(o.networkList) == 0 {
		return check(o, stdout, stderr)
	}
	logWarnings(stderr, "", o.warnings)
	for _, n := range o.networkList {
		if code := check(n, stdout, stderr); code != cli.ExitOK {
			return code
		}
	}
	return cli.ExitOK
}
