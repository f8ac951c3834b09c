package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/fastpath"
)

// parseAddrs reads --addr and --extip.
func (o *options) parseAddrs() error {
	for _, s := range o.addrs {
		port, both := strings.CutPrefix(s, ":")
		if !both {
			a, err := netip.ParseAddrPort(s)
			if err != nil {
				return fmt.Errorf("--addr %q: want IP:PORT, [IPv6]:PORT or :PORT", s)
			}
			o.listen = append(o.listen, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
			continue
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("--addr %q: port is not a number from 0 to 65535", s)
		}
		v6 := netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n))
		o.listen = append(o.listen, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)))
		o.optional6 = append(o.optional6, v6)
	}
	if o.sockets > fastpath.MaxSockets {
		return fmt.Errorf("--sockets %d: want %d at most", o.sockets, fastpath.MaxSockets)
	}
	for _, s := range o.extIPs {
		a, err := netip.ParseAddrPort(s)
		if err != nil {
			ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
			if err != nil || ip.Zone() != "" {
				return fmt.Errorf("--extip %q: want IP, IP:PORT or [IPv6]:PORT", s)
			}
			a = netip.AddrPortFrom(ip, 0)
		} else if a.Port() == 0 {
			return fmt.Errorf("--extip %q: port is 0; leave it out to have that of --addr", s)
		}
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if ip := a.Addr(); ip.IsUnspecified() || ip.IsMulticast() {
			return fmt.Errorf("--extip %q: nobody can reach this address", s)
		}
		for _, other := range o.advertise {
			if other.Addr().Is4() == a.Addr().Is4() {
				return fmt.Errorf("--extip %q: a second address of the same family", s)
			}
		}
		if a.Port() == 0 && !o.listens(a.Addr().Is4()) {
			return fmt.Errorf("--extip %q: no --addr of this family to take the port from", s)
		}
		o.advertise = append(o.advertise, a)
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
