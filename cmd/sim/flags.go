package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/simnet"
	"github.com/fastdisc/discv5/topic"
)

// options are what the command line says.
type options struct {
	seed     uint64
	duration time.Duration
	sample   time.Duration
	audit    int
	memory   int
	real     bool
	json     string
	cpu      string
	heap     string

	swarm simnet.SwarmConfig
	cond  simnet.Conditions

	refresh, revalidate, idle time.Duration
	sessions, replacements    int

	attack      bool
	attackNodes int
}

func flags(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("sim", pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	s := &o.swarm
	f.Uint64Var(&o.seed, "seed", 1, "`number` that decides everything random")
	f.IntVar(&s.Nodes, "nodes", 20000, "`number` of nodes")
	f.DurationVar(&o.duration, "duration", 24*time.Hour, "simulated `time` after all have joined")
	f.DurationVar(&o.sample, "sample", time.Hour, "simulated `time` between two lines of the report")
	f.DurationVar(&s.Join, "join", 30*time.Minute, "simulated `time` over which the nodes arrive")
	f.IntVar(&s.Bootnodes, "bootnodes", 8, "`number` of bootnodes among them")

	f.Float64Var(&s.Churn, "churn", 0.1, "`share` of the nodes that leaves in an hour and is replaced")
	f.Float64Var(&s.Return, "return", 0.3, "`share` of those that come back with their state; new nodes replace the others")
	f.DurationVar(&s.Downtime, "downtime", 20*time.Minute, "simulated `time` after which they do")
	f.Float64Var(&s.NAT, "nat", 0.1, "`share` of the nodes that are behind NATs, of four kinds alike")
	f.Float64Var(&s.IPv6, "ipv6", 0.05, "`share` of the others that have an IPv6 address alone")
	f.Float64Var(&s.DualStack, "dual", 0.1, "`share` of the others that have both")

	f.Float64Var(&o.cond.Loss, "loss", 0.01, "`share` of the datagrams that is lost")
	f.Float64Var(&o.cond.Duplicate, "duplicate", 0.001, "`share` of the datagrams that arrives twice")
	f.Float64Var(&o.cond.Reorder, "reorder", 0.001, "`share` of the datagrams that is held up")
	f.DurationVar(&o.cond.Jitter, "jitter", 20*time.Millisecond, "most that chance adds to a delay, a `time`")

	f.DurationVar(&o.refresh, "refresh", 4*time.Hour, "`time` between two lookups of a node for its table")
	f.DurationVar(&o.revalidate, "revalidate", time.Hour, "first `time` between two checks of a table entry; it grows tenfold")
	f.DurationVar(&o.idle, "idle", 6*time.Hour, "`time` after which an unused session ends")
	f.IntVar(&o.sessions, "sessions", 160, "`number` of sessions that a node has room for")
	f.IntVar(&o.replacements, "replacements", 4, "`number` of replacements that a bucket has room for")

	f.Float64Var(&s.Lookups, "lookups", 120, "`number` of lookups in an hour that are measured")
	f.DurationVar(&s.Settled, "settled", 10*time.Minute, "simulated `time` after which a node makes such lookups, and is to be found")
	t := &s.Topics
	f.IntVar(&t.Topics, "topics", 0, "`number` of topics; each node that can advertises one. 0: no node has to do with topics")
	f.Float64Var(&t.Zipf, "zipf", 1, "`exponent` of the popularity of topics: the i-th has a share in proportion to i^-exponent; 0: all alike")
	f.Float64Var(&t.Capable, "capable", 1, "`share` of the nodes that are registrars and advertise; the others know nothing of topics")
	f.Float64Var(&t.Lookups, "topic-lookups", 2000, "`number` of lookups for 30 advertisers in an hour that are measured")
	f.BoolVar(&t.Search, "search", false, "have each advertiser search for its topic without end")
	f.DurationVar(&t.LeadIn, "lead-in", 30*time.Minute, "simulated `time` after all have joined from which on such lookups and searches are measured")
	f.Float64Var(&t.WaitScale, "wait-scale", 1, "`factor` of the waiting times that registrars quote; 1 is what the specification says")
	f.Float64Var(&t.Hostile, "hostile", 0, "`share` of the advertisers of the first topic that are attackers; lookups are for that topic then")
	f.IntVar(&o.audit, "audit", 50, "audit every `n`-th node; 1 for all, -1 for none")
	f.BoolVar(&o.attack, "attack", false, "simulate attackers on node tables in place of a swarm, under the rules of this module and those of go-ethereum; of the other flags, --seed, --json and --attack-nodes count")
	f.IntVar(&o.attackNodes, "attack-nodes", 1000, "`number` of honest nodes that are attacked")
	f.BoolVar(&o.real, "real-curve", false, "calculate handshakes on secp256k1 and not with hashes")
	f.IntVar(&o.memory, "memory", 6500, "`megabytes` up to which garbage is left where it is")
	f.StringVar(&o.json, "json", "", "write the report to `file` as JSON, - for standard output")
	f.StringVar(&o.cpu, "cpu-profile", "", "write a profile of the processor time to `file`, for go tool pprof")
	f.StringVar(&o.heap, "heap-profile", "", "write a profile of the heap at the end to `file`")
	return f
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flags(o)
	if err := f.Parse(args); err != nil {
		return nil, cli.FlagError(err, f)
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %s", quote.Short(f.Arg(0)))
	}
	for _, name := range []string{"churn", "return", "nat", "ipv6", "dual", "loss", "duplicate", "reorder", "capable", "hostile"} {
		if v, _ := f.GetFloat64(name); v < 0 || v > 1 {
			return nil, fmt.Errorf("--%s: %v is no share between 0 and 1", name, v)
		}
	}
	for _, name := range []string{"nodes", "bootnodes", "sessions", "memory", "attack-nodes"} {
		if v, _ := f.GetInt(name); v < 1 {
			return nil, fmt.Errorf("--%s: %d is less than 1", name, v)
		}
	}
	if s := &o.swarm.Topics; s.Topics < 0 || s.Zipf < 0 || s.Topics > 0 && s.Capable == 0 {
		return nil, errors.New("--topics, --zipf and --capable: below 0, or no node has the capability")
	}
	if x := o.swarm.Topics.WaitScale; !(x >= topic.MinWaitScale && x <= topic.MaxWaitScale) {
		return nil, fmt.Errorf("--wait-scale %v: want %v to %v", x, topic.MinWaitScale, topic.MaxWaitScale)
	}
	for _, name := range []string{"duration", "sample", "lead-in", "join", "settled", "refresh", "revalidate", "idle"} {
		if v, _ := f.GetDuration(name); v <= 0 {
			return nil, fmt.Errorf("--%s: %v is no time", name, v)
		}
	}
	o.swarm.Config = o.node
	o.swarm.Tuning = simnet.Tuning{RevalidateSlow: o.revalidate, Replacements: o.replacements}
	if o.replacements == 0 {
		o.swarm.Tuning.Replacements = -1
	}
	return o, nil
}

// node configures a node. Bootnodes have more sessions.
func (o *options) node(c *discv5.Config) {
	c.RefreshInterval, c.SessionIdleTimeout, c.MaxSessions = o.refresh, o.idle, o.sessions
}

func usage() string {
	return "Sim lets a swarm of discv5 nodes live for a simulated time, and reports on it.\n\nUsage: sim [flags]\n\n" +
		flags(&options{}).FlagUsagesWrapped(110)
}
