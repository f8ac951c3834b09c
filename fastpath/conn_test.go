package fastpath

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		a, b := open(t, cfg), open(t, cfg)
		tx, rx := NewTx(64, testMax), NewRx(64, testMax)
		sizes := map[int]int{}
		total := 0
		for i := 0; !tx.Full(); i++ {
			sizes[i] = testMin + i*(testMax-testMin)/63
			total += sizes[i]
			queue(t, tx, i, sizes[i], b.LocalAddr())
		}
		if err := a.WriteBatch(tx); err != nil || tx.Len() != 0 {
			t.Fatalf("WriteBatch = %v, %d left", err, tx.Len())
		}
		for n := 0; n < 64; n += rx.Len() {
			if err := b.ReadBatch(rx); err != nil {
				t.Fatal(err)
			}
			for i := range rx.Len() {
				p := rx.Packet(i)
				if len(p) != sizes[seqOf(p)] || cap(p) != testMax {
					t.Errorf("datagram %d: len %d cap %d, want len %d cap %d", seqOf(p), len(p), cap(p), sizes[seqOf(p)], testMax)
				}
				if rx.Addr(i) != a.LocalAddr() {
					t.Errorf("from %v, want %v", rx.Addr(i), a.LocalAddr())
				}
				delete(sizes, seqOf(p))
			}
		}
		if len(sizes) != 0 {
			t.Errorf("%d datagrams missing", len(sizes))
		}
		sa, sb := a.Stats(), b.Stats()
		if sa.TxDatagrams != 64 || sa.TxBytes != uint64(total) || sa.SendErrors.Sum() != 0 {
			t.Errorf("sender: %+v", sa)
		}
		if sb.RxDatagrams != 64 || sb.RxBytes != uint64(total) || sb.ReadErrors != 0 {
			t.Errorf("receiver: %+v", sb)
		}
	})
}

// A reply must go where the datagram came from, on a wildcard socket too.
func TestWildcardIsOneFamily(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint("plain=", plain), func(t *testing.T) {
			g4 := listen(t, Config{Addr: netip.MustParseAddrPort("0.0.0.0:0"), Portable: plain})
			g6, err := Listen(Config{Addr: netip.AddrPortFrom(netip.IPv6Unspecified(), g4.Addr().Port()), Portable: plain})
			if err != nil {
				if !hasIPv6() {
					t.Skipf("probed for IPv6: %v", err)
				}
				t.Fatalf("the IPv6 wildcard takes the IPv4 port: %v", err)
			}
			defer g6.Close()
			from := open(t, Config{Addr: loop4, Portable: plain})
			tx, rx := NewTx(1, 100), NewRx(1, 100)
			queue(t, tx, 7, 100, netip.AddrPortFrom(loop4.Addr(), g4.Addr().Port()))
			from.WriteBatch(tx)
			c := g4.Conns()[0]
			c.SetReadDeadline(time.Now().Add(patience))
			drain(t, c, rx, 1)
			if !rx.Addr(0).Addr().Is4() {
				t.Errorf("source %v is not a 4-byte address", rx.Addr(0))
			}
		})
	}
}

func TestMappedAddresses(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:127.0.0.1]:0")
	for _, plain := range []bool{false, true} {
		c := open(t, Config{Addr: mapped, Portable: plain})
		if !c.LocalAddr().Addr().Is4() {
			t.Errorf("local address %v is mapped", c.LocalAddr())
		}
		tx, rx := NewTx(1, 100), NewRx(1, 100)
		queue(t, tx, 1, 100, netip.AddrPortFrom(mapped.Addr(), c.LocalAddr().Port()))
		if err := c.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		drain(t, c, rx, 1)
	}
}

// 62 and 1281 bytes must not get through, whether or not there is a filter.
func TestSizeLimits(t *testing.T) {
	for _, noFilter := range []bool{false, true} {
		t.Run(fmt.Sprint("noFilter=", noFilter), func(t *testing.T) {
			matrix(t, func(t *testing.T, cfg Config) {
				any := cfg
				any.MinSize, any.MaxSize = 0, 0
				a := open(t, any)
				cfg.DisableFilter = noFilter
				g := listen(t, cfg)
				b := g.Conns()[0]
				b.SetReadDeadline(time.Now().Add(patience))
				tx, rx := NewTx(8, 4096), NewRx(8, 2048)
				for i, n := range []int{0, 62, 63, 64, 1279, 1280, 1281, 3000} {
					queue(t, tx, i, n, b.LocalAddr())
				}
				if err := a.WriteBatch(tx); err != nil {
					t.Fatal(err)
				}
				for seq, p := range drain(t, b, rx, 4) {
					if len(p) < testMin || len(p) > testMax {
						t.Errorf("datagram %d of %d bytes got through", seq, len(p))
					}
				}
				idle(t, b, rx)
				st, info := b.Stats(), g.Info()
				t.Log(info)
				if info.FilterAttached {
					large := uint64(0) // that are for the Conn to drop
					if info.GRO {
						large = 2
					}
					if st.Short != 0 || st.Long+st.Truncated != large {
						t.Errorf("the filter let through: %+v", st)
					}
					if info.DropSource == "SO_MEMINFO" && st.KernelDrops != 4-large {
						t.Errorf("kernel drops = %d, want the %d that were filtered", st.KernelDrops, 4-large)
					}
				} else if st.Short != 2 || st.Long+st.Truncated != 2 {
					t.Errorf("short %d long %d truncated %d, want 2 and 2", st.Short, st.Long, st.Truncated)
				}
			})
		})
	}
}

