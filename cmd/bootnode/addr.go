package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/nat"
)

// parseAddrs reads --addr and --extip.
func (o *options) parseAddrs() error {
	for _, s := range o.addrs {
		port, both := strings.CutPrefix(s, ":")
		if !both {
			a, err := netip.ParseAddrPort(s)
			if err != nil {
				return fmt.Errorf("%s %s: want IP:PORT, [IPv6]:PORT or :PORT", o.from("addr"), quote.Short(s))
			}
			o.listen = append(o.listen, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
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
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
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
	if a.Port() == 0 && !o.listens(a.Addr().Is4()) {
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
		case !o.listens(true):
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
func (o *options) listens(v4 bool) bool {
	for _, list := range [][]netip.AddrPort{o.listen, o.optional6} {
		for _, a := range list {
			if a.Addr().Is4() == v4 {
				return true
			}
		}
	}
	return false
}
