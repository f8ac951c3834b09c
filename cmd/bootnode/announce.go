package main

import (
	"net/netip"
	"slices"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/version"
	"github.com/fastdisc/discv5/nat"
	"github.com/fastdisc/discv5/table"
)

// announce logs what became of the settings.
func (d *daemon) announce() {
	r, o := d.node.LocalRecord(), d.o
	d.log.Info("started", "id", d.node.ID(), "seq", r.Seq(), "datadir", d.storage.dir, "version", version.Line("bootnode"))
	if o.config != "" {
		d.log.Info("configuration", "file", o.config)
	}
	if d.memory != nil {
		d.log.Info("memory limit", d.memory...)
	}
	addrs := d.node.Addrs()
	for i, info := range d.node.Sockets() {
		d.log.Info("listening", "addr", addrs[i], "got", info.String())
	}
	named := 0
	for _, end := range []func() (netip.AddrPort, bool){r.UDPEndpoint4, r.UDPEndpoint6} {
		a, ok := end()
		if !ok {
			continue
		}
		named++
		d.log.Info("advertised", "addr", a, "from", d.originOf(a, addrs))
		if c := table.Class(a.Addr()); c != table.Global && !slices.ContainsFunc(o.advertise, sameIP(a)) {
			d.log.Warn("only nodes of this network can reach the advertised address; name a public one with --extip", "addr", a, "reach", c)
		}
	}
	if named == 0 {
		d.log.Warn("the record names no address, so that nobody can find this node; name one with --extip")
	}
	later := len(o.sources) - len(contacts(o.sources))
	d.log.Info("contacts", "bootnodes", len(o.sources)-later, "dns", later, "known", len(d.seeds), "bans", len(o.bans), "networks", len(o.restrict))
}

func sameIP(a netip.AddrPort) func(netip.AddrPort) bool {
	return func(b netip.AddrPort) bool { return a.Addr() == b.Addr() }
}

// originOf says where an advertised address comes from.
func (d *daemon) originOf(a netip.AddrPort, listening []netip.AddrPort) string {
	switch {
	case d.mapping.found(a), d.o.nat.Method == nat.ExtIP && d.o.nat.Addr == a.Addr():
		return "--nat"
	case slices.ContainsFunc(d.o.advertise, sameIP(a)):
		return "--extip"
	case slices.Contains(listening, a):
		return "--addr"
	case slices.ContainsFunc(d.node.AddressStates(), func(s discv5.AddressState) bool {
		return s.Endpoint == a && s.Source == discv5.AddressSaved
	}):
		return "last run"
	}
	return "network interface"
}
