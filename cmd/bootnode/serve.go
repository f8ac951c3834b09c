package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/store"
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

	dir      string
	store    *store.Store
	web      *webServer
	access   *accessList
	node     *discv5.Node
	epoch    time.Time // when the node was made
	count    *counts
	mapping  *mapping
	finder   *finder
	warnings []string // to be logged once all has gone well
	seeds    []discv5.Contact
}

// serve runs the node until ctx ends, which is no error. Nothing is logged before everything that can
// go wrong at a start has gone well, so that an error is the only line.
func (d *daemon) serve(ctx context.Context) (err error) {
	o := d.o
	d.count, d.access = newCounts(time.Now()), newAccessList()
	if d.dir, err = openDataDir(o); err != nil {
		return err
	}
	// The store comes first: its lock keeps a second process from the rest of the directory.
	if d.store, err = store.Open(filepath.Join(d.dir, "nodes.db")); err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	defer func() { err = errors.Join(err, d.store.Close()) }()
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
	if err := d.store.SaveLocal(d.node.LocalRecord()); err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	defer d.mapping.close()
	if err := d.mapping.start(ctx); err != nil {
		return err
	}
	if err := d.node.Start(context.Background()); err != nil {
		return err
	}
	record := d.node.LocalRecord()
	if _, err := fmt.Fprintln(d.stdout, record); err != nil { // a full disk, say: the node is of use to others all the same
		d.log.Error("the record could not be printed", "err", err, "record", record)
	}
	for _, w := range slices.Concat(o.warnings, d.warnings) {
		d.log.Warn(w)
	}
	d.announce()
	d.web.serve(pages{node: d.node, epoch: d.epoch, access: d.access, count: d.count, quiet: d.quiet, pprof: o.pprof, vhosts: o.vhosts}, d.log)
	return d.work(ctx)
}

// makeNode loads what the node was before, and makes it. It is told who is banned before it receives anything.
func (d *daemon) makeNode() error {
	o := d.o
	key, warning, err := loadKey(o, d.dir)
	if err != nil {
		return err
	}
	if warning != "" {
		d.warnings = append(d.warnings, warning)
	}
	previous, err := d.store.Local(key.ID())
	if err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	known, skipped, err := seeds(d.store)
	if err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	if skipped > 0 {
		d.warnings = append(d.warnings, fmt.Sprintf("%d entries of %s do not hold and are left out", skipped, d.store.Path()))
	}
	if err := d.access.apply(0, o.bans, o.restrict); err != nil {
		return err
	}
	d.seeds, d.epoch = known, time.Now()
	d.node, err = listen(discv5.Config{
		PrivateKey: key, Previous: previous, Advertise: o.advertise, Access: d.access.Access,
		SaveRecord: d.store.SaveLocal, Bootnodes: append(contacts(o.sources), known...), Sockets: o.sockets, MaxSessions: o.sessions,
		DisableSegments: o.noGSO,
	}, o)
	return err
}

// work runs what goes on beside the node until ctx ends, and stops in order.
func (d *daemon) work(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.finder = newFinder(d.node, d.o, d.seeds, d.system.resolver, d.log)
	reload := &reloader{
		args: d.args, system: d.system, o: d.o, node: d.node, finder: d.finder, access: d.access, level: d.level,
		epoch: d.epoch, log: slog.New(d.quiet.next), count: d.count,
	}
	var beside sync.WaitGroup
	beside.Go(func() { d.finder.run(ctx) })
	beside.Go(func() { reload.run(ctx, d.hup) })
	k := &keeper{
		node: d.node, store: d.store, epoch: d.epoch, seeds: d.seeds, trial: time.Now().Add(seedTrial), forget: d.finder.forget, count: d.count,
	}
	err := d.watch(ctx, k)
	cancel()
	beside.Wait()
	d.web.drain()
	return err
}

// listen makes the node. IPv6 addresses that nobody asked for by name are left out if the system has no IPv6.
func listen(cfg discv5.Config, o *options) (*discv5.Node, error) {
	cfg.ListenAddrs = slices.Concat(o.listen, o.optional6)
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
