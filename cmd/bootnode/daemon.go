package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/statuspage"
	"github.com/fastdisc/discv5/internal/version"
	"github.com/fastdisc/discv5/nat"
)

// program holds the command line of the program and its ties to the system.
type program struct {
	args   []string
	system system
	stdout io.Writer
	log    *slog.Logger
	level  *slog.LevelVar
	hup    <-chan os.Signal // SIGHUP
}

// daemon is one node and all that it needs.
type daemon struct {
	program
	o *options

	storage *storage
	web     *webServer       // of --http
	metrics *webServer       // of --metrics
	page    *statuspage.Page // nil without --http
	// maxSessions is the number of sessions that the node may have.
	maxSessions int
	access      *accessList
	node        *discv5.Node
	epoch       time.Time // when the node was created
	count       *counts
	mapping     *mapping
	finder      *bootnodeFinder
	manager     *serviceManager
	network     *network
	reloader    *reloader
	started     func()   // of one of several networks: called when the node runs
	memory      []any    // how the node fits into a memory limit, for the log
	warnings    []string // logged after the start has succeeded
	seeds       []discv5.Contact
	filter      filterLog

	fleet  *fleetMember  // nil without --fleet
	tenure *fleet.Tenure // nil without --fleet-identity
}

// serve runs the node until ctx ends, which is not an error. With --fleet-identity the node runs
// while it is the active one.
func (d *daemon) serve(ctx context.Context) (err error) {
	if d.fleet, err = openFleet(d.o, d.log); err != nil {
		return err
	}
	defer d.fleet.close()
	if d.fleet != nil && d.fleet.lease != nil {
		return d.serveIdentity(ctx)
	}
	return d.serveNode(ctx)
}

// serveNode runs the node until ctx ends, which is not an error. It logs nothing before every step
// of the start that can fail has succeeded, so that the error is the only line.
func (d *daemon) serveNode(ctx context.Context) (err error) {
	o := d.o
	d.filter.log = d.log
	d.count, d.access = newCounts(time.Now()), newAccessList()
	if d.storage, err = openStorage(o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.storage.close()) }()
	if d.web, err = listenHTTP("http", o.http, d.count); err != nil {
		return err
	}
	defer d.web.close()
	if d.metrics, err = listenHTTP("metrics", o.metrics, d.count); err != nil {
		return err
	}
	defer d.metrics.close()
	if err := d.makeNode(); err != nil {
		return err
	}
	defer d.node.Close()
	if d.mapping, err = newMapping(o, d.node, d.system, d.count, d.log); err != nil {
		return err
	}
	// Save the record before anybody sees it: a crash must not make this node forget it.
	if err := d.saveShared(d.node.LocalRecord()); err != nil {
		return err
	}
	if err := d.storage.saveFirst(d.node.LocalRecord()); err != nil {
		return err
	}
	defer d.mapping.close()
	if err := d.mapping.start(ctx); err != nil {
		return err
	}
	if err := d.node.Start(context.Background()); err != nil {
		return err
	}
	record := d.node.LocalRecord()
	// Standard output may be on a full disk, which is no reason to stop.
	if _, err := fmt.Fprintln(d.stdout, record); err != nil {
		d.log.Error("cannot print the record", "err", err, "record", record)
	}
	d.warnings = slices.Concat(o.warnings, d.warnings, d.endpointWarnings())
	for _, w := range d.warnings {
		d.log.Warn(w)
	}
	for _, p := range d.storage.problems {
		d.log.Error(p)
	}
	if !d.storage.persistent() {
		d.log.Error("running without persistence: this run's known nodes and record changes will be lost")
	}
	d.count.persistent.Store(d.storage.persistent())
	d.logStartup()
	if d.manager == nil {
		d.manager = newServiceManager(d.log)
	}
	d.serveHTTP()
	return d.work(ctx)
}

// pages returns the pages of the node.
func (d *daemon) pages() pages {
	return pages{
		node: d.node, network: d.network, access: d.access, count: d.count, page: d.page, fleet: d.fleet, pprof: d.o.pprof,
	}
}

// serveHTTP starts the servers of --http and --metrics.
func (d *daemon) serveHTTP() {
	if d.web != nil || d.started != nil {
		d.page = d.newStatusPage()
	}
	p := d.pages()
	answer := httpAnswer
	if p.pprof {
		answer = httpProfile
	}
	d.web.serve(p.handler(), d.o.vhosts, answer, d.log)
	d.metrics.serve(p.metricsHandler(), d.o.vhosts, httpAnswer, d.log)
}

