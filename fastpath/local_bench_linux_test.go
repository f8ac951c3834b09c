package fastpath

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkAnswer reads datagrams and answers them, without GSO batches, with a socket of all
// addresses. Rounds in which it does not tell local addresses, so that answers leave from where the
// kernel chooses, and those in which it does take turns. An operation is 512 datagrams.
func BenchmarkAnswer(b *testing.B) {
	const fill = 512
	for _, portable := range []bool{false, true} {
		b.Run(map[bool]string{false: "native", true: "portable"}[portable], func(b *testing.B) {
			cfg := Config{MaxSize: testMax, MinSize: testMin, RecvBuffer: 4 << 20, DisableGSO: true, Portable: portable}
			var servers [2]Conn
			cfg.Addr = netip.MustParseAddrPort("0.0.0.0:0")
			for i := range servers {
				g := listen(b, cfg)
				servers[i] = g.Conns()[0]
				if i == 0 {
					_ = g.socks[0].raw.Control(func(fd uintptr) {
						_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 0)
					})
				}
			}
			cfg.Addr = loop4
			peer := listen(b, cfg).Conns()[0]
			tx, rx, answers := NewTx(fill, benchPayload), NewRx(64, testMax), NewTx(64, testMax)
			var times [2][]float64
			b.ReportAllocs()
			for b.Loop() {
				for i, c := range servers {
					to := netip.AddrPortFrom(loop4.Addr(), c.LocalAddr().Port())
					for !tx.Full() {
						tx.Commit(benchPayload, to)
					}
					if err := peer.WriteBatch(tx); err != nil {
						b.Fatal(err)
					}
					start := time.Now()
					for n := 0; n < fill; n += rx.Len() {
						if err := c.ReadBatch(rx); err != nil {
							b.Fatal(err)
						}
						for k := range rx.Len() {
							answers.CommitFrom(len(rx.Packet(k)), rx.Addr(k), rx.Local(k))
						}
						if err := c.WriteBatch(answers); err != nil {
							b.Fatal(err)
						}
					}
					times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/fill)
					for n := 0; n < fill; n += rx.Len() {
						if err := peer.ReadBatch(rx); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			ratios := make([]float64, len(times[0]))
			for k := range ratios {
				ratios[k] = times[1][k] / times[0][k]
			}
			slices.Sort(ratios)
			report(b, times[0])
			b.ReportMetric(ratios[len(ratios)/2], "with/without")
		})
	}
}

// BenchmarkPathMTU sends datagrams to as many addresses, with IP_PMTUDISC_DO and with
// IP_PMTUDISC_WANT, for which Linux chooses an identification for each. Rounds of both take turns.
// The receiver drops them.
func BenchmarkPathMTU(b *testing.B) {
	for _, addrs := range []int{1, 256, 16384} {
		b.Run(fmt.Sprintf("addrs=%d", addrs), func(b *testing.B) {
			sink := listen(b, Config{Addr: netip.MustParseAddrPort("0.0.0.0:0"), MinSize: testMax - 1, MaxSize: testMax, DisableGSO: true})
			g := listen(b, Config{Addr: loop4, DisableGSO: true})
			tx, rng := NewTx(64, testMax), rand.New(rand.NewPCG(1, 2))
			const batches = 32
			var times [2][]float64
			for b.Loop() {
				for i, v := range []int{unix.IP_PMTUDISC_WANT, unix.IP_PMTUDISC_DO} {
					_ = g.socks[0].raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, v) })
					start := time.Now()
					for range batches {
						for !tx.Full() {
							n := rng.IntN(addrs)
							to := netip.AddrFrom4([4]byte{127, 1, byte(n >> 8), byte(n)})
							tx.Commit(benchPayload, netip.AddrPortFrom(to, sink.Addr().Port()))
						}
						if err := g.Conns()[0].WriteBatch(tx); err != nil {
							b.Fatal(err)
						}
					}
					times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/batches/64)
				}
			}
			ratios := make([]float64, len(times[0]))
			for k := range ratios {
				ratios[k] = times[1][k] / times[0][k]
			}
			slices.Sort(ratios)
			report(b, times[0])
			b.ReportMetric(ratios[len(ratios)/2], "do/want")
		})
	}
}
