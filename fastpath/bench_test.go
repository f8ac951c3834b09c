package fastpath

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// benchPayload is about the size of a PING.
const benchPayload = 120

// benchPaths runs f for both paths on IPv4.
func benchPaths(b *testing.B, batches []int, f func(b *testing.B, cfg Config, batch int)) {
	for _, plain := range []bool{false, true} {
		for _, batch := range batches {
			name := map[bool]string{false: "native", true: "portable"}[plain]
			b.Run(fmt.Sprintf("%s/batch=%d", name, batch), func(b *testing.B) {
				f(b, Config{Addr: loop4, MaxSize: testMax, MinSize: testMin, Batch: batch,
					RecvBuffer: 4 << 20, DisableBatch: plain}, batch)
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
	benchPaths(b, []int{1, 8, 32, 64, 128}, func(b *testing.B, cfg Config, batch int) {
		src, dst := listen(b, cfg).Conns()[0], listen(b, cfg).Conns()[0]
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

// BenchmarkSend sends to a socket whose filter drops everything. On loopback it
// includes what the kernel does to deliver. An operation is 512 datagrams.
func BenchmarkSend(b *testing.B) {
	const fill = 512
	benchPaths(b, []int{1, 8, 64}, func(b *testing.B, cfg Config, batch int) {
		src := listen(b, cfg).Conns()[0]
		cfg.MinSize = benchPayload + 1
		g := listen(b, cfg)
		if !g.Info().FilterAttached {
			b.Skip(g.Info())
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

// BenchmarkClock is one reading of the clock.
func BenchmarkClock(b *testing.B) {
	c := NewClock()
	for b.Loop() {
		c.Now()
	}
}

// BenchmarkPool is one Get and Release.
func BenchmarkPool(b *testing.B) {
	p := NewPool(64, testMax)
	b.ReportAllocs()
	for b.Loop() {
		p.Get().Release()
	}
}