// makeNode loads the state of the last run and creates the node. It passes the bans to the node
// before the node can receive anything.
func (d *daemon) makeNode() error {
	o := d.o
	key, warning, err := d.privateKey()
	if err != nil {
		return err
	}
	if warning != "" {
		d.warnings = append(d.warnings, warning)
	}
	if err := o.checkXDP(); err != nil {
		return err
	}
	cfg := o.nodeConfig(key)
	plan := d.fitMemory()
	d.maxSessions = plan.sessions
	cfg.MaxSessions, cfg.RecvBuffer, cfg.SendBuffer = plan.sessions, plan.recvBuffer, plan.sendBuffer
	if cfg.Previous, err = d.storage.previous(key.ID()); err != nil {
		return err
	}
	if cfg.PreviousAddresses, err = d.storage.addresses(key.ID()); err != nil {
		return err
	}
	d.takeOver(&cfg)
	known, err := d.storage.seeds()
	if err != nil {
		return err
	}
	if err := d.access.apply(0, o.bans, o.restrict); err != nil {
		return err
	}
	d.warnings = append(d.warnings, unusableBootnodes(o.sources, key.ID(), d.access.Access, o.listens)...)
	d.seeds, d.epoch = known, time.Now()
	d.network = newNetwork(&o.net)
	o.configureNetwork(&cfg, d.network)
	cfg.Access, cfg.SaveRecord = d.access.Access, d.saveRecord
	cfg.Bootnodes = append(cfg.Bootnodes, known...)
	d.node, err = listen(cfg, o, d.log)
	if errors.Is(err, discv5.ErrConfig) {
		return cli.Usage(o.nameFlag(err))
	}
	return o.xdpError(err)
}

// listen creates the node. If the system has no IPv6, it leaves out IPv6 addresses that the user
// did not name.
func listen(cfg discv5.Config, o *options, log *slog.Logger) (*discv5.Node, error) {
	create := func() (node *discv5.Node, err error) {
		if cfg.SourceFilter, err = o.sourceFilter(); err != nil { // each node needs a new one
			return nil, err
		}
		o.accelerate(&cfg, log)
		return discv5.New(cfg)
	}
	node, err := create()
	if len(o.optional6) > 0 && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		cfg.ListenAddrs = o.listen
		node, err = create()
	}
	var op *net.OpError
	switch {
	case err == nil:
		return node, nil
	case errors.Is(err, syscall.EADDRINUSE) && errors.As(err, &op):
		err = fmt.Errorf("another process listens on UDP %v; choose another address with --addr", op.Addr)
	case errors.As(err, &op):
		err = fmt.Errorf("listen on UDP %v: %w", op.Addr, op.Err)
	}
	return nil, err
}

// logStartup logs the result of the settings.
func (d *daemon) logStartup() {
	r, o := d.node.LocalRecord(), d.o
	d.log.Info("started", "id", d.node.ID(), "seq", r.Seq(), "datadir", d.storage.dir, "version", version.Line("bootnode"))
	if o.config != "" {
		d.log.Info("configuration", "file", o.config)
	}
	if d.network != nil {
		d.log.Info("network", o.net.describeChain(time.Now())...)
	}
	if d.memory != nil {
		d.log.Info("memory limit", d.memory...)
	}
	addrs := d.node.Addrs()
	for i, info := range d.node.Sockets() {
		d.log.Info("listening", "addr", addrs[i], "got", info.String())
	}
	d.filter.look(d.node)
	d.logAccelerations()
	endpoints := endpointsOf(r)
	for _, a := range endpoints {
		d.log.Info("advertised", "addr", a, "from", d.originOf(a, addrs))
		if c := netaddr.ClassOf(a.Addr()); c != netaddr.Global && !slices.ContainsFunc(o.advertise, sameIP(a)) {
			who := "nodes of this network"
			if c == netaddr.Loopback {
				who = "this machine"
			}
			d.log.Warn("only "+who+" can reach the advertised address; name a public one with --extip", "addr", a, "reach", c.String())
		}
	}
	if len(endpoints) == 0 {
		d.log.Warn("the record names no address, so other nodes cannot find this node; name one with --extip")
	}
	if o.topics {
		d.log.Info("registrar of topics", "capacity", o.topicsCapacity, "wait_scale", o.topicsScale)
	}
	later := len(o.sources) - len(contacts(o.sources))
	d.log.Info("contacts", "bootnodes", len(o.sources)-later, "dns", later, "known", len(d.seeds), "bans", len(o.bans), "netrestrict", len(o.restrict))
}

