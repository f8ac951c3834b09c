package fastpath

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU is the CPU time of the calling thread.
func threadCPU(b *testing.B) time.Duration {
	b.Helper()
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// toggle is a setting of a socket that BenchmarkOption turns on and off.
type toggle struct {
	name string
	addr string
	set  func(s *socket, fd int, on bool) error
}

// between is an option that takes one of two numbers.
func between(level, name, off, on int) func(*socket, int, bool) error {
	return func(_ *socket, fd int, use bool) error {
		if use {
			return unix.SetsockoptInt(fd, level, name, on)
		}
		return unix.SetsockoptInt(fd, level, name, off)
	}
}

func nothing(*socket, int, bool) error { return nil }

// toggles are those that might make a node with many peers cheaper. The results of a run are in
// PERF.md.
var toggles = []toggle{
	{"none", "127.0.0.1:0", nothing},
	{"none6", "[::1]:0", nothing},
	{"IP_PMTUDISC_DO", "127.0.0.1:0", between(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_WANT, unix.IP_PMTUDISC_DO)},
	{"IPV6_PMTUDISC_DO", "[::1]:0", between(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_WANT, unix.IPV6_PMTUDISC_DO)},
	{"IPV6_AUTOFLOWLABEL_off", "[::1]:0", between(unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL, 1, 0)},
	{"SO_NO_CHECK", "127.0.0.1:0", between(unix.SOL_SOCKET, unix.SO_NO_CHECK, 0, 1)},
	{"UDP_GRO", "127.0.0.1:0", between(unix.IPPROTO_UDP, unix.UDP_GRO, 0, 1)},
	{"SO_BUSY_POLL", "127.0.0.1:0", between(unix.SOL_SOCKET, unix.SO_BUSY_POLL, 0, 20)},
	{"SO_RXQ_OVFL", "127.0.0.1:0", between(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 0, 1)},
	{"SO_TXREHASH_off", "[::1]:0", between(unix.SOL_SOCKET, unix.SO_TXREHASH, 1, 0)},
	{"size_filter", "127.0.0.1:0", func(_ *socket, fd int, on bool) error {
		if on {
			return attachFilter(uintptr(fd), testMin, MaxDatagram)
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != unix.ENOENT {
			return err
		}
		return nil
	}},
}

// BenchmarkOption compares a socket with an option and without it, in a process that answers
// datagrams of 512 peers, one each. After each 2,048 datagrams the option changes, and the CPU time
// of the thread is charged to one side, so that other programs on the machine touch both alike. The
// result is the median of the ratios of neighbors. An operation is one change there and back.
func BenchmarkOption(b *testing.B) {
	for _, o := range toggles {
		b.Run(o.name, func(b *testing.B) { benchmarkOption(b, o) })
	}
}

func benchmarkOption(b *testing.B, o toggle) {
	const peers, fills = 512, 4
	cfg := Config{Addr: netip.MustParseAddrPort(o.addr), MaxSize: testMax, RecvBuffer: 4 << 20, SendBuffer: 4 << 20, DisableGSO: true, DisableFilter: true}
	g := listen(b, cfg)
	server, sock := g.Conns()[0], g.socks[0]
	set := func(on bool) {
		var err error
		if cerr := sock.raw.Control(func(fd uintptr) { err = o.set(sock, int(fd), on) }); cerr != nil {
			b.Fatal(cerr)
		}
		if err != nil {
			b.Skipf("probed for the socket option: %v", err)
		}
	}
	cfg.RecvBuffer, cfg.SendBuffer = 0, 0
	clients := make([]Conn, peers)
	for i := range clients {
		clients[i] = listen(b, cfg).Conns()[0]
	}
	ask, rx, answers, got := NewTx(1, benchPayload), NewRx(64, testMax), NewTx(64, testMax), NewRx(4, testMax)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	side := func(on bool) float64 {
		set(on)
		var spent time.Duration
		for range fills {
			for _, c := range clients {
				ask.Commit(benchPayload, server.LocalAddr())
				if err := c.WriteBatch(ask); err != nil {
					b.Fatal(err)
				}
			}
			start := threadCPU(b)
			for n := 0; n < peers; n += rx.Len() {
				if err := server.ReadBatch(rx); err != nil {
					b.Fatal(err)
				}
				for k := range rx.Len() {
					answers.Commit(len(rx.Packet(k)), rx.Addr(k))
				}
				if err := server.WriteBatch(answers); err != nil {
					b.Fatal(err)
				}
			}
			spent += threadCPU(b) - start
			for _, c := range clients {
				if err := c.ReadBatch(got); err != nil {
					b.Fatal(err)
				}
			}
		}
		return float64(spent) / (peers * fills)
	}
	side(true) // both have memory
	side(false)
	var with, without, ratios []float64
	for first := false; b.Loop(); first = !first {
		x, y := side(first), side(!first)
		if first {
			x, y = y, x
		}
		without, with = append(without, x), append(with, y)
		ratios = append(ratios, y/x)
	}
	slices.Sort(ratios)
	slices.Sort(without)
	slices.Sort(with)
	b.ReportMetric(without[len(without)/2], "without-ns/datagram")
	b.ReportMetric(with[len(with)/2], "with-ns/datagram")
	b.ReportMetric(ratios[len(ratios)/2], "with/without")
	b.ReportMetric(ratios[len(ratios)/4], "q1")
	b.ReportMetric(ratios[len(ratios)*3/4], "q3")
}
