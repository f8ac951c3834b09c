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

// resolver asks DNS.
type resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

func hostResolver() resolver { return net.DefaultResolver }

const (
	hostTimeout = 5 * time.Second  // for the address of a host name
	treeTimeout = 2 * time.Minute  // for a list in DNS
	maxListed   = 128              // records that are used of a list, a random choice
	dnsRetryMin = 10 * time.Second // after a failure; doubles
	dnsRetryMax = 15 * time.Minute
	dnsRefresh  = 30 * time.Minute // after which names and lists are asked for again
)

// finder keeps the node's bootnodes: those that are known, what DNS says of the others, and seeds.
// DNS is asked after the start, so that it holds up nothing, and again when it did not answer and
// from time to time.
type finder struct {
	node     *discv5.Node
	log      *slog.Logger
	resolver resolver
	trees    *dnsdisc.Client
	listens  func(discv5.Family) bool
	kick     chan struct{} // DNS is to be asked now

	mu      sync.Mutex
	sources []source
	seeds   []discv5.Contact
	found   map[string][]discv5.Contact // by a source's text
}

func newFinder(node *discv5.Node, o *options, seeds []discv5.Contact, r resolver, log *slog.Logger) *finder {
	return &finder{
		node: node, log: log, resolver: r, listens: o.listens, sources: o.sources, seeds: seeds,
		trees: &dnsdisc.Client{Resolver: r, Limits: dnsdisc.Limits{Records: maxListed}},
		kick:  make(chan struct{}, 1), found: make(map[string][]discv5.Contact),
	}
}

// contacts are those that need no DNS.
func contacts(sources []source) (list []discv5.Contact) {
	for _, s := range sources {
		if s.contact != nil {
			list = append(list, *s.contact)
		}
	}
	return list
}

// apply gives the node all that is known.
func (f *finder) apply() error {
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

// replace puts other sources in place of those from before, and has all of them asked and contacted
// now.
func (f *finder) replace(sources []source) error {
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

// forget takes seeds out that do not answer.
func (f *finder) forget(ids []enr.ID) error {
	f.mu.Lock()
	f.seeds = slices.DeleteFunc(slices.Clone(f.seeds), func(c discv5.Contact) bool { return slices.Contains(ids, c.ID()) })
	f.mu.Unlock()
	return f.apply()
}

// run asks DNS until ctx ends.
func (f *finder) run(ctx context.Context) {
	pause := dnsRetryMin
	for {
		asked, failed := f.ask(ctx)
		wait := dnsRefresh
		if failed > 0 {
			wait, pause = pause, min(2*pause, dnsRetryMax)
		} else {
			pause = dnsRetryMin
		}
		var again <-chan time.Time
		if asked > 0 {
			again = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-f.kick:
			pause = dnsRetryMin
		case <-again:
		}
	}
}

// ask asks for all sources that need it, one after the other.
func (f *finder) ask(ctx context.Context) (asked, failed int) {
	f.mu.Lock()
	sources := f.sources
	f.mu.Unlock()
	for _, s := range sources {
		if s.contact != nil {
			continue
		}
		asked++
		list, err := f.resolve(ctx, s)
		if ctx.Err() != nil {
			return asked, failed
		}
		switch {
		case err != nil && len(list) == 0:
			failed++
			f.log.Warn("bootnode cannot be found; it is asked for again", "bootnode", s.where, "err", err)
			continue // what was found before is still the best there is
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
			f.log.Error("bootnodes", "err", err)
		}
	}
	return asked, failed
}

// resolve asks for one source. Contacts may come with an error.
func (f *finder) resolve(ctx context.Context, s source) ([]discv5.Contact, error) {
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
			c, err := discv5.ContactOf(*s.host, netip.AddrPortFrom(a, s.host.UDP))
			return []discv5.Contact{c}, err
		}
	}
	return nil, fmt.Errorf("host %s has no address of a family that --addr has", s.host.Host)
}