func sameIP(a netip.AddrPort) func(netip.AddrPort) bool {
	return func(b netip.AddrPort) bool { return a.Addr() == b.Addr() }
}

// originOf returns where an advertised address comes from.
func (d *daemon) originOf(a netip.AddrPort, listening []netip.AddrPort) string {
	switch {
	case d.mapping.found(a), d.o.nat.Method == nat.ExtIP && d.o.nat.Addr == a.Addr():
		return "--nat"
	case slices.ContainsFunc(d.o.advertise, sameIP(a)):
		return "--extip"
	case slices.Contains(listening, a):
		return "--addr"
	case slices.ContainsFunc(d.node.AddressStates(), func(s discv5.AddressState) bool {
		return s.Endpoint == a && s.Source == discv5.AddressSaved
	}):
		return "last run"
	}
	return "network interface"
}

// work runs the goroutines beside the node until ctx ends, and stops them in order.
func (d *daemon) work(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.finder = newBootnodeFinder(d.node, d.o, d.seeds, d.system.resolver, d.log)
	d.reloader = &reloader{
		args: d.args, system: d.system, o: d.o, node: d.node, finder: d.finder, access: d.access, level: d.level,
		epoch: d.epoch, log: d.log, count: d.count, fleet: d.fleet, manager: d.manager, note: d.note,
	}
	var beside sync.WaitGroup
	beside.Go(func() { d.finder.run(ctx) })
	beside.Go(func() { d.reloader.run(ctx, d.hup) })
	beside.Go(func() { d.network.run(ctx, d.node, d.log) })
	beside.Go(func() { d.fleet.share(ctx, d) })
	if d.page != nil {
		beside.Go(func() { d.page.Run(ctx) })
	}
	k := newKeeper(d.node, d.storage.store, d.seeds, d.count, time.Now())
	k.forget, k.failed = d.finder.forget, d.fleet.failed
	d.manager.ready()
	if d.started != nil {
		d.started()
	}
	err := d.watch(ctx, k)
	cancel()
	beside.Wait()
	d.metrics.drain()
	d.web.drain()
	return err
}

// healthInterval is the time between health checks of the sockets.
const healthInterval = time.Second

// watch saves at every interval and reports, until ctx ends or a socket fails.
func (d *daemon) watch(ctx context.Context, k *keeper) error {
	save, health := time.NewTicker(d.o.save), time.NewTicker(healthInterval)
	defer save.Stop()
	defer health.Stop()
	var status <-chan time.Time
	if d.o.status > 0 {
		t := time.NewTicker(d.o.status)
		defer t.Stop()
		status = t.C
	}
	// Votes of peers may change the record. The node has saved it by then: see Config.SaveRecord.
	record := d.node.Subscribe(16, discv5.EventAddressChanged, discv5.EventAddressRevoked, discv5.EventAddressProven, discv5.EventAddressInDoubt)
	defer record.Close()
	changes, logged := record.C, uint64(0)
	report := newReporter(d.log, time.Now())
	saves := saveLog{log: d.log}
	statusEvery := defaultStatusInterval
	if w := d.manager.watchdog; w > 0 {
		statusEvery = min(statusEvery, w/3)
	}
	var notified time.Time
	var failure error
	for ctx.Err() == nil && failure == nil {
		select {
		case <-ctx.Done():
		case e, ok := <-changes:
			if !ok { // the node is closed
				changes = nil
				continue
			}
			logAddress(d.log, e, d.node.AddressState(e.Family))
			r := d.node.LocalRecord()
			if e.Kind != discv5.EventAddressChanged && e.Kind != discv5.EventAddressRevoked {
				continue
			}
			if r.Seq() == logged { // both families changed at the same time
				continue
			}
			logged = r.Seq()
			d.log.Info("record changed", "seq", r.Seq(), "record", r)
		case now := <-save.C:
			n, err := k.save(now, false)
			saves.done(now, n, err)
		case now := <-status:
			report.report(d.node.Stats(), now)
		case now := <-health.C:
			d.filter.look(d.node)
			if failure = d.node.Err(); failure == nil && now.Sub(notified) >= statusEvery {
				notified = now
				d.manager.alive(d.node.Stats())
			}
		}
	}
	d.manager.stopping()
	d.log.Info("stopping")
	n, err := k.save(time.Now(), true)
	if err != nil {
		err = fmt.Errorf("node database: %w", err)
	}
	err = errors.Join(failure, err, d.node.Close())
	if err == nil {
		d.log.Info("stopped", "saved", n)
	}
	return err
}
