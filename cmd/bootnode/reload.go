package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/statuspage"
	"github.com/fastdisc/discv5/limits"
)

// reloader reads the settings again on SIGHUP and applies those that can change while the node
// runs: bootnodes, bans, networks and the log level. It also reads the machine's addresses again.
// If anything is wrong, it changes nothing.
type reloader struct {
	args   []string
	system system
	o      *options // in force
	node   *discv5.Node
	finder *bootnodeFinder
	access *accessList
	level  *slog.LevelVar
	epoch  time.Time // when the node was created
	log    *slog.Logger
	count  *counts
	fleet  *fleetMember // nil without --fleet

	manager *serviceManager
	note    func(statuspage.Level, string) // adds an event to the status page
}

// reloadable reports whether SIGHUP can change a setting.
func reloadable(name string) bool {
	switch name {
	case "bootnodes", "bootnodes-file", "ban-file", "netrestrict", "log-level":
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
		r.done(err)
	}
}

// done counts and logs the result of a reload.
func (r *reloader) done(err error) {
	if err != nil {
		r.count.reloadFailed()
		r.log.Error("settings were not reloaded; the old ones stay in force", "err", cli.OneLine(err))
		r.note(statuspage.Warning, "The settings were not reloaded: "+cli.OneLine(err))
		return
	}
	r.count.reloaded(time.Now())
	r.note(statuspage.OK, "The settings were reloaded")
}

func (r *reloader) reload() error {
	o, err := load(r.args, r.system.environ)
	if err != nil {
		return err
	}
	return r.apply(o)
}

// apply applies settings.
func (r *reloader) apply(o *options) error {
	// load has checked everything that can fail, except for a lack of memory.
	if err := r.access.apply(time.Since(r.epoch), o.bans, o.restrict); err != nil {
		return err
	}
	// Restrict removes banned nodes from the table.
	if err := r.node.Restrict(o.restrict...); err != nil {
		return err
	}
	// Even if the bootnodes are the same: a ban may have ended.
	if err := r.finder.replace(o.sources); err != nil {
		return err
	}
	// Check has read the files once more.
	if err := r.fleet.reload(); err != nil {
		return err
	}
	r.level.Set(o.level)
	for _, w := range unusableBootnodes(o.sources, r.node.ID(), r.access.Access, r.o.listens) {
		r.log.Warn(w)
	}
	// The system may not have reported a change.
	r.node.RefreshAddresses()
	args := []any{"bootnodes", len(o.sources), "bans", len(o.bans), "netrestrict", len(o.restrict), "log_level", o.level}
	if late := restartNeeded(r.o, o); len(late) > 0 {
		args = append(args, "after_restart", strings.Join(late, ","))
	}
	r.o.sources, r.o.bans, r.o.restrict = o.sources, o.bans, o.restrict
	r.log.Info("settings were reloaded", args...)
	return nil
}

// restartNeeded returns the settings that have changed since the start and need a restart.
func restartNeeded(started, now *options) (names []string) {
	now.flags.VisitAll(func(f *pflag.Flag) {
		if !reloadable(f.Name) && f.Value.String() != started.flags.Lookup(f.Name).Value.String() {
			names = append(names, f.Name)
		}
	})
	return names
}

// accessList holds the bans and networks of the settings, and the bans of a fleet, in the form that
// the node uses.
type accessList struct {
	*limits.Access
	bans atomic.Int64 // number of rules of the settings

	mu    sync.Mutex
	own   []limits.Rule // of the settings
	since map[limits.Target]ownBan
	fleet []limits.Rule // of other members
	rules []limits.Rule // in force

	networks []netip.Prefix // of the settings
}

// ownBan is when a rule of the settings came into force.
type ownBan struct {
	length time.Duration
	at     time.Time
}

func newAccessList() *accessList { return &accessList{Access: limits.NewAccess(0)} }

// check reports whether apply would accept rules and networks.
func (*accessList) check(rules []limits.Rule, networks []netip.Prefix) error {
	return newAccessList().apply(0, rules, networks)
}

// apply replaces the rules and networks of the settings. If check accepts them, apply does not fail
// halfway. now is the time since the node was created. A ban that is in force with the same time
// keeps its end.
func (a *accessList) apply(now time.Duration, rules []limits.Rule, networks []netip.Prefix) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.set(now, rules, a.fleet); err != nil {
		return err
	}
	since := make(map[limits.Target]ownBan, len(rules))
	for _, r := range rules {
		b := a.since[r.Target]
		if b.at.IsZero() || b.length != r.For {
			b = ownBan{r.For, time.Now()}
		}
		since[r.Target] = b
	}
	a.since, a.networks = since, networks
	if err := a.Restrict(networks); err != nil {
		return fmt.Errorf("networks: %w", err)
	}
	return nil
}

// applyFleet replaces the bans of other members. Those of the settings win. Banned nodes leave the
// table.
func (a *accessList) applyFleet(now time.Duration, rules []limits.Rule, node *discv5.Node) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.set(now, a.own, rules); err != nil {
		return err
	}
	return node.Restrict(a.networks...) // the same networks; it looks at all nodes
}

// set replaces all rules. a.mu is held.
func (a *accessList) set(now time.Duration, own, others []limits.Rule) error {
	rules := slices.Clip(own)
	if len(others) > 0 {
		named := make(map[limits.Target]bool, len(own))
		for _, r := range own {
			named[r.Target] = true
		}
		for _, r := range others {
			if !named[r.Target] {
				rules = append(rules, r)
			}
		}
	}
	if err := a.Update(now, limits.Ban, a.rules, rules); err != nil {
		return fmt.Errorf("bans: %w", err)
	}
	a.own, a.fleet, a.rules = own, others, rules
	a.bans.Store(int64(len(own)))
	return nil
}

// shared returns the bans of the settings for the fleet.
func (a *accessList) shared() (list []fleet.Ban) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.own {
		b := fleet.Ban{Target: r.Target}
		if r.For > 0 {
			if b.Until = a.since[r.Target].at.Add(r.For); !b.Until.After(time.Now()) {
				continue
			}
		}
		list = append(list, b)
	}
	return list
}
