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
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/store"
	"github.com/fastdisc/discv5/table"
)

const (
	reportInterval = time.Minute
	healthInterval = time.Second
)

// serve runs the node until ctx ends, which is no error. Nothing is logged before everything that can
// go wrong at a start has gone well, so that an error is the only line.
func serve(ctx context.Context, o *options, stdout io.Writer, log *slog.Logger) (err error) {
	dir, err := openDataDir(o)
	if err != nil {
		return err
	}
	// The store comes first: its lock keeps a second process from the rest of the directory.
	st, err := store.Open(filepath.Join(dir, "nodes.db"))
	if err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	key, warning, err := loadKey(o, dir)
	if err != nil {
		return err
	}
	previous, err := st.Local(key.ID())
	if err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	bootnodes, err := parseBootnodes(ctx, o)
	if err != nil {
		return err
	}
	known, skipped, err := seeds(st)
	if err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	web, err := listenHTTP(o.http)
	if err != nil {
		return err
	}
	defer web.close()

	epoch := time.Now()
	node, err := listen(discv5.Config{
		PrivateKey: key, Previous: previous, Advertise: o.advertise,
		SaveRecord: st.SaveLocal, Bootnodes: append(bootnodes, known...), Sockets: o.sockets, MaxSessions: o.sessions,
	}, o)
	if err != nil {
		return err
	}
	defer node.Close()
	// Nobody may see a record that a crash could make this node forget.
	if err := st.SaveLocal(node.LocalRecord()); err != nil {
		return fmt.Errorf("node database: %w", err)
	}
	if err := node.Start(context.Background()); err != nil {
		return err
	}
	fmt.Fprintln(stdout, node.LocalRecord())
	if warning != "" {
		log.Warn(warning)
	}
	if skipped > 0 {
		log.Warn("entries of the node database do not hold and are left out", "file", st.Path(), "entries", skipped)
	}
	announce(log, o, node, dir)
	log.Info("contacts", "bootnodes", len(bootnodes), "known", len(known))
	web.serve(node, log)

	err = watch(ctx, &keeper{node: node, store: st, epoch: epoch}, o.save, log)
	web.drain()
	return err
}

// openDataDir makes the data directory if it is missing.
func openDataDir(o *options) (string, error) {
	dir := o.dataDir
	if dir == "" {
		var err error
		if dir, err = defaultDataDir(); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return dir, nil
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

// announce logs what became of the addresses.
func announce(log *slog.Logger, o *options, node *discv5.Node, dir string) {
	r := node.LocalRecord()
	log.Info("started", "id", node.ID(), "seq", r.Seq(), "datadir", dir, "version", versionLine())
	addrs := node.Addrs()
	for i, info := range node.Sockets() {
		log.Info("listening", "addr", addrs[i], "got", info.String())
	}
	named := 0
	for _, end := range []func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
		a, ok := end()
		if !ok {
			continue
		}
		named++
		log.Info("advertised", "addr", a, "from", origin(a, o, addrs))
		if c := table.Class(a.Addr()); c != table.Global && !slices.ContainsFunc(o.advertise, sameIP(a)) {
			log.Warn("only nodes of this network can reach the advertised address; name a public one with --extip", "addr", a, "reach", c)
		}
	}
	if named == 0 {
		log.Warn("the record names no address, so that nobody can find this node; name one with --extip")
	}
}

func sameIP(a netip.AddrPort) func(netip.AddrPort) bool {
	return func(b netip.AddrPort) bool { return a.Addr() == b.Addr() }
}

// origin says where an advertised address comes from.
func origin(a netip.AddrPort, o *options, listening []netip.AddrPort) string {
	switch {
	case slices.ContainsFunc(o.advertise, sameIP(a)):
		return "--extip"
	case slices.Contains(listening, a):
		return "--addr"
	}
	return "network interface"
}

// watch saves at every interval and reports, until ctx ends or a socket fails.
func watch(ctx context.Context, k *keeper, every time.Duration, log *slog.Logger) error {
	save, status, health := time.NewTicker(every), time.NewTicker(reportInterval), time.NewTicker(healthInterval)
	defer save.Stop()
	defer status.Stop()
	defer health.Stop()
	// The record may change by what peers say. It has been saved by then: see SaveRecord in the configuration.
	record := k.node.Subscribe(16, discv5.EventAddressChanged, discv5.EventAddressRevoked)
	defer record.Close()
	report := newReporter(log, time.Now())
	var failure error
	for ctx.Err() == nil && failure == nil {
		select {
		case <-ctx.Done():
		case _, ok := <-record.C:
			r := k.node.LocalRecord()
			if !ok { // the node has been closed
				continue
			}
			log.Info("record changed", "seq", r.Seq(), "record", r)
		case <-save.C:
			if n, err := k.save(false); err != nil {
				log.Error("cannot save nodes", "err", err)
			} else if n > 0 {
				log.Debug("saved nodes", "written", n)
			}
		case now := <-status.C:
			report.report(k.node.Stats(), now)
		case <-health.C:
			failure = k.node.Err()
		}
	}
	log.Info("stopping")
	n, err := k.save(true)
	if err != nil {
		log.Error("cannot save nodes", "err", err)
		err = fmt.Errorf("node database: %w", err)
	}
	err = errors.Join(failure, err, k.node.Close())
	if err == nil {
		log.Info("stopped", "saved", n)
	}
	return err
}
