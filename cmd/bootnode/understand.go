package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/limits"
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
