package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/store"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/nat"
	"github.com/fastdisc/discv5/topic"
)

// validate checks and parses the settings, as far as that is possible without looking at the
// system.
func (o *options) validate() error {
	if err := o.validateProcess(); err != nil {
		return err
	}
	return o.validateNode()
}

// validateProcess is validate for the settings of the process, which are not those of a network.
func (o *options) validateProcess() error {
	if err := o.level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return fmt.Errorf("%s %s: want debug, info, warn or error", o.from("log-level"), quote.Short(o.logLevel))
	}
	if o.status < 0 {
		return fmt.Errorf("%s %v: want 0 or more", o.from("log-status"), o.status)
	}
	for _, name := range []string{"http", "metrics"} {
		if err := o.notEmpty(name); err != nil {
			return err
		}
	}
	return o.parseHTTP()
}

// notEmpty refuses a setting that somebody set to nothing.
func (o *options) notEmpty(name string) error {
	if o.origin[name] != "" && o.flags.Lookup(name).Value.String() == "" {
		return fmt.Errorf("%s is empty", o.from(name))
	}
	return nil
}

// validateNode is validate for the settings of a node.
func (o *options) validateNode() error {
	for _, c := range []struct {
		name        string
		n, min, max int
	}{{"max-sessions", o.sessions, 1, 1 << 24}, {"sockets", o.sockets, 0, fastpath.MaxSockets}, {"topics-capacity", o.topicsCapacity, 1, topic.MaxCapacity}} {
		if c.n < c.min || c.n > c.max {
			return fmt.Errorf("%s %d: want %d to %d", o.from(c.name), c.n, c.min, c.max)
		}
	}
	if o.save < minSaveInterval {
		return fmt.Errorf("%s %v: want %v or more", o.from("save-interval"), o.save, minSaveInterval)
	}
	if o.origin["nodekey"] != "" && o.origin["nodekeyhex"] != "" {
		return fmt.Errorf("%s and %s exclude each other", o.from("nodekey"), o.from("nodekeyhex"))
	}
	for _, name := range []string{"nodekey", "nodekeyhex", "datadir", "ban-file"} {
		if err := o.notEmpty(name); err != nil {
			return err
		}
	}
	if len(o.addrs) == 0 {
		return fmt.Errorf("%s is empty", o.from("addr"))
	}
	for _, step := range []func() error{o.checkKey, o.parseAddrs, o.parseXDP, o.parseNAT, o.checkReach, o.checkTopics, o.parseLimits, o.parseFilter, o.parseNetworks, o.parseChain, o.parseFleet, o.readBans, o.readSources} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// parseAddrs parses --addr and --extip.
func (o *options) parseAddrs() error {
	for _, s := range o.addrs {
		addr, ipv6, err := cli.ParseListenAddr(s)
		if err != nil {
			return fmt.Errorf("%s %w", o.from("addr"), err)
		}
		o.listen = append(o.listen, addr)
		if ipv6.IsValid() {
			o.optional6 = append(o.optional6, ipv6)
		}
	}
	for _, list := range o.extIPs {
		for _, s := range cli.SplitList(list) {
			a, err := cli.ParseExternalAddr(s)
			if err != nil {
				return fmt.Errorf("%s %w", o.from("extip"), err)
			}
			if err := o.advertiseAt(a); err != nil {
				return fmt.Errorf("%s %s: %w", o.from("extip"), quote.Short(s), err)
			}
		}
	}
	return nil
}

// advertiseAt puts an endpoint into the record.
func (o *options) advertiseAt(a netip.AddrPort) error {
	for _, other := range o.advertise {
		if other.Addr().Is4() == a.Addr().Is4() {
			return errors.New("a second address of the same family")
		}
	}
	if a.Port() == 0 && !o.listens(netaddr.FamilyOf(a.Addr())) {
		return errors.New("no --addr of this family to take the port from")
	}
	o.advertise = append(o.advertise, a)
	return nil
}

// parseNAT parses --nat. Its method extip is the same as --extip without a port.
func (o *options) parseNAT() error {
	var err error
	if o.nat, err = nat.Parse(o.natSpec); err != nil {
		return fmt.Errorf("%s: %s", o.from("nat"), cli.OneLine(err, "nat"))
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%s %s: %w", o.from("nat"), o.natSpec, fmt.Errorf(format, args...))
	}
	given4 := len(o.advertise) > 0 && (o.advertise[0].Addr().Is4() || len(o.advertise) > 1)
	switch o.nat.Method {
	case nat.ExtIP:
		a, err := cli.ParseExternalAddr(o.nat.Addr.String())
		if err == nil {
			err = o.advertiseAt(a)
		}
		if err != nil {
			return wrong("%w", err)
		}
	case nat.Any, nat.UPnP, nat.PMP:
		switch {
		case !o.listens(discv5.IPv4):
			return wrong("routers forward IPv4 ports only, and there is no IPv4 --addr")
		case given4:
			return wrong("--extip says the address already")
		}
	case nat.STUN:
		if len(o.advertise) > 0 {
			return wrong("--extip says the address already")
		}
	}
	return nil
}

// listens reports whether there is a listen address of a family.
func (o *options) listens(f discv5.Family) bool {
	for _, list := range [][]netip.AddrPort{o.listen, o.optional6} {
		for _, a := range list {
			if netaddr.FamilyOf(a.Addr()) == f {
				return true
			}
		}
	}
	return false
}

// parseHTTP parses --http, --metrics and --http-vhosts. It refuses to serve profiles to other
// machines.
func (o *options) parseHTTP() error {
	var names []string
	for _, list := range o.vhosts {
		names = append(names, cli.SplitList(list)...)
	}
	o.vhosts = names
	if o.http == "" && o.metrics == "" {
		o.warnUseless("--http", "http-vhosts")
	}
	host, err := o.parseHostPort("http", o.http)
	if err != nil {
		return err
	}
	if _, err := o.parseHostPort("metrics", o.metrics); err != nil {
		return err
	}
	if _, port, _ := net.SplitHostPort(o.http); o.http != "" && o.http == o.metrics && port != "0" {
		return fmt.Errorf("%s and %s have the same address %s", o.from("http"), o.from("metrics"), o.http)
	}
	if !o.pprof {
		return nil
	}
	if o.http == "" {
		return fmt.Errorf("%s needs --http", o.from("pprof"))
	}
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		return fmt.Errorf("%s needs --http on a loopback address, not %s: profiles show the memory of the process", o.from("pprof"), o.http)
	}
	return nil
}