// A datagram that does not fit its slot is dropped; it must neither arrive cut
// nor spoil its neighbors.
func TestS21Truncated(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		cfg.DisableFilter = true
		a, b := open(t, cfg), open(t, cfg)
		tx, rx := NewTx(3, testMax), NewRx(3, 200)
		for round := range 2 { // twice: flags must not stick to a slot
			queue(t, tx, 0, 200, b.LocalAddr())
			queue(t, tx, 1, 201+round, b.LocalAddr())
			queue(t, tx, 2, 199, b.LocalAddr())
			a.WriteBatch(tx)
			got := drain(t, b, rx, 2)
			if len(got[0]) != 200 || len(got[2]) != 199 {
				t.Errorf("round %d: got %d and %d bytes", round, len(got[0]), len(got[2]))
			}
		}
		idle(t, b, rx)
		if st := b.Stats(); st.Truncated != 2 || st.RxDatagrams != 4 {
			t.Errorf("%+v, want 2 truncated", st)
		}
	})
}

// An empty datagram is a datagram where MinSize allows it.
func TestEmptyDatagram(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		cfg.MinSize = 0
		c := open(t, cfg)
		tx, rx := NewTx(1, 10), NewRx(1, 10)
		tx.Commit(0, c.LocalAddr())
		if err := c.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadBatch(rx); err != nil || rx.Len() != 1 || len(rx.Packet(0)) != 0 {
			t.Errorf("ReadBatch = %v, %d datagrams", err, rx.Len())
		}
	})
}

// Destinations that cannot work lie between good ones and cost only themselves.
func TestBadDestinations(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		a, b := open(t, cfg), open(t, cfg)
		good, other := b.LocalAddr(), loop6
		if good.Addr().Is6() {
			other = loop4
		}
		bad := []netip.AddrPort{
			netip.AddrPortFrom(other.Addr(), 9), // the other family
			{},                                  // no address
			netip.AddrPortFrom(good.Addr(), 0),  // no port
		}
		if good.Addr().Is4() {
			bad = append(bad, netip.MustParseAddrPort("255.255.255.255:9"))
		}
		tx, rx := NewTx(16, testMax), NewRx(16, testMax)
		queue(t, tx, 0, 100, good)
		for i, to := range bad {
			queue(t, tx, 100+i, 100, to)
			queue(t, tx, 1+i, 100, good)
		}
		queue(t, tx, 999, 100, bad[0]) // and at the end
		sent := tx.Len()
		if err := a.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		drain(t, b, rx, len(bad)+1)
		idle(t, b, rx)
		e := a.Stats().SendErrors
		t.Logf("%+v", e)
		if e.Family != 3 || e.Sum() != uint64(len(bad)+1) || a.Stats().TxDatagrams+e.Sum() != uint64(sent) {
			t.Errorf("%+v after %d bad of %d", e, len(bad)+1, sent)
		}
		if good.Addr().Is4() && e.Denied+e.Unreachable != 1 {
			t.Errorf("broadcast: %+v", e)
		}
	})
}

func TestOversizeSend(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		a, b := open(t, cfg), open(t, cfg)
		tx, rx := NewTx(3, MaxDatagram), NewRx(3, testMax)
		queue(t, tx, 0, 100, b.LocalAddr())
		tx.Buffer()
		n := MaxDatagram
		if a.LocalAddr().Addr().Is6() {
			t.Skip("probed for a datagram that is too large: IPv6 carries the largest there is")
		}
		tx.Commit(n, b.LocalAddr())
		queue(t, tx, 2, 100, b.LocalAddr())
		if err := a.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		drain(t, b, rx, 2)
		if e := a.Stats().SendErrors; e.TooLong != 1 || e.Sum() != 1 {
			t.Errorf("%+v, want one that is too long", e)
		}
	})
}

func TestDeadline(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		c, rx := open(t, cfg), NewRx(4, testMax)
		rx.Push(make([]byte, 5), loop4)
		c.SetReadDeadline(time.Now().Add(-time.Second))
		if err := c.ReadBatch(rx); err != os.ErrDeadlineExceeded || rx.Len() != 0 {
			t.Errorf("ReadBatch = %v with %d datagrams", err, rx.Len())
		}
		c.SetReadDeadline(time.Time{})
		tx := NewTx(1, testMax)
		queue(t, tx, 3, 80, c.LocalAddr())
		c.WriteBatch(tx)
		drain(t, c, rx, 1)
	})
}

