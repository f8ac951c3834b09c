package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/nat"
)

// natWait is how long a start waits for the router's first answer, so that the record on standard
// output has the external address if there is one.
const natWait = 5 * time.Second

// mapping implements --nat: a Mapper for IPv4, or for stun one for each family. It puts the
// endpoints that the mappers find into the record. The methods of a nil mapping do nothing.
//
// A STUN request has a socket of its own: on the node's sockets the kernel would drop the answer,
// which is shorter than any packet of the protocol. So STUN finds the address only, and the record
// has the port of --addr.
type mapping struct {
	node    *discv5.Node
	log     *slog.Logger
	count   *counts
	wait    time.Duration // for first events
	mappers []*nat.Mapper

	mu    sync.Mutex
	last  map[discv5.Family]nat.Event // by family
	first map[discv5.Family]chan struct{}
}

// newMapping creates the Mappers. They send nothing before start.
func newMapping(o *options, node *discv5.Node, s system, count *counts, log *slog.Logger) (*mapping, error) {
	if o.nat.Method == nat.None || o.nat.Method == nat.ExtIP {
		return nil, nil
	}
	m := &mapping{node: node, log: log, count: count, wait: s.natWait, last: make(map[discv5.Family]nat.Event), first: make(map[discv5.Family]chan struct{})}
	for _, a := range node.Addrs() {
		family := netaddr.FamilyOf(a.Addr())
		if m.first[family] != nil || !usable(o.nat, family) {
			continue
		}
		seen := make(chan struct{})
		m.first[family] = seen
		mapper, err := nat.NewMapper(o.nat, nat.Options{
			Port: a.Port(), IPv6: family == discv5.IPv6, SSDP: s.ssdp, Gateways: s.gateways, Resolve: s.resolver.LookupNetIP,
			Report: func(e nat.Event) { m.report(family, e) },
		})
		if err != nil {
			return nil, fmt.Errorf("--nat: %w", err)
		}
		m.mappers = append(m.mappers, mapper)
	}
	if len(m.mappers) == 0 {
		return nil, cli.Usage(fmt.Errorf("%s %s: no --addr is of the server's family", o.from("nat"), o.natSpec))
	}
	return m, nil
}

// usable reports whether a method works for a family.
func usable(c nat.Config, family discv5.Family) bool {
	if c.Method != nat.STUN {
		return family == discv5.IPv4
	}
	server, err := netip.ParseAddrPort(c.Server)
	return err != nil || netaddr.FamilyOf(server.Addr()) == family // a name may have both
}

// start starts the mappers, and waits up to m.wait for the first event of each family.
func (m *mapping) start(ctx context.Context) error {
	if m == nil {
		return nil
	}
	for _, mapper := range m.mappers {
		if err := mapper.Start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	wait, cancel := context.WithTimeout(ctx, m.wait)
	defer cancel()
	for _, seen := range m.first {
		select {
		case <-seen:
		case <-wait.Done():
		}
	}
	return nil
}

// report handles an event of a Mapper.
func (m *mapping) report(family discv5.Family, e nat.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.last[family]
	m.last[family] = e
	if !known {
		defer close(m.first[family])
	}
	if e.Err != nil {
		m.count.natFailures.Add(1)
	}
	switch {
	case e.Endpoint.IsValid():
		if err := m.node.SetEndpoint(e.Endpoint); err != nil {
			m.log.Error("cannot put the external endpoint into the record", "endpoint", e.Endpoint, "err", err)
			break
		}
		if e.Endpoint != before.Endpoint {
			m.log.Info("external endpoint", "endpoint", e.Endpoint, "method", e.Method, "port_known", e.PortKnown)
		}
		if e.Err != nil {
			m.log.Warn("external endpoint was not confirmed; it remains in use", "endpoint", e.Endpoint, "method", e.Method, "err", cli.OneLine(e.Err))
		}
	case before.Endpoint.IsValid():
		// The endpoint stays in the record until peers agree on another one.
		m.node.ReleaseEndpoint(family)
		m.log.Warn("external endpoint is lost", "endpoint", before.Endpoint, "method", e.Method, "err", cli.OneLine(e.Err))
	case e.Err != nil:
		m.log.Warn("external endpoint not found; retrying later", "method", e.Method, "err", cli.OneLine(e.Err))
	}
	found := false
	for _, e := range m.last {
		found = found || e.Endpoint.IsValid()
	}
	m.count.natKnown.Store(found)
}

// found reports whether a mapper found the endpoint.
func (m *mapping) found(a netip.AddrPort) bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc([]discv5.Family{discv5.IPv4, discv5.IPv6}, func(f discv5.Family) bool { return m.last[f].Endpoint == a })
}

// close asks the router to delete the mapping.
func (m *mapping) close() {
	if m == nil {
		return
	}
	var errs []error
	for _, mapper := range m.mappers {
		errs = append(errs, mapper.Close())
	}
	if err := errors.Join(errs...); err != nil {
		m.log.Warn("cannot delete the port mapping; it ends with its lease", "err", cli.OneLine(err))
	}
}