// parseHostPort returns the host of the address of an HTTP server. Both may be empty.
func (o *options) parseHostPort(name, addr string) (host string, err error) {
	if addr == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err == nil && strings.Trim(host, "0123456789.") == "" && host != "" {
		_, err = netip.ParseAddr(host) // digits only: not a name
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: want HOST:PORT", o.from(name), quote.Text(addr))
	}
	return host, nil
}

// checkReach checks the settings about the node's own address.
func (o *options) checkReach() error {
	switch {
	case o.detect < -1 || o.detect == 0 || o.detect > discv5.MaxDetectAddress:
		return fmt.Errorf("%s %d: want 1 to %d, or -1 to ignore votes", o.from("detect-address"), o.detect, discv5.MaxDetectAddress)
	case o.reachWait < 0:
		return fmt.Errorf("%s %v: want 0, for no end, or more", o.from("reach-wait"), o.reachWait)
	case o.reachMisses < 1:
		return fmt.Errorf("%s %d: want 1 or more", o.from("reach-misses"), o.reachMisses)
	case o.reachRetry <= 0:
		return fmt.Errorf("%s %v: want more than 0", o.from("reach-retry"), o.reachRetry)
	}
	return nil
}

// checkTopics checks the settings about topics. Those of a registrar are of no use without one.
func (o *options) checkTopics() error {
	if x := o.topicsScale; !(x > 0 && x <= topic.MaxWaitScale) {
		return fmt.Errorf("%s %v: want more than 0, and at most %d", o.from("topics-wait-scale"), x, topic.MaxWaitScale)
	}
	if !o.topics {
		o.warnUseless("--topics", "topics-capacity", "topics-wait-scale")
	}
	return nil
}

// warnUseless warns about settings that need another one to have an effect.
func (o *options) warnUseless(need string, names ...string) {
	for _, name := range names {
		if o.origin[name] != "" {
			o.warnings = append(o.warnings, o.from(name)+" has no effect without "+need)
		}
	}
}

// parseLimits parses the limits by prefix.
func (o *options) parseLimits() error {
	var err error
	for _, l := range []struct {
		name, text string
		to         *discv5.PrefixLimits
	}{{"bucket-limits", o.bucketIn, &o.bucketLimits}, {"table-limits", o.tableIn, &o.tableLimits}} {
		if *l.to, err = discv5.ParsePrefixLimits(l.text); err != nil {
			return fmt.Errorf("%s %s: want three numbers, as in 2,2,12, or off", o.from(l.name), quote.Short(l.text))
		}
	}
	if err := o.exemptPrivate.UnmarshalText([]byte(o.exemptIn)); err != nil {
		return fmt.Errorf("%s %s: want auto, always or never", o.from("exempt-private"), quote.Short(o.exemptIn))
	}
	return nil
}

