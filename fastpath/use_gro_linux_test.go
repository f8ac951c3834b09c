package fastpath

import (
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// option is one of a socket.
type option struct{ level, name, value int }

// takeOver uses a socket whose owner has set the given options, which are called name.
func takeOver(t *testing.T, cfg Config, name string, options ...option) *Group {
	t.Helper()
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loop4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	raw, err := udp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), o.level, o.name, o.value) })
		if err != nil {
			t.Skipf("probed for %s: %v", name, err)
		}
	}
	g, err := Use(cfg, udp)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Use clears GRO, and options whose control messages come before the segment size: a GRO batch must
// not be taken for one datagram.
func TestUseOwnersOffloads(t *testing.T) {
	for name, options := range map[string][]option{
		"UDP_GRO":         {{unix.IPPROTO_UDP, unix.UDP_GRO, 1}},
		"SO_TIMESTAMP":    {{unix.SOL_SOCKET, unix.SO_TIMESTAMP, 1}},
		"SO_TIMESTAMPNS":  {{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1}},
		"SO_TIMESTAMPING": {{unix.SOL_SOCKET, unix.SO_TIMESTAMPING, unix.SOF_TIMESTAMPING_RX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE}},
		"IP_PKTINFO":      {{unix.IPPROTO_IP, unix.IP_PKTINFO, 1}, {unix.IPPROTO_IP, unix.IP_RECVTOS, 1}},
		"SO_RCVMARK":      {{unix.SOL_SOCKET, unix.SO_RCVMARK, 1}, {unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1}},
		"SO_RXQ_OVFL":     {{unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1}},
	} {
		for path, cfg := range map[string]Config{
			"merge": {}, "disabled": {DisableGSO: true}, "portable": {Portable: true},
		} {
			t.Run(name+"/"+path, func(t *testing.T) {
				from := withGSO(t, Config{Addr: loop4})
				cfg.MinSize = 63
				g := takeOver(t, cfg, name, options...)
				to := g.Conns()[0]
				to.SetReadDeadline(time.Now().Add(patience))
				tx, rx := NewTx(8, 100), NewRx(8, 1000)
				// the filter drops it: only then does SO_RXQ_OVFL say anything
				queue(t, tx, 0, 62, g.Addr())
				from.WriteBatch(tx)
				want := []int{100, 100, 99}
				queueAll(t, tx, 0, g.Addr(), want...)
				from.WriteBatch(tx)
				if got := sizesOf(arrived(t, to, rx, len(want))); !slices.Equal(got, want) {
					t.Errorf("arrived %v: %v", got, g.Info())
				}
			})
		}
	}
}

// A socket whose owner had it part what is sent is taken over without that.
func TestUseOwnersSegments(t *testing.T) {
	to := open(t, Config{Addr: loop4})
	g := takeOver(t, Config{}, "UDP_SEGMENT", option{unix.IPPROTO_UDP, unix.UDP_SEGMENT, 50})
	tx, rx := NewTx(1, 100), NewRx(8, 1000)
	queueAll(t, tx, 0, to.LocalAddr(), 100)
	g.Conns()[0].WriteBatch(tx)
	if got := sizesOf(arrived(t, to, rx, 1)); !slices.Equal(got, []int{100}) {
		t.Errorf("arrived %v", got)
	}
}
