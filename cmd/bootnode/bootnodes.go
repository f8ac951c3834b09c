package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/nodelist"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/limits"
)

// maxSources bounds the entries of --bootnodes. The node contacts all of them at the same time.
const maxSources = 512

// source is an entry of --bootnodes: a contact, or a name that DNS must resolve.
type source struct {
	text    string
	where   string          // how the log names it
	contact *discv5.Contact // nil: see host and tree
	host    *enr.Enode      // with a host name
	tree    bool            // text is the URL of a list in DNS

	endpoints []netip.AddrPort // of contact
}

// readSources reads the entries of --bootnodes and of the files of --bootnodes-file. Errors about
// the former name the setting and the number of the entry, counted over all lists; errors about the
// latter name file and line.
func (o *options) readSources() error {
	add := func(text, where string) error {
		s, err := parseSource(text)
		if err == nil && len(o.sources) == maxSources {
			err = fmt.Errorf("more than %d bootnodes", maxSources)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		s.where = where
		o.sources = append(o.sources, s)
		return nil
	}
	if err := o.readPublished(add); err != nil {
		return err
	}
	n := 0
	for _, list := range o.bootnodes {
		for e, err := range nodelist.Split(list) {
			n++
			where := o.from("bootnodes") + ": bootnode " + strconv.Itoa(n)
			if err != nil {
				return fmt.Errorf("%s: %w", where, nodelist.ErrEntrySize)
			}
			if err := add(e.Text, where); err != nil {
				return err
			}
		}
	}
	for _, list := range o.bootFiles {
		for _, path := range cli.SplitList(list) {
			if err := o.readSourceFile(path, add); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSourceFile calls add with each entry of a file of any size.
func (o *options) readSourceFile(path string, add func(text, where string) error) error {
	f, err := cli.OpenRegular(path)
	if err != nil {
		return fmt.Errorf("%s: %w", o.from("bootnodes-file"), err)
	}
	defer f.Close()
	for e, err := range nodelist.Read(f) {
		where := path + ":" + strconv.Itoa(e.Line)
		switch {
		case errors.Is(err, nodelist.ErrEntrySize):
			err = fmt.Errorf("%s: %w", where, nodelist.ErrEntrySize)
		case err != nil:
			err = fmt.Errorf("%s: %w", o.from("bootnodes-file"), err)
		default:
			err = add(e.Text, where)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseSource parses one entry.
func parseSource(s string) (source, error) {
	src := source{text: s}
	switch {
	case strings.HasPrefix(s, "enr:"):
		r, err := enr.ParseText(s)
		if err != nil {
			return src, err
		}
		if err := r.CheckUDP(); err != nil {
			return src, err
		}
		c := discv5.ContactOf(r)
		src.contact, src.endpoints = &c, endpointsOf(r)
	case strings.HasPrefix(s, "enode://"):
		e, err := enr.ParseEnode(s)
		if err != nil {
			return src, err
		}
		if e.UDP == 0 {
			return src, errors.New("enode URL has no UDP port")
		}
		if !e.Addr.IsValid() {
			src.host = &e
			return src, nil
		}
		c, err := discv5.EnodeContact(e, netip.AddrPortFrom(e.Addr, e.UDP))
		if err != nil {
			return src, err
		}
		src.contact, src.endpoints = &c, []netip.AddrPort{netip.AddrPortFrom(e.Addr.Unmap(), e.UDP)}
	case strings.HasPrefix(s, dnsdisc.LinkPrefix):
		if _, err := dnsdisc.ParseLink(s); err != nil {
			return src, err
		}
		src.tree = true
	default:
		return src, fmt.Errorf("%s begins with neither enr: nor enode:// nor %s", quote.Short(s), dnsdisc.LinkPrefix)
	}
	return src, nil
}

// contacts returns the sources that need no DNS.
func contacts(sources []source) (list []discv5.Contact) {
	for _, s := range sources {
		if s.contact != nil {
			list = append(list, *s.contact)
		}
	}
	return list
}

// unusableBootnodes returns a warning with the reason for each bootnode that this node can never
// contact, and one more if there are several and all of them are unusable. listens reports whether
// the node has a socket of a family. It skips bootnodes that DNS must resolve first.
func unusableBootnodes(sources []source, self enr.ID, access *limits.Access, listens func(discv5.Family) bool) (warnings []string) {
	known := 0
	for _, s := range sources {
		if s.contact == nil {
			continue
		}
		known++
		if reason := s.unusable(self, access, listens); reason != "" {
			warnings = append(warnings, fmt.Sprintf("%s can never be used: node %s %s", s.where, s.contact.ID().Short(), reason))
		}
	}
	if known == len(sources) && known > 1 && len(warnings) == known {
		warnings = append(warnings, "no bootnode can be used: this node finds others only if they contact it")
	}
	return warnings
}

// unusable returns why this node can never contact a bootnode with a known address, or "".
func (s source) unusable(self enr.ID, access *limits.Access, listens func(discv5.Family) bool) string {
	id := [32]byte(s.contact.ID())
	switch {
	case s.contact.ID() == self:
		return "is this node itself"
	case access.BlockedID(0, &id):
		return "is banned by its ID"
	}
	reason := "has no UDP address"
	for _, a := range s.endpoints {
		switch v := access.Check(0, a.Addr()); {
		case v == limits.Outside:
			reason = fmt.Sprintf("at %s is outside of --netrestrict", a)
		case v.Blocked():
			reason = fmt.Sprintf("at %s is banned by its address", a)
		case !listens(netaddr.FamilyOf(a.Addr())):
			reason = fmt.Sprintf("at %s is of a family that no --addr has", a)
		default:
			return ""
		}
	}
	return reason
}

// endpointsOf returns the UDP endpoints of a record.
func endpointsOf(r *enr.Record) (list []netip.AddrPort) {
	for _, endpoint := range []func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
		if a, ok := endpoint(); ok {
			list = append(list, a)
		}
	}
	return list
}

// resolver queries DNS.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

func hostResolver() resolver { return net.DefaultResolver }

const (
	treeTimeout = 2 * time.Minute  // for a list in DNS
	maxListed   = 128              // records to use of a list, chosen at random
	dnsRetryMin = 10 * time.Second // after a failure; doubles
	dnsRetryMax = 15 * time.Minute
	dnsRefresh  = 30 * time.Minute // between queries for a name or list that was found
)

// bootnodeFinder keeps the node's bootnodes: the contacts, the results of DNS for the other
// sources, and the seeds. It queries DNS after the start, so that DNS delays nothing, retries after
// failures, and refreshes results from time to time.
type bootnodeFinder struct {
	node     *discv5.Node
	log      *slog.Logger
	resolver resolver
	trees    *dnsdisc.Client
	listens  func(discv5.Family) bool
	kick     chan struct{} // asks run to query DNS immediately

	mu      sync.Mutex
	sources []source
	seeds   []discv5.Contact
	found   map[string][]discv5.Contact // by a source's text
}

func newBootnodeFinder(node *discv5.Node, o *options, seeds []discv5.Contact, r resolver, log *slog.Logger) *bootnodeFinder {
	return &bootnodeFinder{
		node: node, log: log, resolver: r, listens: o.listens, sources: o.sources, seeds: seeds,
		trees: &dnsdisc.Client{Resolver: r, Limits: dnsdisc.Limits{Records: maxListed}},
		kick:  make(chan struct{}, 1), found: make(map[string][]discv5.Contact),
	}
}

// apply passes all known bootnodes to the node.
func (f *bootnodeFinder) apply() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := contacts(f.sources)
	for _, s := range f.sources {
		if s.contact == nil {
			list = append(list, f.found[s.text]...)
		}
	}
	return f.node.SetBootnodes(append(list, f.seeds...))
}

// replace sets new sources, and makes run query DNS for all of them immediately.
func (f *bootnodeFinder) replace(sources []source) error {
	f.mu.Lock()
	f.sources = sources
	for text := range f.found {
		if !slices.ContainsFunc(sources, func(s source) bool { return s.text == text }) {
			delete(f.found, text)
		}
	}
	f.mu.Unlock()
	select {
	case f.kick <- struct{}{}:
	default:
	}
	return f.apply()
}

// named returns the bootnodes of the settings.
func (f *bootnodeFinder) named() []source {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sources)
}

// forget removes seeds that do not answer.
func (f *bootnodeFinder) forget(ids []enr.ID) error {
	f.mu.Lock()
	f.seeds = slices.DeleteFunc(slices.Clone(f.seeds), func(c discv5.Contact) bool { return slices.Contains(ids, c.ID()) })
	f.mu.Unlock()
	return f.apply()
}

// run queries DNS until ctx ends.
func (f *bootnodeFinder) run(ctx context.Context) {
	pause := dnsRetryMin
	for {
		queried, failed := f.query(ctx)
		wait := dnsRefresh
		if failed > 0 {
			wait, pause = pause, min(2*pause, dnsRetryMax)
		} else {
			pause = dnsRetryMin
		}
		var retry <-chan time.Time
		if queried > 0 {
			retry = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-f.kick:
			pause = dnsRetryMin
		case <-retry:
		}
	}
}

// query resolves all sources that need DNS, one after the other.
func (f *bootnodeFinder) query(ctx context.Context) (queried, failed int) {
	f.mu.Lock()
	sources := f.sources
	f.mu.Unlock()
	for _, s := range sources {
		if s.contact != nil {
			continue
		}
		queried++
		list, err := f.resolve(ctx, s)
		if ctx.Err() != nil {
			return queried, failed
		}
		switch {
		case err != nil && len(list) == 0:
			failed++
			f.log.Warn("cannot find a bootnode in DNS; retrying later", "bootnode", s.where, "err", err)
			continue // keep the last result
		case err != nil:
			f.log.Warn("part of a list of bootnodes cannot be used", "bootnode", s.where, "nodes", len(list), "err", err)
		default:
			f.log.Info("bootnodes found in DNS", "bootnode", s.where, "nodes", len(list))
		}
		f.mu.Lock()
		if slices.ContainsFunc(f.sources, func(o source) bool { return o.text == s.text }) {
			f.found[s.text] = list
		}
		f.mu.Unlock()
		if err := f.apply(); err != nil {
			f.log.Error("cannot set the bootnodes", "err", err)
		}
	}
	return queried, failed
}

// resolve queries DNS for one source. It may return contacts with an error.
func (f *bootnodeFinder) resolve(ctx context.Context, s source) ([]discv5.Contact, error) {
	if s.tree {
		ctx, cancel := context.WithTimeout(ctx, treeTimeout)
		defer cancel()
		records, err := f.trees.Resolve(ctx, s.text)
		if len(records) == 0 && err == nil {
			err = errors.New("the list is empty")
		}
		return discv5.ListedContacts(records...), err
	}
	ctx, cancel := context.WithTimeout(ctx, cli.HostTimeout)
	defer cancel()
	addrs, err := f.resolver.LookupNetIP(ctx, "ip", s.host.Host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if a = a.Unmap(); f.listens(netaddr.FamilyOf(a)) {
			c, err := discv5.EnodeContact(*s.host, netip.AddrPortFrom(a, s.host.UDP))
			return []discv5.Contact{c}, err
		}
	}
	return nil, fmt.Errorf("host %s has no address of a family that --addr has", s.host.Host)
}
