package proctest

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// A socket that asks for any port gets one above these.
const firstPort, lastPort = 10_000, 32_000

var ports struct {
	sync.Mutex
	given map[uint16]bool
}

// FreePort returns an address of ip with a port that is free for "udp" or "tcp". It is for programs
// whose address must be known before they start, or stay the same when they start once more. No
// other call in this process returns the same port.
func FreePort(t testing.TB, network string, ip netip.Addr) netip.AddrPort {
	t.Helper()
	var err error
	for range 1000 {
		port := uint16(firstPort + rand.IntN(lastPort-firstPort))
		ports.Lock()
		taken := ports.given[port]
		if ports.given == nil {
			ports.given = make(map[uint16]bool)
		}
		ports.given[port] = true
		ports.Unlock()
		if taken {
			continue
		}
		at := netip.AddrPortFrom(ip, port)
		if err = bind(network, at); err == nil {
			return at
		}
	}
	t.Fatalf("%v has no free port for %s: %v", ip, network, err)
	return netip.AddrPort{}
}

// bind reports whether a socket can have an address.
func bind(network string, at netip.AddrPort) error {
	if network == "udp" {
		c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
		if err == nil {
			err = c.Close()
		}
		return err
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	if err == nil {
		err = l.Close()
	}
	return err
}
