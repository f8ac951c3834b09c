package fastpath

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// S21: a socket whose owner had the kernel report ICMP on it is taken over without that: the
// reports, which nobody reads, would fill its receive buffer until nothing else gets in.
func TestS21UseErrorQueue(t *testing.T) {
	for _, c := range []struct {
		network, addr string
		level, option int
	}{
		{"udp4", "127.0.0.1:0", unix.IPPROTO_IP, unix.IP_RECVERR},
		{"udp6", "[::1]:0", unix.IPPROTO_IPV6, unix.IPV6_RECVERR},
	} {
		t.Run(c.network, func(t *testing.T) {
			udp, err := net.ListenUDP(c.network, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(c.addr)))
			if err != nil {
				t.Skipf("probed for %s: %v", c.network, err)
			}
			defer udp.Close()
			raw, err := udp.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			set := func(value int) {
				if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), c.level, c.option, value) }); cerr != nil || err != nil {
					t.Fatal(cerr, err)
				}
			}
			set(1)
			// A port where nobody listens is reported before the group takes over: that goes too.
			const tcpmux = 1
			to := netip.AddrPortFrom(netip.MustParseAddrPort(c.addr).Addr(), tcpmux)
			if _, err := udp.WriteToUDPAddrPort([]byte("anybody?"), to); err != nil {
				t.Fatal(err)
			}
			g, err := Use(Config{RecvBuffer: 4096}, udp)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			var got int
			if cerr := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), c.level, c.option) }); cerr != nil || err != nil || got != 0 {
				t.Errorf("option is %d (%v, %v)", got, cerr, err)
			}
			conn := g.Conns()[0]
			tx, rx := NewTx(1, 100), NewRx(1, 100)
			for range 100 { // many times what the buffer holds
				tx.Commit(copy(tx.Buffer(), "anybody?"), to)
				if err := conn.WriteBatch(tx); err != nil {
					t.Fatal(err)
				}
			}
			tx.Commit(copy(tx.Buffer(), "myself"), conn.LocalAddr())
			if err := conn.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if err := conn.ReadBatch(rx); err != nil {
				t.Fatalf("deaf: %v", err)
			}
			if n := conn.Stats().SendErrors.Sum(); n != 0 {
				t.Errorf("%d datagrams were not sent", n)
			}
		})
	}
}
