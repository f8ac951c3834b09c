package fastpath

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoFlowLabels: sockets for IPv6 leave the flow label at 0, also those that others have opened.
func TestNoFlowLabels(t *testing.T) {
	check := func(t *testing.T, g *Group) {
		t.Helper()
		for i, s := range g.socks {
			v := -1
			if err := s.raw.Control(func(fd uintptr) {
				v, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL)
			}); err != nil || v != 0 {
				t.Errorf("socket %d: IPV6_AUTOFLOWLABEL is %d, %v", i, v, err)
			}
		}
	}
	addr := netip.MustParseAddrPort("[::1]:0")
	t.Run("Listen", func(t *testing.T) {
		check(t, listen(t, Config{Addr: addr, Sockets: 2}))
	})
	t.Run("Use", func(t *testing.T) {
		c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(addr))
		if err != nil {
			t.Skipf("probed for IPV6_AUTOFLOWLABEL: %v", err)
		}
		g, err := Use(Config{}, c)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		check(t, g)
	})
}
