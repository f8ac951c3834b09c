package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/hostaddr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/store"
)

// provenStep is how far the time of a proof must move before it is saved without another change.
const provenStep = time.Hour

// addressKeeper saves the state of the node's own addresses for the next start.
type addressKeeper struct{ saved []discv5.AddressState }

// lasting returns states without the fields that mean nothing to another process.
func lasting(states []discv5.AddressState) (list []discv5.AddressState) {
	for _, s := range states {
		list = append(list, discv5.AddressState{
			Family: s.Family, Endpoint: s.Endpoint, Source: s.Source, Proven: s.Proven, ProvenBy: s.ProvenBy, ProvenAt: s.ProvenAt,
			Interface: s.Interface, Before: s.Before,
		})
	}
	return list
}

// save saves the states if they have changed.
func (k *addressKeeper) save(st *store.Store, id enr.ID, states []discv5.AddressState) error {
	now := lasting(states)
	same := len(now) == len(k.saved)
	for i := 0; same && i < len(now); i++ {
		n, s := now[i], k.saved[i]
		if n.ProvenAt.Sub(s.ProvenAt).Abs() < provenStep {
			s.ProvenAt = n.ProvenAt
		}
		same = reflect.DeepEqual(n, s)
	}
	if same {
		return nil
	}
	b, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("addresses: %w", err)
	}
	if err := st.SaveAddresses(id, b); err != nil {
		return err
	}
	k.saved = now
	return nil
}

// addresses returns the state of the node's own addresses at the end of the last run. It ignores an
// entry that it cannot read, and notes the problem.
func (s *storage) addresses(id enr.ID) (states []discv5.AddressState, err error) {
	b, err := s.store.Addresses(id)
	if err != nil {
		return nil, fmt.Errorf("node database: %w", err)
	}
	if b == nil {
		return nil, nil
	}
	if err := json.Unmarshal(b, &states); err == nil {
		err = (discv5.Config{PreviousAddresses: states}).Validate()
		if err == nil {
			return states, nil
		}
	}
	s.problems = append(s.problems, "the entry of "+s.databasePath()+" about the node's own addresses is not valid and is ignored")
	return nil, nil
}

// address serves /address: the states of the node's own addresses.
func (p pages) address(rw http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		http.Error(rw, "/address takes no parameters", http.StatusBadRequest)
		return
	}
	writeJSON(rw, p.node.AddressStates())
}

// logAddress logs an event of the node's own address.
func logAddress(log *slog.Logger, e discv5.Event, s discv5.AddressState) {
	switch e.Kind {
	case discv5.EventAddressProven:
		log.Info("address proven", "addr", e.Addr, "by", s.ProvenBy)
	case discv5.EventAddressInDoubt:
		args := []any{"addr", e.Addr, "source", s.Source, "votes", s.Votes, "missed", s.Missed, "revoked_at", s.MissedMax}
		if s.Rival.IsValid() {
			args = append(args, "rival", s.Rival, "rival_votes", s.RivalVotes)
		}
		log.Warn("address in doubt", args...)
	case discv5.EventAddressRevoked:
		if s.Revoked.IsValid() {
			log.Warn("address revoked: other nodes reach this network, but not this address", "addr", s.Revoked,
				"until", s.RevokedUntil.Format(time.RFC3339))
		}
	}
}

// addressCollector exports the states of the node's own addresses as metrics.
type addressCollector struct {
	node   *discv5.Node
	info   *prometheus.Desc
	values []addressMetric
}

type addressMetric struct {
	desc  *prometheus.Desc
	value func(discv5.AddressState) float64
}

