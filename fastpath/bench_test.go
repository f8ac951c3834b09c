package fastpath

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// benchPayload is about the size of a PING.
const benchPayload = 120

// benchPaths runs f on IPv4, for each path and both kinds of sender and receiver: with GSO and GRO,
// and without.
func benchPaths(b *testing.B, batches []int, f func(b *testing.B, from, to Config, batch int)) {
	for _, c := range []struct {
		name     string
		from, to Config
	}{
		{"native", Config{DisableGSO: true}, Config{DisableGSO: true}},
		{"gso", Config{}, Config{}},
		{"gso/split", Config{}, Config{DisableGSO: true}}, // by the kernel
		// a receiver who waits for them in vain
		{"gso/none", Config{DisableGSO: true}, Config{}},
		{"portable", Config{Portable: true}, Config{Portable: true}},
	} {
		for _, batch := range batches {
			b.Run(fmt.Sprintf("%s/batch=%d", c.name, batch), func(b *testing.B) {
				for _, cfg := range []*Config{&c.from, &c.to} {
					cfg.Addr, cfg.MaxSize, cfg.MinSize, cfg.Batch, cfg.RecvBuffer = loop4, testMax, testMin, batch, 4<<20
				}
				f(b, c.from, c.to, batch)
			})
		}
	}
}

// report gives the median and the spread of batches timed by hand: starting and
// stopping the benchmark's own timer per batch stops the world each time.
func report(b *testing.B, perDatagram []float64) {
	slices.Sort(perDatagram)
	at := func(q int) float64 { return perDatagram[len(perDatagram)*q/100] }
	b.ReportMetric(at(10), "p10-ns/dgram")
	b.ReportMetric(at(50), "p50-ns/dgram")
	b.ReportMetric(at(90), "p90-ns/dgram")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkReceive reads datagrams that wait in the socket buffer; sending them
// is not timed. An operation is 512 datagrams.
func BenchmarkReceive(b *testing.B) {
	const fill = 512
	benchPaths(b, []int{1, 8, 32, 64, 128}, func(b *testing.B, from, to Config, batch int) {
		src, dst := listen(b, from).Conns()[0], listen(b, to).Conns()[0]
		tx, rx := NewTx(fill, benchPayload), NewRx(batch, testMax)
		var times []float64
		b.ReportAllocs()
		for b.Loop() {
			for !tx.Full() {
				tx.Commit(benchPayload, dst.LocalAddr())
			}
			if err := src.WriteBatch(tx); err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			for n := 0; n < fill; n += rx.Len() {
				if err := dst.ReadBatch(rx); err != nil {
					b.Fatal(err)
				}
			}
			times = append(times, float64(time.Since(start).Nanoseconds())/fill)
		}
		report(b, times)
	})
}

// BenchmarkSend sends to a socket whose filter drops single datagrams, and whose buffer is soon
// full of GRO batches. On loopback it includes what the kernel does to deliver. An operation is 512
// datagrams.
func BenchmarkSend(b *testing.B) {
	const fill = 512
	benchPaths(b, []int{1, 8, 64}, func(b *testing.B, from, to Config, batch int) {
		src := listen(b, from).Conns()[0]
		to.MinSize = to.MaxSize
		g := listen(b, to)
		if !g.Info().FilterAttached {
			b.Skipf("probed for a socket filter: %v", g.Info())
		}
		tx := NewTx(fill, benchPayload)
		var times []float64
		b.ReportAllocs()
		for b.Loop() {
			for !tx.Full() {
				tx.Commit(benchPayload, g.Addr())
			}
			start := time.Now()
			if err := src.WriteBatch(tx); err != nil {
				b.Fatal(err)
			}
			times = append(times, float64(time.Since(start).Nanoseconds())/fill)
		}
		report(b, times)
	})
}
