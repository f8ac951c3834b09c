package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/store"
)

// nodeConfig returns the node's configuration as far as it follows from the settings. A start and
// --check-config both use it, and have Config.Validate check it.
func (o *options) nodeConfig(key *enr.PrivateKey) discv5.Config {
	c := discv5.Config{
		PrivateKey: key, ListenAddrs: slices.Concat(o.listen, o.optional6), Advertise: o.advertise,
		Bootnodes: contacts(o.sources), Sockets: o.sockets, MaxSessions: o.sessions, DropSessionRecords: true, DisableSegments: o.noGSO,
		BucketLimits: o.bucketLimits, TableLimits: o.tableLimits, ExemptPrivate: o.exemptPrivate,
		LowPorts: o.lowPorts,
	}
	o.reachConfig(&c)
	return c
}

// checkSettings makes the checks that a start makes, as far as it can without listening and without
// changing anything.
func checkSettings(o *options) (warnings []string, err error) {
	dir, err := dataDirOf(o)
	switch {
	case isUsage(err):
		return nil, err
	case err != nil: // a start runs without one
		dir = ""
	}
	key, warning, err := findKey(o, dir)
	if err != nil {
		return nil, err
	}
	if warning != "" {
		warnings = append(warnings, warning)
	}
	cfg := o.nodeConfig(key)
	if err := cfg.Validate(); err != nil {
		return nil, usageError{err}
	}
	if dir != "" {
		if err := store.CheckVersion((&storage{dir: dir}).databasePath()); err != nil {
			return nil, fmt.Errorf("node database: %w", err)
		}
	}
	access := newAccessList()
	if err := access.apply(0, o.bans, o.restrict); err != nil {
		return nil, err
	}
	var self enr.ID
	if key != nil {
		self = key.ID()
	}
	return append(warnings, unusableBootnodes(o.sources, self, access.Access, o.listens)...), nil
}

// check is --check-config.
func check(o *options, stdout, stderr io.Writer) int {
	warnings, err := checkSettings(o)
	if err != nil {
		complain(stderr, err)
		return exitCode(err)
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	for _, w := range slices.Concat(o.warnings, warnings) {
		log.Warn(w)
	}
	return say(stdout, stderr, fmt.Sprintf("settings are good: %d bootnodes, %d bans, %d networks\n", len(o.sources), len(o.bans), len(o.restrict)))
}
