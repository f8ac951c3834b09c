package discv5

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// AdvertisedAddr chooses the address that a node which listens on addr names in its record if it was not told one: addr
// itself, or if that is the wildcard, the address of an interface of that family that others are most
// likely to reach: a public one before a private one before loopback. ok is false if there is none.
func AdvertisedAddr(addr netip.AddrPort) (netip.AddrPort, bool) {
	if !addr.Addr().IsUnspecified() {
		return addr, true
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return netip.AddrPort{}, false
	}
	var best netip.Addr
	for _, a := range list {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := netaddr.Normalize(p.Addr())
		if ip.Is4() == addr.Addr().Is4() && reach(ip) > reach(best) {
			best = ip
		}
	}
	return netip.AddrPortFrom(best, addr.Port()), reach(best) > 0
}

// reach ranks addresses by how many others can reach them. 0: none.
func reach(ip netip.Addr) int {
	if !ip.IsValid() || ip.IsLinkLocalUnicast() {
		return 0
	}
	switch netaddr.ClassOf(ip) {
	case netaddr.Global:
		return 3
	case netaddr.Private:
		return 2
	case netaddr.Loopback:
		return 1
	}
	return 0
}

// makeRecord makes the local record. bound are the addresses that the node listens on.
func makeRecord(cfg *Config, bound []netip.AddrPort) (*enr.Record, error) {
	var end [2]netip.AddrPort // by family
	if cfg.NoEndpoint {
		bound = nil
	}
	for _, b := range bound {
		f := netaddr.FamilyOf(b.Addr())
		if a, ok := AdvertisedAddr(b); ok && (!end[f].IsValid() || reach(a.Addr()) > reach(end[f].Addr())) {
			end[f] = a
		}
	}
	var advertised [2]bool
	for _, a := range cfg.Advertise {
		f := netaddr.FamilyOf(a.Addr())
		advertised[f] = true
		port := a.Port()
		for _, b := range bound {
			if port == 0 && netaddr.FamilyOf(b.Addr()) == f {
				port = b.Port()
			}
		}
		if port == 0 {
			return nil, fmt.Errorf("%w: advertised address %s has no port, and there is no listen address of its family", ErrConfig, a)
		}
		end[f] = netip.AddrPortFrom(a.Addr().Unmap(), port)
	}
	// An address beside one that more others can reach is of no use to most, and they refuse a record that would lead them into their own
	// networks.
	for f, e := range end {
		if o := end[1-f]; e.IsValid() && o.IsValid() && reach(e.Addr()) < reach(o.Addr()) && !advertised[f] {
			end[f] = netip.AddrPort{}
		}
	}

	var b *enr.Builder
	if p := cfg.Previous; p != nil {
		if has4, has6 := endpoints(p); has4 == end[0] && has6 == end[1] {
			return p, nil
		}
		b = p.Edit()
		for _, k := range []string{"ip", "udp", "ip6", "udp6"} {
			b.Delete(k)
		}
	} else {
		// Sequence numbers start with the time, so that a node which lost its memory still has a
		// higher one than before.
		b = enr.NewBuilder().SetSeq(uint64(time.Now().UnixMilli()))
	}
	if e := end[0]; e.IsValid() {
		b.SetIP(e.Addr()).SetUDP(e.Port())
	}
	if e := end[1]; e.IsValid() {
		b.SetIP(e.Addr()).SetUDP6(e.Port())
	}
	r, err := b.Sign(cfg.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("discv5: sign local record: %w", err)
	}
	return r, nil
}

// endpoints are what a record names; the zero value where it names none.
func endpoints(r *enr.Record) (v4, v6 netip.AddrPort) {
	v4, _ = r.UDPEndpoint4()
	v6, _ = r.UDPEndpoint6()
	return v4, v6
}