// parseNetworks parses --netrestrict.
func (o *options) parseNetworks() error {
	for _, list := range o.networks {
		for _, s := range cli.SplitList(list) {
			t, err := limits.ParseTarget(s)
			p, ok := t.Prefix()
			if err != nil || !ok {
				return fmt.Errorf("%s %s: want a network, such as 10.0.0.0/8, or an address", o.from("netrestrict"), quote.Text(s))
			}
			o.restrict = append(o.restrict, p)
		}
	}
	if o.origin["netrestrict"] != "" && len(o.restrict) == 0 {
		return fmt.Errorf("%s is empty; leave it out to talk to all networks", o.from("netrestrict"))
	}
	return nil
}

// readBans reads the file of --ban-file.
func (o *options) readBans() error {
	if o.banFile == "" {
		return nil
	}
	text, err := readFile(o.banFile, maxFile)
	if err != nil {
		return fmt.Errorf("%s: %w", o.from("ban-file"), err)
	}
	o.bans, err = limits.ParseRules(bytes.NewReader(text))
	var rule *limits.RuleError
	switch {
	case errors.As(err, &rule):
		return fmt.Errorf("%s:%d: %s: %s", o.banFile, rule.Line, quote.Text(rule.Text), cli.OneLine(rule.Err, "limits"))
	case err != nil:
		return fmt.Errorf("%s: %w", o.banFile, err)
	}
	return newAccessList().check(o.bans, o.restrict)
}

// nodeConfig returns the part of the node's configuration that follows from the settings. A start
// and --check-config both use it and pass the result to Config.Validate.
func (o *options) nodeConfig(key *enr.PrivateKey) discv5.Config {
	c := discv5.Config{
		PrivateKey: key, ListenAddrs: slices.Concat(o.listen, o.optional6), Advertise: o.advertise,
		Bootnodes: contacts(o.sources), Sockets: o.sockets, MaxSessions: o.sessions, DropSessionRecords: true, DisableGSO: o.noGSO,
		BucketLimits: o.bucketLimits, TableLimits: o.tableLimits, ExemptPrivate: o.exemptPrivate,
		LowPorts:      o.lowPorts,
		Topics:        discv5.TopicConfig{Registrar: o.topics, Capacity: o.topicsCapacity, WaitScale: o.topicsScale},
		DetectAddress: o.detect, ReachWait: o.reachWait, ReachMisses: o.reachMisses, ReachRetry: o.reachRetry,
	}
	if o.reachWait == 0 {
		c.ReachWait = -1
	}
	return c
}

// numberFlags names the flags behind fields of a discv5.Config.
var numberFlags = map[string]string{
	"DetectAddress": "detect-address", "ReachWait": "reach-wait", "ReachMisses": "reach-misses", "ReachRetry": "reach-retry",
	"Sockets": "sockets", "MaxSessions": "max-sessions", "Topics.Capacity": "topics-capacity", "Topics.WaitScale": "topics-wait-scale",
}

// nameFlag has an error of discv5.New or Config.Validate name the flag of a number out of range.
func (o *options) nameFlag(err error) error {
	var e *discv5.RangeError
	if errors.As(err, &e) && numberFlags[e.Field] != "" {
		return fmt.Errorf("%s %v: want %v to %v", o.from(numberFlags[e.Field]), e.Value, e.Min, e.Max)
	}
	return err
}

// checkSettings makes the checks of a start that are possible without listening and without
// changing anything.
func checkSettings(o *options) (warnings []string, err error) {
	dir, err := dataDirOf(o)
	switch {
	case cli.IsUsage(err):
		return nil, err
	case err != nil: // a start runs without a directory
		dir = ""
	default:
		err = probeDataDir(dir)
	}
	if err != nil {
		warnings = append(warnings, "no data directory: "+cli.OneLine(err)+"; the bootnode would run without persistence")
	}
	if err := o.checkXDP(); err != nil {
		return nil, err
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
		return nil, cli.Usage(o.nameFlag(err))
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

// check implements --check-config. It returns the exit code.
func check(o *options, stdout, stderr io.Writer) int {
	warnings, err := checkSettings(o)
	if err != nil {
		if o.name != "" {
			err = fmt.Errorf("network %s: %w", o.name, err)
		}
		return printErr(stderr, err)
	}
	logWarnings(stderr, o.name, slices.Concat(o.warnings, warnings))
	line := fmt.Sprintf("settings are good: %d bootnodes, %d bans, %d netrestrict prefixes\n", len(o.sources), len(o.bans), len(o.restrict))
	if o.name != "" {
		line = "network " + o.name + ": " + line
	}
	return printOut(stdout, stderr, line)
}

// logWarnings logs warnings about the settings of a network, or without a name about others.
func logWarnings(stderr io.Writer, network string, warnings []string) {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	if network != "" {
		log = log.With("network", network)
	}
	for _, w := range warnings {
		log.Warn(w)
	}
}
