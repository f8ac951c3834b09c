package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/limits"
)

// reloader reads the settings anew on SIGHUP and puts in force what can change while the node runs:
// bootnodes, bans, networks and the log level. The machine's addresses are read again. If anything
// is wrong, nothing changes.
type reloader struct {
	args   []string
	system system
	o      *options // in force
	node   *discv5.Node
	finder *finder
	access *accessList
	level  *slog.LevelVar
	epoch  time.Time    // when the node was made
	log    *slog.Logger // not a quiet one: whoever sends a signal wants to know what came of it
	count  *counts

	manager *serviceManager
}

// reloadable are the settings that SIGHUP can change.
func reloadable(name string) bool {
	switch name {
	case "bootnodes", "bootnodes-file", "ban-file", "netrestrict", "log.level":
		return true
	}
	return false
}

// run waits for signals until ctx ends.
func (r *reloader) run(ctx context.Context, hup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		r.manager.reloading()
		err := r.reload()
		r.manager.reloaded(err)
		if err != nil {
			r.count.reloadFailed()
			r.log.Error("settings were not read anew; the old ones stay in force", "err", oneLine(err))
			continue
		}
		r.count.reloaded(time.Now())
	}
}

func (r *reloader) reload() error {
	o, err := load(r.args, r.system.environ)
	if err != nil {
		return err
	}
	// What could fail has been tried by now, but for what only a lack of memory can make fail.
	if err := r.access.apply(time.Since(r.epoch), o.bans, o.restrict); err != nil {
		return err
	}
	// once more, and nodes of the table that are banned leave it
	if err := r.node.Restrict(o.restrict...); err != nil {
		return err
	}
	// also if they are the same: who was banned may not be any more
	if err := r.finder.replace(o.sources); err != nil {
		return err
	}
	r.level.Set(o.level)
	for _, w := range unusableBootnodes(o.sources, r.node.ID(), r.access.Access, r.o.listens) {
		r.log.Warn(w)
	}
	r.node.RefreshAddresses() // in case the system has not reported a change
	args := []any{"bootnodes", len(o.sources), "bans", len(o.bans), "networks", len(o.restrict), "log_level", o.level}
	if late := restartNeeded(r.o, o); len(late) > 0 {
		args = append(args, "after_restart", strings.Join(late, ","))
	}
	r.o.sources, r.o.bans, r.o.restrict = o.sources, o.bans, o.restrict
	r.log.Info("settings were read anew", args...)
	return nil
}

// restartNeeded lists the settings that have changed since the start and cannot change before the
// next one.
func restartNeeded(started, now *options) (names []string) {
	now.flags.VisitAll(func(f *pflag.Flag) {
		if !reloadable(f.Name) && f.Value.String() != started.flags.Lookup(f.Name).Value.String() {
			names = append(names, f.Name)
		}
	})
	return names
}

// accessList is the bans and networks of the settings, as the node has them. check may be called at
// any time, the others from one goroutine at a time.
type accessList struct {
	*limits.Access
	rules []limits.Rule // in force
	bans  atomic.Int64  // their number
}

func newAccessList() *accessList { return &accessList{Access: limits.NewAccess(0)} }

// check tells whether rules and networks can be put in force.
func (*accessList) check(rules []limits.Rule, networks []netip.Prefix) error {
	return newAccessList().apply(0, rules, networks)
}

// apply puts rules and networks in force, in place of those from before, all or nothing if they
// pass check. now is time since the node was made. A ban that is in force with the same time is not
// prolonged.
func (a *accessList) apply(now time.Duration, rules []limits.Rule, networks []netip.Prefix) error {
	if err := a.Update(now, limits.Ban, a.rules, rules); err != nil {
		return fmt.Errorf("bans: %w", err)
	}
	a.rules = rules
	a.bans.Store(int64(len(rules)))
	if err := a.Restrict(networks); err != nil {
		return fmt.Errorf("networks: %w", err)
	}
	return nil
}
