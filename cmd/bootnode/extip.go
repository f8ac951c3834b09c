package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/fastdisc/discv5/internal/hostaddr"
)

// machine is what is known of the host's own addresses.
type machine interface {
	Addrs() ([]hostaddr.Addr, error)
	Source(to netip.Addr) netip.Addr
}

// listener is a listen address. knows tells whether its sockets answer from the address that was
// asked.
type listener struct {
	addr  netip.AddrPort
	knows bool
}

// endpointWarnings says which of the endpoints that --extip names are addresses of this machine at
// which the node does not answer, or not for long. Others are behind a NAT, of which nothing is
// known here.
func endpointWarnings(named []netip.AddrPort, listeners []listener, m machine) (warnings []string) {
	list, err := m.Addrs()
	if err != nil {
		return nil
	}
	for _, n := range named {
		i := slices.IndexFunc(list, func(a hostaddr.Addr) bool { return a.Addr() == n.Addr() })
		if i < 0 {
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
			warn("no --addr listens there: nobody can reach the node at it")
		case list[i].Tentative:
			warn("another host has it, or may have it: the system does not use it")
		case list[i].Deprecated:
			warn("it is deprecated and will go")
		case list[i].Temporary:
			warn("it is temporary and will change")
		case there.addr.Addr().IsUnspecified() && !there.knows && m.Source(hostaddr.Outside(n.Addr().Is4())) != n.Addr():
			warn("answers leave from another one on this system; listen on it with --addr")
		}
	}
	return warnings
}

// endpointWarnings looks at what this node was told to advertise.
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
