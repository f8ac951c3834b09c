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
	"strconv"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/store"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/nat"
)

// understand turns what was given into what is meant, as far as that can be done without looking at
// the system.
func (o *options) understand() error {
	if err := o.level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return fmt.Errorf("%s %s: want debug, info, warn or error", o.from("log.level"), quote.Short(o.logLevel))
	}
	for _, c := range []struct {
		name           string
		n, least, most int
	}{{"maxsessions", o.sessions, 1, 1 << 24}, {"sockets", o.sockets, 0, fastpath.MaxSockets}} {
		if c.n < c.least || c.n > c.most {
			return fmt.Errorf("%s %d: want %d to %d", o.from(c.name), c.n, c.least, c.most)
		}
	}
	if o.save < minSaveInterval {
		return fmt.Errorf("%s %v: want %v or more", o.from("saveinterval"), o.save, minSaveInterval)
	}
	if o.status < 0 {
		return fmt.Errorf("%s %v: want 0 or more", o.from("log.status"), o.status)
	}
	if o.origin["nodekey"] != "" && o.origin["nodekeyhex"] != "" {
		return fmt.Errorf("%s and %s exclude each other", o.from("nodekey"), o.from("nodekeyhex"))
	}
	for _, name := range []string{"nodekey", "nodekeyhex", "datadir", "ban-file", "http"} {
		if o.origin[name] != "" && o.flags.Lookup(name).Value.String() == "" {
			return fmt.Errorf("%s is empty", o.from(name))
		}
	}
	if len(o.addrs) == 0 {
		return fmt.Errorf("%s is empty", o.from("addr"))
	}
	for _, step := range []func() error{o.checkKey, o.parseAddrs, o.parseNAT, o.parseHTTP, o.parseReach, o.parseLimits, o.parseNetworks, o.readBans, o.readSources} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// parseHTTP reads --http, and refuses to show the world the inside of the process.
func (o *options) parseHTTP() error {
	var names []string
	for _, list := range o.vhosts {
		names = append(names, splitList(list)...)
	}
	o.vhosts = names
	if o.http == "" {
		if o.pprof {
			return fmt.Errorf("%s needs --http", o.from("pprof"))
		}
		return nil
	}
	host, port, err := net.SplitHostPort(o.http)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err == nil && strings.Trim(host, "0123456789.") == "" && host != "" {
		_, err = netip.ParseAddr(host) // no name: it has digits only
	}
	if err != nil {
		return fmt.Errorf("%s %s: want HOST:PORT", o.from("http"), quote.Text(o.http))
	}
	if !o.pprof {
		return nil
	}
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		return fmt.Errorf("%s needs --http on a loopback address, not %s: it shows the memory of the process", o.from("pprof"), o.http)
	}
	return nil
}

// parseLimits reads the limits by prefix.
func (o *options) parseLimits() error {
	var err error
	for _, l := range []struct {
		name, text string
		to         *discv5.PrefixLimits
	}{{"bucket-limits", o.bucketIn, &o.bucketLimits}, {"table-limits", o.tableIn, &o.tableLimits}} {
		if *l.to, err = discv5.ParsePrefixLimits(l.text); err != nil {
			return fmt.Errorf("%s %.40q: want three numbers, as in 2,2,12, or off", o.from(l.name), l.text)
		}
	}
	if err := o.exemptPrivate.UnmarshalText([]byte(o.exemptIn)); err != nil {
		return fmt.Errorf("%s %.40q: want auto, always or never", o.from("exempt-private"), o.exemptIn)
	}
	return nil
}

// parseNetworks reads --netrestrict.
func (o *options) parseNetworks() error {
	for _, list := range o.networks {
		for _, s := range splitList(list) {
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
		return fmt.Errorf("%s:%d: %s: %s", o.banFile, rule.Line, quote.Text(rule.Text), strings.TrimPrefix(rule.Err.Error(), "limits: "))
	case err != nil:
		return fmt.Errorf("%s: %w", o.banFile, err)
	}
	return newAccessList().check(o.bans, o.restrict)
}

// parseAddrs reads --addr and --extip.
func (o *options) parseAddrs() error {
	for _, s := range o.addrs {
		port, both := strings.CutPrefix(s, ":")
		if !both {
			a, err := netip.ParseAddrPort(s)
			if err != nil {
				return fmt.Errorf("%s %s: want IP:PORT, [IPv6]:PORT or :PORT", o.from("addr"), quote.Short(s))
			}
			o.listen = append(o.listen, netaddr.UnmapPort(a))
			continue
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("%s %s: port is not a number from 0 to 65535", o.from("addr"), quote.Short(s))
		}
		v6 := netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n))
		o.listen = append(o.listen, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)))
		o.optional6 = append(o.optional6, v6)
	}
	for _, list := range o.extIPs {
		for _, s := range splitList(list) {
			a, err := parseEndpoint(s)
			if err == nil {
				err = o.advertiseAt(a)
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", o.from("extip"), quote.Short(s), err)
			}
		}
	}
	return nil
}

// parseEndpoint reads IP, IP:PORT or [IPv6]:PORT. Without a port it returns 0 for it.
func parseEndpoint(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err == nil {
		if a.Port() == 0 {
			return a, errors.New("port is 0; leave it out to have that of --addr")
		}
		return netaddr.UnmapPort(a), nil
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil || ip.Zone() != "" {
		return a, errors.New("want IP, IP:PORT or [IPv6]:PORT")
	}
	return netip.AddrPortFrom(ip.Unmap(), 0), nil
}

// advertiseAt has the record name an endpoint.
func (o *options) advertiseAt(a netip.AddrPort) error {
	if ip := a.Addr(); ip.IsUnspecified() || ip.IsMulticast() {
		return errors.New("nobody can reach this address")
	}
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

// parseNAT reads --nat. extip is the same as --extip without a port.
func (o *options) parseNAT() error {
	var err error
	if o.nat, err = nat.Parse(o.natSpec); err != nil {
		return fmt.Errorf("%s: %s", o.from("nat"), strings.TrimPrefix(err.Error(), "nat: "))
	}
	fail := func(text string) error { return fmt.Errorf("%s %s: %s", o.from("nat"), o.natSpec, text) }
	given4 := len(o.advertise) > 0 && (o.advertise[0].Addr().Is4() || len(o.advertise) > 1)
	switch o.nat.Method {
	case nat.ExtIP:
		if err := o.advertiseAt(netip.AddrPortFrom(o.nat.Addr, 0)); err != nil {
			return fail(err.Error())
		}
	case nat.Any, nat.UPnP, nat.PMP:
		switch {
		case !o.listens(discv5.IPv4):
			return fail("routers map IPv4 ports only, and there is no IPv4 --addr")
		case given4:
			return fail("--extip says the address already")
		}
	case nat.STUN:
		if len(o.advertise) > 0 {
			return fail("--extip says the address already")
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
