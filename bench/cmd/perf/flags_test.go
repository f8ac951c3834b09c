package main

import (
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// A command line that would measure nothing, or panic when the servers run, is refused before one
// is started.
func TestFlags(t *testing.T) {
	for _, c := range []struct {
		names  string // what the error names; empty: there is none
		change func(*options)
		args   []string
	}{
		{names: "", change: func(o *options) {}},
		{names: "", change: func(o *options) { o.only = "junk" }},
		{names: "", change: func(o *options) { o.only = "stages" }},
		{names: "", change: func(o *options) { o.only, o.hold = "findnode", time.Second }},
		{names: "", change: func(o *options) { o.window, o.burst, o.many = 1, 1, 0 }},
		{names: "-only", change: func(o *options) { o.only = "nosuch" }},
		{names: "-only", change: func(o *options) { o.only, o.hold = "stages", time.Second }},
		{names: "-only", change: func(o *options) { o.only, o.profile = "handshake", "cpu.prof" }},
		{names: "-only", change: func(o *options) { o.only, o.many = "ping-many", 0 }},
		{names: "-rounds", change: func(o *options) { o.rounds = 0 }},
		{names: "-sessions", change: func(o *options) { o.many = -1 }},
		{names: "-burst", change: func(o *options) { o.burst = 64 }},
		{names: "-burst", change: func(o *options) { o.burst = 0 }},
		{names: "-window", change: func(o *options) { o.window = 62 }},
		{names: "-slice", change: func(o *options) { o.slice = 0 }},
		{names: "-hold", change: func(o *options) { o.hold = -1 }},
		{names: "", change: func(o *options) { o.only, o.hold, o.server, o.noGeth = "ping", time.Second, results.Single, true }},
		{names: "", change: func(o *options) { o.only, o.hold, o.server, o.noGeth = "ping", time.Second, results.Echo, true }},
		{names: "", change: func(o *options) { o.only, o.hold, o.server = "ping", time.Second, results.Rust }},
		{names: "", change: func(o *options) { o.server = "of no use without -hold" }},
		{names: "-server", change: func(o *options) { o.only, o.hold, o.server = "ping", time.Second, "nosuch" }},
		{names: "-server", change: func(o *options) { o.only, o.profile, o.server, o.noGeth = "ping", "cpu.prof", results.Geth, true }},
		{names: `"ping"`, change: func(o *options) {}, args: []string{"ping"}},
	} {
		o := options{rounds: 11, slice: time.Second, many: 100_000, window: 256, burst: 63, server: results.Own}
		c.change(&o)
		err := o.check(c.args)
		if (err == nil) != (c.names == "") || err != nil && !strings.Contains(err.Error(), c.names) {
			t.Errorf("%+v %v: %v, want an error about %q", o, c.args, err, c.names)
		}
	}
}
