package fastpath

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

// A batch of mixed sizes costs no allocation in either direction, over real
// sockets. AllocsPerRun rounds down, so the second half counts over many
// batches.
func TestBatchAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it allocates")
	}
	matrix(t, func(t *testing.T, cfg Config) {
		const batch = 64
		cfg.RecvBuffer = 1 << 20
		g := listen(t, cfg)
		a, b := open(t, cfg), g.Conns()[0]
		tx, rx := NewTx(batch, testMax), NewRx(batch, testMax)
		to := b.LocalAddr()
		lost := 0
		round := func() {
			for i := 0; !tx.Full(); i++ {
				tx.Buffer()[0] = byte(i)
				tx.Commit(testMin+(i*97)%(testMax-testMin+1), to)
			}
			if err := a.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < batch; n += rx.Len() {
				if err := b.ReadBatch(rx); err != nil {
					if err == os.ErrDeadlineExceeded {
						lost++
						return
					}
					t.Fatal(err)
				}
				for i := range rx.Len() {
					_, _ = rx.Packet(i), rx.Addr(i)
				}
			}
		}
		b.SetReadDeadline(time.Now().Add(patience))
		round() // builds what is built once
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("%v allocations per batch", n)
		}
		const rounds = 300
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		// The runtime itself may allocate a little meanwhile, more of it on a slow machine.
		n := uint64(math.MaxUint64)
		for try := 0; try < 3 && n > rounds/10; try++ {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range rounds {
				round()
			}
			runtime.ReadMemStats(&after)
			n = after.Mallocs - before.Mallocs
		}
		if n > rounds/10 {
			t.Errorf("%d allocations in %d batches", n, rounds)
		}
		t.Logf("%s: %d allocations in %d datagrams, %d batches cut short", g.Info().Path, n, rounds*batch, lost)
	})
}

// A batch in which some datagrams cannot be sent does not allocate either on
// the fast path: errors are counted, not built.
func TestBadBatchAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it allocates")
	}
	g := listen(t, Config{Addr: loop4})
	if g.Info().Path != PathBatch {
		t.Skipf("probed for recvmmsg: %v", g.Info())
	}
	c, tx := g.Conns()[0], NewTx(8, 100)
	if n := testing.AllocsPerRun(100, func() {
		for !tx.Full() {
			to := loop6
			if tx.Len()%2 == 0 {
				to = loop4 // port 0: EINVAL
			}
			tx.Commit(80, to)
		}
		c.WriteBatch(tx)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if e := c.Stats().SendErrors; e.Family == 0 || e.Other == 0 {
		t.Errorf("%+v", e)
	}
}
