package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/internal/quote"
)

const (
	defaultDuration = 10 * time.Second
	defaultMix      = "ping=70,findnode=20,talk=9,handshake=1"
	maxWarmup       = 10 * time.Minute
)

// options are the command line.
type options struct {
	target, mode, mix         string
	identities                int
	junkIDs                   int
	rate                      float64
	window                    int
	arrivals                  string
	duration, warmup          time.Duration
	requests                  uint64
	timeout                   time.Duration
	handshake                 string
	distances                 []uint
	topics                    int
	tickets                   string
	talkProtocol              string
	talkSize, junkSize        int
	sockets, sources          int
	source                    []string
	workers, gsoBatch, buffer int
	ipv6, poll                bool
	noGSO, portable           bool
	pid                       int
	json, html                string
	protocol                  string
	maxLoss                   string
	minRate                   float64
	maxP99                    time.Duration
	own, version              bool

	cfg   load.Config // all but Target
	limit struct {
		loss, rate float64 // -1: none
		p99        time.Duration
	}
}

func flagSet(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("loadgen", pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringVarP(&o.target, "target", "t", "", "`NODE` to load: enr:... or enode://..., also with a host name")
	f.BoolVar(&o.own, "i-own-this-target", false, "load a node that is neither on this machine nor in a private network. Never use it for nodes of others")
	f.StringVar(&o.protocol, "protocol-id", string(codec.DefaultProtocol.ID[:]), "protocol `ID` of the network, six characters")
	f.BoolVarP(&o.ipv6, "ipv6", "6", false, "use the IPv6 endpoint of a NODE that has both")
	f.StringVarP(&o.mode, "mode", "m", "ping", "`MODE`: ping, findnode, talk, handshake, junk, regtopic, topicquery or mix")
	f.StringVar(&o.mix, "mix", defaultMix, "`WEIGHTS` of the kinds, for --mode mix")
	f.DurationVarP(&o.duration, "duration", "d", defaultDuration, "`TIME` to send for, at most 24h")
	f.DurationVar(&o.warmup, "warmup", 0, "`TIME` of load before, which is not counted")
	f.Uint64Var(&o.requests, "requests", 0, "end after `N` requests")
	f.Float64VarP(&o.rate, "rate", "r", 0, "open loop: `N` requests a second by a schedule, whatever becomes of earlier ones")
	f.StringVar(&o.arrivals, "arrivals", "uniform", "times between requests of --rate: `HOW` is uniform or poisson")
	f.IntVarP(&o.window, "window", "w", 0, fmt.Sprintf("closed loop: `N` requests under way. Default: %d, or %d for handshakes", load.DefaultWindow, load.DefaultHandshakeWindow))
	f.DurationVar(&o.timeout, "timeout", load.DefaultTimeout, "`TIME` after which a request is lost; handshakes get twice as much")
	f.IntVarP(&o.identities, "identities", "n", load.DefaultIdentities, "`N` nodes with a session each, of at most 2 KiB")
	f.IntVar(&o.sockets, "sockets", 0, fmt.Sprintf("`N` ports to send from. Default: %d, one for each source at least", load.DefaultSockets))
	f.IntVar(&o.sources, "sources", 0, "`N` addresses of 127.0.0.0/8 to send from, as a sender with forged addresses would")
	f.StringArrayVar(&o.source, "source", nil, "`IP` address of this machine to send from; repeatable")
	f.StringVar(&o.handshake, "handshake", "good", "`FORM` of the handshakes: good, bad (ID signature) or record (its signature is bad)")
	f.UintSliceVar(&o.distances, "distances", load.DefaultDistances(), "log `DISTANCES` of FINDNODE, REGTOPIC and TOPICQUERY")
	f.IntVar(&o.topics, "topics", load.DefaultTopics, "`N` topics that identities register and query, in turn")
	f.StringVar(&o.tickets, "tickets", "honest", "`HOW` registrations use tickets: honest (wait as told), early (immediately) or none")
	f.StringVar(&o.talkProtocol, "talk-protocol", load.DefaultTalkProtocol, "`NAME` of the TALK protocol")
	f.IntVar(&o.talkSize, "talk-size", 32, "`BYTES` of a TALK request")
	f.IntVar(&o.junkIDs, "junk-ids", 0, "`N` node IDs that junk comes from, in turn. Default: a new one for each packet")
	f.IntVar(&o.junkSize, "junk-size", 0, "`BYTES` of a junk packet. Default: as a PING")
	f.IntVar(&o.workers, "workers", 1, "`N` goroutines that share the load; one is enough for most targets")
	f.IntVar(&o.gsoBatch, "gso-batch", 0, "`N` requests at most in one system call. Default: by window or rate")
	f.BoolVar(&o.poll, "poll", false, "never sleep while waiting: for the best figures, with a processor of its own")
	f.BoolVar(&o.noGSO, "no-gso", false, "send without UDP_SEGMENT, and receive without UDP_GRO")
	f.BoolVar(&o.portable, "portable", false, "use one system call for each datagram, as on other systems than Linux")
	f.IntVar(&o.buffer, "buffer", load.DefaultBuffer, "`BYTES` to ask for each socket's buffers")
	f.IntVar(&o.pid, "pid", 0, "process `ID` of the target, to measure its CPU time and memory (on Linux)")
	f.StringVar(&o.json, "json", "", "write the report to `FILE` as JSON; - is standard output, instead of the text")
	f.StringVar(&o.html, "html", "", "write the report to `FILE` as a page with charts")
	f.StringVar(&o.maxLoss, "max-loss", "", "end with code 3 if a larger `PART` is lost: 0.001 or 0.1%")
	f.Float64Var(&o.minRate, "min-rate", 0, "end with code 3 if fewer than `N` requests a second are answered")
	f.DurationVar(&o.maxP99, "max-p99", 0, "end with code 3 if one request in a hundred takes longer than `TIME`")
	f.BoolVar(&o.version, "version", false, "print the version and exit")
	return f
}

func usage() string {
	var o options
	return "Usage: loadgen --target NODE [flags]\n\nPuts a node of Node Discovery v5.1 under load. See docs/LOADGEN.md.\n\n" +
		flagSet(&o).FlagUsagesWrapped(100)
}

// parseFlags reads the command line. Everything that can be told to be wrong without looking at the
// system is.
func parseFlags(args []string) (*options, error) {
	o := new(options)
	f := flagSet(o)
	if err := f.Parse(args); err != nil {
		return nil, cli.FlagError(err, f)
	}
	if o.version {
		return o, nil
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %s", quote.Short(f.Arg(0)))
	}
	if o.target == "" {
		return nil, errors.New("--target is missing")
	}
	if err := o.loop(f); err != nil {
		return nil, err
	}
	if err := o.kinds(f); err != nil {
		return nil, err
	}
	if err := o.origin(f); err != nil {
		return nil, err
	}
	if err := o.limits(f); err != nil {
		return nil, err
	}
	return o, o.bounds(f)
}

// bounds checks numbers, so that messages name flags.
func (o *options) bounds(f *pflag.FlagSet) error {
	for _, n := range []struct {
		name        string
		n, from, to int
	}{
		{"identities", o.identities, 1, load.MaxIdentities}, {"junk-ids", o.junkIDs, 0, load.MaxJunkIDs},
		{"topics", o.topics, 1, load.MaxTopics},
		{"sockets", o.sockets, 1, load.MaxSockets}, {"workers", o.workers, 1, load.MaxWorkers}, {"gso-batch", o.gsoBatch, 1, 63},
		{"talk-size", o.talkSize, 0, load.MaxTalk - len(o.talkProtocol)}, {"junk-size", o.junkSize, 88, 1280},
		{"buffer", o.buffer, 1, math.MaxInt32}, {"pid", o.pid, 1, math.MaxInt32},
	} {
		if f.Changed(n.name) && (n.n < n.from || n.n > n.to) {
			return fmt.Errorf("--%s %d: want %d to %d", n.name, n.n, n.from, n.to)
		}
	}
	for _, d := range []struct {
		name        string
		d, from, to time.Duration
	}{
		{"duration", o.duration, time.Millisecond, load.MaxDuration}, {"warmup", o.warmup, 0, maxWarmup},
		{"timeout", o.timeout, time.Millisecond, load.MaxTimeout},
	} {
		if d.d < d.from || d.d > d.to {
			return fmt.Errorf("--%s %v: want %v to %v", d.name, d.d, d.from, d.to)
		}
	}
	for _, name := range []string{"json", "html", "talk-protocol"} {
		if f.Changed(name) && f.Lookup(name).Value.String() == "" {
			return fmt.Errorf("--%s is empty", name)
		}
	}
	if o.html == "-" || o.html != "" && o.html == o.json {
		return fmt.Errorf("--html %s: want a file of its own", o.html)
	}
	c := &o.cfg
	c.Protocol = codec.DefaultProtocol
	if n := copy(c.Protocol.ID[:], o.protocol); n != len(o.protocol) || n != len(c.Protocol.ID) {
		return fmt.Errorf("--protocol-id %s: want %d characters", quote.Short(o.protocol), len(c.Protocol.ID))
	}
	c.Public, c.Poll, c.DisableGSO, c.Portable = o.own, o.poll, o.noGSO, o.portable
	c.Identities, c.JunkIDs, c.Sockets, c.Workers, c.GSOBatch = o.identities, o.junkIDs, o.sockets, o.workers, o.gsoBatch
	c.Topics = o.topics
	c.TalkProtocol, c.TalkSize, c.JunkSize, c.Buffer, c.Timeout = o.talkProtocol, o.talkSize, o.junkSize, o.buffer, o.timeout
	return nil
}

// loop reads rate and window.
func (o *options) loop(f *pflag.FlagSet) error {
	switch {
	case f.Changed("rate") && f.Changed("window"):
		return errors.New("--rate and --window exclude each other")
	case f.Changed("rate") && !(o.rate > 0 && o.rate <= load.MaxRate):
		return fmt.Errorf("--rate %v: want more than 0 and up to %d", o.rate, load.MaxRate)
	case f.Changed("window") && (o.window < 1 || o.window > load.MaxWindow):
		return fmt.Errorf("--window %d: want 1 to %d", o.window, load.MaxWindow)
	case o.arrivals != "uniform" && o.arrivals != "poisson":
		return fmt.Errorf("--arrivals %s: want uniform or poisson", quote.Short(o.arrivals))
	case f.Changed("arrivals") && !f.Changed("rate"):
		return errors.New("--arrivals is for --rate")
	}
	o.cfg.Rate, o.cfg.Window, o.cfg.Poisson = o.rate, o.window, o.arrivals == "poisson"
	return nil
}

// kinds parses the kinds of requests.
func (o *options) kinds(f *pflag.FlagSet) (err error) {
	if f.Changed("mix") && !f.Changed("mode") {
		o.mode = "mix"
	}
	text := o.mode
	if o.mode == "mix" {
		text = o.mix
	} else if f.Changed("mix") {
		return fmt.Errorf("--mix is for --mode mix, not %s", o.mode)
	}
	if strings.Contains(o.mode, "=") || strings.Contains(o.mode, ",") {
		return fmt.Errorf("--mode %s: want one mode; weights go to --mix", quote.Short(o.mode))
	}
	if o.cfg.Mix, err = load.ParseMix(text); err != nil {
		if o.mode == "mix" {
			return cli.Usagef("--mix: %s", strings.TrimPrefix(err.Error(), load.ErrMix.Error()+": "))
		}
		return fmt.Errorf("--mode %s: want ping, findnode, talk, handshake, junk, regtopic, topicquery or mix", quote.Short(o.mode))
	}
	if o.cfg.Handshake, err = load.ParseHandshakeForm(o.handshake); err != nil {
		return fmt.Errorf("--handshake %s: want good, bad or record", quote.Short(o.handshake))
	}
	if o.cfg.Tickets, err = load.ParseTicketForm(o.tickets); err != nil {
		return fmt.Errorf("--tickets %s: want honest, early or none", quote.Short(o.tickets))
	}
	for _, d := range o.distances {
		if d > 256 {
			return fmt.Errorf("--distances %d: want 0 to 256", d)
		}
	}
	if len(o.distances) == 0 || len(o.distances) > 64 {
		return fmt.Errorf("--distances: %d of them, want 1 to 64", len(o.distances))
	}
	o.cfg.Distances = o.distances
	for name, kinds := range map[string][]load.Kind{
		"handshake": {load.Handshake}, "talk-size": {load.Talk}, "talk-protocol": {load.Talk},
		"distances": {load.FindNode, load.RegTopic, load.TopicQuery},
		"topics":    {load.RegTopic, load.TopicQuery}, "tickets": {load.RegTopic},
		"junk-ids": {load.Junk}, "junk-size": {load.Junk},
	} {
		if f.Changed(name) && !slices.ContainsFunc(kinds, func(k load.Kind) bool { return o.cfg.Mix[k] > 0 }) {
			return fmt.Errorf("--%s is for %v, which is not asked", name, kinds[0])
		}
	}
	return nil
}

// origin reads the addresses to send from.
func (o *options) origin(f *pflag.FlagSet) error {
	if f.Changed("sources") && f.Changed("source") {
		return errors.New("--sources and --source exclude each other")
	}
	if f.Changed("sources") {
		if o.sources < 1 || o.sources > load.MaxSockets {
			return fmt.Errorf("--sources %d: want 1 to %d", o.sources, load.MaxSockets)
		}
		o.cfg.Sources = load.LoopbackSources(o.sources)
	}
	for _, s := range o.source {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("--source %s: want an IP address", quote.Short(s))
		}
		o.cfg.Sources = append(o.cfg.Sources, a)
	}
	if n := len(o.cfg.Sources); f.Changed("sockets") && o.sockets < n {
		return fmt.Errorf("--sockets %d: want one for each of %d sources at least", o.sockets, n)
	}
	return nil
}

// limits reads the thresholds.
func (o *options) limits(f *pflag.FlagSet) error {
	o.limit.loss, o.limit.rate = -1, -1
	if f.Changed("max-loss") {
		text, percent := strings.CutSuffix(o.maxLoss, "%")
		v, err := strconv.ParseFloat(text, 64)
		if percent {
			v /= 100
		}
		if err != nil || !(v >= 0 && v <= 1) {
			return fmt.Errorf("--max-loss %s: want 0 to 1, or 0%% to 100%%", quote.Short(o.maxLoss))
		}
		o.limit.loss = v
	}
	if f.Changed("min-rate") {
		if !(o.minRate >= 0) || math.IsInf(o.minRate, 0) {
			return fmt.Errorf("--min-rate %v: want 0 or more", o.minRate)
		}
		o.limit.rate = o.minRate
	}
	if f.Changed("max-p99") {
		if o.maxP99 <= 0 {
			return fmt.Errorf("--max-p99 %v: want more than 0", o.maxP99)
		}
		o.limit.p99 = o.maxP99
	}
	return nil
}
