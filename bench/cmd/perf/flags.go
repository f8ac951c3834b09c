package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fastdisc/discv5/bench/internal/results"
	"github.com/fastdisc/discv5/fastpath"
)

// sections are what there is beside the workloads.
func sections() []string {
	return []string{floodSection, "workers", "sessions", "junk-share", "stages"}
}

// check says what is wrong with the command line, before a server is started: sessions alone take
// minutes.
func (o *options) check(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	for _, n := range []struct {
		name        string
		n, from, to int
	}{
		{"rounds", o.rounds, 1, 1000}, {"sessions", o.many, 0, 1 << 17}, {"burst", o.burst, 1, fastpath.MaxSegments},
		// A window that has no room for a burst sends nothing.
		{"window", o.window, o.burst, 1 << 15},
	} {
		if n.n < n.from || n.n > n.to {
			return fmt.Errorf("-%s %d: want %d to %d", n.name, n.n, n.from, n.to)
		}
	}
	if o.slice <= 0 {
		return fmt.Errorf("-slice %v: want more than 0", o.slice)
	}
	if o.hold < 0 {
		return fmt.Errorf("-hold %v: want 0 or more", o.hold)
	}
	workloads := results.Workloads()
	if o.many == 0 {
		workloads = slices.DeleteFunc(workloads, func(name string) bool { return name == "ping-many" })
	}
	known := slices.Concat(workloads, sections())
	begins := func(name string) bool { return strings.HasPrefix(name, o.only) }
	if !slices.ContainsFunc(known, begins) {
		return fmt.Errorf("-only %q: want the beginning of %s", o.only, strings.Join(known, ", "))
	}
	if o.hold == 0 && o.profile == "" {
		return nil
	}
	// Handshakes have no entry that could be loaded for long.
	loaded := slices.DeleteFunc(workloads, func(name string) bool { return name == "handshake" })
	if !slices.ContainsFunc(loaded, begins) {
		return fmt.Errorf("-only %q: -hold and -profile want the beginning of %s", o.only, strings.Join(loaded, ", "))
	}
	switch foreign := o.server != results.Own && o.server != results.Single && o.server != results.Echo; {
	case !slices.Contains(results.Servers(), o.server):
		return fmt.Errorf("-server %q: want one of %q", o.server, results.Servers())
	case foreign && o.noGeth:
		return fmt.Errorf("-server %q: -nogeth leaves it out", o.server)
	}
	return nil
}