func newAddressCollector(node *discv5.Node) *addressCollector {
	c := &addressCollector{node: node}
	c.info = prometheus.NewDesc(namespace+"address_source", "1 for the source of the record's endpoint, by family.", []string{"family", "source"}, nil)
	for _, m := range []struct {
		name, help string
		value      func(discv5.AddressState) float64
	}{
		{"address_proven", "1 if nodes that this node had not contacted reached it at the endpoint.",
			func(s discv5.AddressState) float64 { return number(s.Proven) }},
		{"address_in_doubt", "1 if votes or misses contradict the endpoint.", func(s discv5.AddressState) float64 { return number(s.InDoubt) }},
		{"address_votes", "Votes of peers for the endpoint.", func(s discv5.AddressState) float64 { return float64(s.Votes) }},
		{"address_rival_votes", "Votes of peers for the best other endpoint.", func(s discv5.AddressState) float64 { return float64(s.RivalVotes) }},
		{"address_missed_networks", "Networks that contradict the endpoint.", func(s discv5.AddressState) float64 { return float64(s.Missed) }},
	} {
		c.values = append(c.values, addressMetric{prometheus.NewDesc(namespace+m.name, m.help, []string{"family"}, nil), m.value})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *addressCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.info
	for _, m := range c.values {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *addressCollector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.node.AddressStates() {
		family := strconv.Itoa(s.Family.Version())
		out <- prometheus.MustNewConstMetric(c.info, prometheus.GaugeValue, 1, family, s.Source.String())
		for _, m := range c.values {
			out <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, m.value(s), family)
		}
	}
}

// machine knows the host's own addresses.
type machine interface {
	Addrs() ([]hostaddr.Addr, error)
	Source(to netip.Addr) netip.Addr
}

// listener is a listen address. knows reports whether its sockets answer from the local address
// that a request was sent to.
type listener struct {
	addr  netip.AddrPort
	knows bool
}

// endpointWarnings returns warnings about endpoints of --extip that are addresses of this machine
// where the node does not answer, or will not for long. A NAT may forward other endpoints, except
// to a node that listens on loopback addresses only.
func endpointWarnings(named []netip.AddrPort, listeners []listener, m machine) (warnings []string) {
	list, err := m.Addrs()
	if err != nil {
		return nil
	}
	for _, n := range named {
		i := slices.IndexFunc(list, func(a hostaddr.Addr) bool { return a.Addr() == n.Addr() })
		if i < 0 {
			if !n.Addr().IsLoopback() && !slices.ContainsFunc(listeners, func(l listener) bool { return !l.addr.Addr().IsLoopback() }) {
				warnings = append(warnings, fmt.Sprintf("--extip %s: each --addr is a loopback address, so that other machines cannot reach the node", n.Addr()))
			}
			continue
		}
		warn := func(text string) {
			warnings = append(warnings, fmt.Sprintf("--extip %s is an address of this machine, but %s", n.Addr(), text))
		}
		var there *listener
		for k := range listeners {
			l := &listeners[k]
			if a := l.addr.Addr(); a == n.Addr() || a.IsUnspecified() && a.Is4() == n.Addr().Is4() {
				there = l
			}
		}
		switch {
		case there == nil:
			warn("no --addr listens there: nobody can reach the node")
		case list[i].Tentative:
			warn("the system does not use it because another host has it, or may have it")
		case list[i].Deprecated:
			warn("it is deprecated and will be removed")
		case list[i].Temporary:
			warn("it is temporary and will change")
		case there.addr.Addr().IsUnspecified() && !there.knows && m.Source(hostaddr.Outside(netaddr.FamilyOf(n.Addr()))) != n.Addr():
			warn("this system answers from another address; listen on it with --addr")
		}
	}
	return warnings
}

// endpointWarnings returns warnings about the endpoints of --extip.
func (d *daemon) endpointWarnings() []string {
	r, err := hostaddr.Open()
	if err != nil {
		return nil
	}
	defer r.Close()
	var listeners []listener
	infos := d.node.Sockets()
	for i, a := range d.node.Addrs() {
		listeners = append(listeners, listener{a, infos[i].LocalAddrs})
	}
	return endpointWarnings(d.o.advertise, listeners, r)
}