func TestCloseEndsReading(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		g := listen(t, cfg)
		c := g.Conns()[0]
		done := make(chan error)
		go func() { done <- c.ReadBatch(NewRx(4, testMax)) }()
		time.Sleep(5 * time.Millisecond) // most likely it waits by now; either way must work
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err != ErrClosed || !errors.Is(err, net.ErrClosed) {
				t.Errorf("ReadBatch = %v", err)
			}
		case <-time.After(patience):
			t.Fatal("ReadBatch did not end")
		}
		tx := NewTx(2, testMax)
		queue(t, tx, 0, 100, g.Addr())
		queue(t, tx, 1, 100, g.Addr())
		if err := c.WriteBatch(tx); err != ErrClosed || tx.Len() != 0 {
			t.Errorf("WriteBatch = %v, %d left", err, tx.Len())
		}
		if n := c.Stats().SendErrors.Closed; n != 2 {
			t.Errorf("%d counted as closed, want 2", n)
		}
		if err := c.ReadBatch(NewRx(1, 100)); err != ErrClosed {
			t.Errorf("second ReadBatch = %v", err)
		}
		if err := c.Close(); err != ErrClosed {
			t.Errorf("second Close = %v", err)
		}
		if err := g.Close(); err != nil {
			t.Errorf("second Group.Close = %v", err)
		}
		if err := c.SetReadDeadline(time.Time{}); err != ErrClosed {
			t.Errorf("SetReadDeadline = %v", err)
		}
	})
}

// Several senders, one reader, a reader of the counters, and a Close in the middle. For the race
// detector.
func TestConcurrentUse(t *testing.T) {
	matrix(t, func(t *testing.T, cfg Config) {
		g := listen(t, cfg)
		c := g.Conns()[0]
		stop := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for tx := NewTx(16, testMax); ; {
					for i := 0; !tx.Full(); i++ {
						queue(t, tx, i, 200, g.Addr())
					}
					if err := c.WriteBatch(tx); err != nil {
						if err != ErrClosed {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		wg.Go(func() {
			for rx, n := NewRx(32, testMax), 0; ; n += rx.Len() {
				if err := c.ReadBatch(rx); err != nil {
					if err != ErrClosed {
						t.Error(err)
					}
					return
				}
				if n > 2000 {
					once.Do(func() { close(stop) })
				}
			}
		})
		wg.Go(func() {
			for c.SetReadDeadline(time.Time{}) == nil {
				g.Stats()
			}
		})
		<-stop
		g.Close()
		wg.Wait()
		st := g.Stats()
		if st.TxDatagrams == 0 || st.SendErrors.Sum() != st.SendErrors.Closed {
			t.Errorf("%+v", st)
		}
	})
}

// Both paths are given the same traffic and must agree about every byte and
// every counter.
func TestPathsAgree(t *testing.T) {
	for _, addr := range []netip.AddrPort{loop4, loop6} {
		t.Run(addr.Addr().String(), func(t *testing.T) {
			cfg := Config{Addr: addr, MaxSize: 900, MinSize: testMin, DisableFilter: true, Batch: 7}
			plain := cfg
			plain.Portable = true
			var got [2]map[int][]byte
			var in, out [2]ConnStats
			for k, cfg := range []Config{cfg, plain} {
				src, dst := open(t, cfg), open(t, cfg)
				tx, rx := NewTx(50, testMax), NewRx(20, 800)
				want := 0
				for i := range 50 {
					n, to := 40+i*20, dst.LocalAddr()
					switch {
					case i%9 == 4:
						to = netip.AddrPortFrom(to.Addr(), 0)
					case i%9 == 7:
						to = netip.AddrPort{}
					case n >= testMin && n <= 800:
						want++
					}
					queue(t, tx, i, n, to)
				}
				if err := src.WriteBatch(tx); err != nil {
					t.Fatal(err)
				}
				got[k] = drain(t, dst, rx, want)
				idle(t, dst, rx)
				out[k], in[k] = src.Stats(), dst.Stats()
				// The two implementations may differ in the number of calls.
				out[k].TxBatches, in[k].RxBatches = 0, 0
			}
			if in[0] != in[1] {
				t.Errorf("received\nnative   %+v\nportable %+v", in[0], in[1])
			}
			if out[0] != out[1] {
				t.Errorf("sent\nnative   %+v\nportable %+v", out[0], out[1])
			}
			for seq, p := range got[0] {
				if !bytes.Equal(p, got[1][seq]) {
					t.Errorf("datagram %d differs", seq)
				}
			}
		})
	}
}
