package fastpath

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// muxes runs f for both implementations, on both families, with n sockets.
func muxes(t *testing.T, n int, f func(t *testing.T, m *Mux, conns []Conn)) {
	for _, cfg := range []Config{
		{Addr: loop4}, {Addr: loop6}, {Addr: loop4, Portable: true}, {Addr: loop6, Portable: true},
	} {
		t.Run(fmt.Sprintf("%v portable %v", cfg.Addr.Addr(), cfg.Portable), func(t *testing.T) {
			var conns []Conn
			for range n {
				conns = append(conns, listen(t, cfg).Conns()[0])
			}
			m, err := NewMux(conns, 8, 200)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Portable && (m.Path() != MuxGoroutines || m.Reason() == "") {
				t.Errorf("path %s, reason %q", m.Path(), m.Reason())
			}
			t.Cleanup(func() {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			})
			f(t, m, conns)
		})
	}
}

// await calls Next until there is something.
func await(t *testing.T, m *Mux) (int, *Rx) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		from, rx, err := m.Next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if rx != nil {
			if rx.Len() == 0 {
				t.Fatal("empty batch")
			}
			return from, rx
		}
	}
	t.Fatal("nothing arrived")
	return 0, nil
}

// Every datagram arrives once, under the number of its socket, with its source.
func TestMux(t *testing.T) {
	for _, n := range []int{1, 5} {
		muxes(t, n, func(t *testing.T, m *Mux, conns []Conn) {
			const each = 40
			sender := open(t, Config{Addr: netAddr(conns[0])})
			tx := NewTx(each, 100)
			for i, c := range conns {
				for k := range each {
					queue(t, tx, i*1000+k, 20+k, c.LocalAddr())
				}
				if err := sender.WriteBatch(tx); err != nil {
					t.Fatal(err)
				}
			}
			next := make([]int, n)
			for got := 0; got < n*each; {
				from, rx := await(t, m)
				for i := range rx.Len() {
					seq := seqOf(rx.Packet(i))
					if seq/1000 != from || seq%1000 != next[from] || len(rx.Packet(i)) != 20+next[from] {
						t.Fatalf("socket %d: datagram %d of %d bytes, want %d", from, seq, len(rx.Packet(i)), next[from])
					}
					if rx.Addr(i) != sender.LocalAddr() {
						t.Fatalf("source %v, want %v", rx.Addr(i), sender.LocalAddr())
					}
					next[from]++
					got++
				}
			}
			if _, rx, err := m.Next(0); rx != nil || err != nil {
				t.Errorf("after the last one: %v, %v", rx, err)
			}
			var st ConnStats
			for _, c := range conns {
				st.Add(c.Stats())
			}
			if st.RxDatagrams != uint64(n*each) || st.ReadErrors != 0 {
				t.Errorf("counted %+v", st)
			}
		})
	}
}

func netAddr(c Conn) netip.AddrPort {
	if c.LocalAddr().Addr().Is4() {
		return loop4
	}
	return loop6
}

// A wait ends after its time, or when a datagram arrives.
func TestMuxWait(t *testing.T) {
	muxes(t, 3, func(t *testing.T, m *Mux, conns []Conn) {
		for range 3 {
			if _, rx, err := m.Next(3 * time.Millisecond); rx != nil || err != nil {
				t.Fatalf("nothing was sent: %v, %v", rx, err)
			}
		}
		sender := open(t, Config{Addr: netAddr(conns[0])})
		for i := range 5 {
			go func() {
				time.Sleep(2 * time.Millisecond)
				tx := NewTx(1, 100)
				b := tx.Buffer()
				clear(b)
				b[7] = byte(i)
				tx.Commit(20, conns[i%3].LocalAddr())
				sender.WriteBatch(tx)
			}()
			if from, rx := await(t, m); from != i%3 || seqOf(rx.Packet(0)) != i {
				t.Fatalf("socket %d, datagram %d, want %d", from, seqOf(rx.Packet(0)), i)
			}
		}
	})
}

// A socket with much to read does not keep the others waiting.
func TestMuxFair(t *testing.T) {
	muxes(t, 2, func(t *testing.T, m *Mux, conns []Conn) {
		sender := open(t, Config{Addr: netAddr(conns[0])})
		tx := NewTx(64, 100)
		// The portable path has a goroutine for each socket, which on a busy machine may get its
		// turn late: a Mux that is unfair never serves the second socket in time, however often it
		// is asked.
		for range 10 {
			for i := range 64 {
				queue(t, tx, i, 20, conns[0].LocalAddr())
			}
			sender.WriteBatch(tx)
			queue(t, tx, 0, 20, conns[1].LocalAddr())
			sender.WriteBatch(tx)
			// 8 batches of the fast path are all there is; the portable one has one datagram in
			// each.
			second := 0
			for call, got := 1, 0; got < 65; call++ {
				from, rx := await(t, m)
				if got += rx.Len(); from == 1 {
					second = call
				}
			}
			if second <= 16 {
				return
			}
		}
		t.Fatal("the second socket was not served")
	})
}

// A closed socket ends Next; the other sockets can be used after Close of the Mux.
func TestMuxClosed(t *testing.T) {
	muxes(t, 2, func(t *testing.T, m *Mux, conns []Conn) {
		conns[1].Close()
		sender := open(t, Config{Addr: netAddr(conns[0])})
		tx := NewTx(1, 100)
		queue(t, tx, 7, 20, conns[0].LocalAddr())
		sender.WriteBatch(tx)
		for end := time.Now().Add(patience); ; {
			from, rx, err := m.Next(10 * time.Millisecond)
			if err != nil {
				if !errors.Is(err, ErrClosed) || from != 1 {
					t.Fatalf("socket %d: %v", from, err)
				}
				return
			}
			if rx != nil && m.Path() == MuxEpoll {
				return // the kernel removes a closed descriptor from epoll
			}
			if time.Now().After(end) {
				t.Fatal("neither a datagram nor an error")
			}
		}
	})
}

func TestMuxGivesBack(t *testing.T) {
	for _, portable := range []bool{false, true} {
		c := listen(t, Config{Addr: loop4, Portable: portable}).Conns()[0]
		for range 2 {
			m, err := NewMux([]Conn{c}, 4, 100)
			if err != nil {
				t.Fatal(err)
			}
			m.Next(time.Millisecond)
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		tx, rx := NewTx(1, 100), NewRx(1, 100)
		queue(t, tx, 9, 20, c.LocalAddr())
		c.WriteBatch(tx)
		c.SetReadDeadline(time.Now().Add(patience))
		if got := drain(t, c, rx, 1); got[9] == nil {
			t.Error("another datagram")
		}
	}
	if _, err := NewMux(nil, 4, 100); !errors.Is(err, ErrConfig) {
		t.Errorf("a Mux of nothing: %v", err)
	}
}
