package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// resolver queries DNS.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

func hostResolver() resolver { return net.DefaultResolver }

const (
	hostTimeout = 5 * time.Second  // for the address of a host name
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
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
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
