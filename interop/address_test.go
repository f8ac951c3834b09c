package interop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
)

var (
	loopback4       = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	secondLoopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 2})
	loopback6       = netip.IPv6Loopback()
)

// canListen reports whether a UDP socket can be bound to ip.
func canListen(ip netip.Addr) error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return err
	}
	return c.Close()
}

// requireAddr skips the test if the machine does not have the address.
func requireAddr(t *testing.T, ip netip.Addr) {
	t.Helper()
	if err := canListen(ip); err != nil {
		t.Skipf("probed a UDP socket on %v: %v", ip, err)
	}
}

func unmapped(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// secondLoopback6 returns an IPv6 address besides ::1 that reaches ::1. Linux gives the loopback
// interface only one IPv6 address, so most machines have none.
func secondLoopback6() (netip.Addr, error) {
	if s := os.Getenv("DISCV5_LISTEN2_IPV6"); s != "" {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("DISCV5_LISTEN2_IPV6: %w", err)
		}
		return ip, canListen(ip)
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, iface := range ifaces {
		if iface.Flags&net.FlagLoopback == 0 {
			continue
		}
		addrs, err := iface.Addrs()
		if err != nil {
			return netip.Addr{}, err
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			ip := p.Addr()
			if !ip.Is6() || ip == loopback6 || ip.IsLinkLocalUnicast() {
				continue
			}
			if canListen(ip) == nil {
				return ip, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("loopback interfaces have no IPv6 address besides %v", loopback6)
}
