package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fastdisc/discv5"
)

// daemon is the program while it runs.
type daemon struct {
	args   []string
	system system
	o      *options
	stdout io.Writer
	log    *slog.Logger
	quiet  *quiet
	level  *slog.LevelVar
	hup    <-chan os.Signal

	storage  *storage
	web      *webServer
	access   *accessList
	node     *discv5.Node
	epoch    time.Time // when the node was made
	count    *counts
	mapping  *mapping
	finder   *finder
	manager  *serviceManager
	memory   []any    // how the node was fitted into a memory limit, for the log
	warnings []string // to be logged once all has gone well
	seeds    []discv5.Contact
}

// serve runs the node until ctx ends, which is no error. Nothing is logged before everything that
// can go wrong at a start has gone well, so that an error is the only line.
func (d *daemon) serve(ctx context.Context) (err error) {
	o := d.o
	d.count, d.access = newCounts(time.Now()), newAccessList()
	if d.storage, err = openStorage(o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.storage.close()) }()
	if d.web, err = listenHTTP(o.http, d.count); err != nil {
		return err
	}
	defer d.web.close()
	if err := d.makeNode(); err != nil {
		return err
	}
	defer d.node.Close()
	if d.mapping, err = newMapping(o, d.node, d.system, d.count, d.log); err != nil {
		return err
	}
	// Nobody may see a record that a crash could make this node forget.
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
	// a full disk, say: the node is of use to others all the same
	if _, err := fmt.Fprintln(d.stdout, record); err != nil {
		d.log.Error("the record could not be printed", "err", err, "record", record)
	}
	for _, w := range slices.Concat(o.warnings, d.warnings, d.endpointWarnings()) {
		d.log.Warn(w)
	}
	for _, p := range d.storage.problems {
		d.log.Error(p)
	}
	if !d.storage.persistent() {
		d.log.Error("running without persistence: known nodes, and changes of the record, are lost at the end of this run")
	}
	d.count.persistent.Store(d.storage.persistent())
	d.announce()
	d.manager = newServiceManager(d.log)
	d.web.serve(pages{node: d.node, epoch: d.epoch, access: d.access, count: d.count, quiet: d.quiet, pprof: o.pprof, vhosts: o.vhosts}, d.log)
	return d.work(ctx)
}

// makeNode loads what the node was before, and makes it. It is told who is banned before it
// receives anything.
func (d *daemon) makeNode() error {
	o := d.o
	key, warning, err := d.storage.key(o)
	if err != nil {
		return err
	}
	if warning != "" {
		d.warnings = append(d.warnings, warning)
	}
	cfg := o.nodeConfig(key)
	plan := d.fitMemory()
	cfg.MaxSessions, cfg.RecvBuffer, cfg.SendBuffer = plan.sessions, plan.recvBuffer, plan.sendBuffer
	if cfg.Previous, err = d.storage.previous(key.ID()); err != nil {
		return err
	}
	if cfg.PreviousAddresses, err = d.storage.addresses(key.ID()); err != nil {
		return err
	}
	known, err := d.storage.seeds()
	if err != nil {
		return err
	}
	if err := d.access.apply(0, o.bans, o.restrict); err != nil {
		return err
	}
	d.warnings = append(d.warnings, unusableBootnodes(o.sources, key.ID(), d.access.Access, o.listens)...)
	d.seeds, d.epoch = known, time.Now()
	cfg.Access, cfg.SaveRecord = d.access.Access, d.storage.saveRecord
	cfg.Bootnodes = append(cfg.Bootnodes, known...)
	d.node, err = listen(cfg, o)
	if errors.Is(err, discv5.ErrConfig) {
		return usageError{err}
	}
	return err
}

// work runs what goes on beside the node until ctx ends, and stops in order.
func (d *daemon) work(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.finder = newFinder(d.node, d.o, d.seeds, d.system.resolver, d.log)
	reload := &reloader{
		args: d.args, system: d.system, o: d.o, node: d.node, finder: d.finder, access: d.access, level: d.level,
		epoch: d.epoch, log: slog.New(d.quiet.next), count: d.count, manager: d.manager,
	}
	var beside sync.WaitGroup
	beside.Go(func() { d.finder.run(ctx) })
	beside.Go(func() { reload.run(ctx, d.hup) })
	k := &keeper{
		node: d.node, store: d.storage.store, epoch: d.epoch, seeds: d.seeds, trial: time.Now().Add(seedTrial), forget: d.finder.forget, count: d.count,
	}
	d.manager.ready()
	err := d.watch(ctx, k)
	cancel()
	beside.Wait()
	d.web.drain()
	return err
}

// listen makes the node. IPv6 addresses that nobody asked for by name are left out if the system
// has no IPv6.
func listen(cfg discv5.Config, o *options) (*discv5.Node, error) {
	node, err := discv5.New(cfg)
	if len(o.optional6) > 0 && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		cfg.ListenAddrs = o.listen
		node, err = discv5.New(cfg)
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
