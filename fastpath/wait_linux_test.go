package fastpath

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// waiting opens a Conn with a waiter.
func waiting(t *testing.T, cfg Config) *mmsgConn {
	t.Helper()
	c := native(t, cfg)
	if c.wait == nil {
		t.Skip("probed for an epoll descriptor in the netpoller: this kernel refuses it")
	}
	return c
}

// watched reports whether the epoll descriptor of w has a socket in it, as the kernel says.
func watched(t *testing.T, w *waiter) (in bool) {
	t.Helper()
	err := w.epollRaw.Control(func(fd uintptr) {
		f, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
		if err != nil {
			t.Skipf("probed for fdinfo of an epoll descriptor: %v", err)
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			in = in || strings.HasPrefix(s.Text(), "tfd:")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestWaiterLeavesEpoll: a busy socket is in no epoll descriptor, and one that has found nothing
// is. Where it is in one, each datagram costs more.
func TestWaiterLeavesEpoll(t *testing.T) {
	c, from := waiting(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
	rx, tx := NewRx(1, 100), NewTx(1, 100)
	if watched(t, c.wait) {
		t.Error("in the epoll descriptor before the first wait")
	}
	for round := range 3 {
		done := make(chan error, 1)
		go func() { done <- c.ReadBatch(rx) }()
		for end := time.Now().Add(patience); !watched(t, c.wait); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("round %d: not in the epoll descriptor, and nothing is there", round)
			}
		}
		send := func() {
			queue(t, tx, 0, 80, c.LocalAddr())
			if err := from.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
		}
		send()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for i := 1; i < quietReads; i++ {
			if !watched(t, c.wait) {
				t.Errorf("round %d: left the epoll descriptor after %d calls, want %d", round, i, quietReads)
			}
			send()
			if err := c.ReadBatch(rx); err != nil {
				t.Fatal(err)
			}
		}
		if watched(t, c.wait) {
			t.Errorf("round %d: in the epoll descriptor after %d calls that found something", round, quietReads)
		}
	}
}

// TestWaiterWakes: no datagram waits for the next one, however short the breaks between them.
func TestWaiterWakes(t *testing.T) {
	c, from := waiting(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
	rx, tx := NewRx(4, 100), NewTx(1, 100)
	got := make(chan int, 1)
	go func() {
		for c.ReadBatch(rx) == nil {
			got <- rx.Len()
		}
		close(got)
	}()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		queue(t, tx, 0, 80, c.LocalAddr())
		if err := from.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		select {
		case <-got:
		case <-time.After(patience):
			t.Fatalf("datagram %d woke nobody", i)
		}
		for range rnd.IntN(200) {
			_ = time.Now() // a break that is shorter than the scheduler can make
		}
	}
	c.Close()
	for range got {
	}
}

// TestWaiterDeadline: a deadline that has passed ends reading, whether or not the socket is in the
// epoll descriptor and datagrams wait.
func TestWaiterDeadline(t *testing.T) {
	c, from := waiting(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
	rx, tx := NewRx(1, 100), NewTx(1, 100)
	for i := range 2 * quietReads {
		queue(t, tx, 0, 80, c.LocalAddr())
		if err := from.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadBatch(rx); !errors.Is(err, os.ErrDeadlineExceeded) || rx.Len() > 0 {
			t.Errorf("call %d: %v with %d datagrams, want a deadline", i, err, rx.Len())
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadBatch(rx); err != nil || rx.Len() != 1 {
			t.Errorf("call %d: %v with %d datagrams", i, err, rx.Len())
		}
	}
}

// TestWaiterOwnedSockets: the descriptor is taken only from sockets that nobody else has.
func TestWaiterOwnedSockets(t *testing.T) {
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loop4))
	if err != nil {
		t.Fatal(err)
	}
	g, err := Use(Config{}, udp)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if c, ok := g.Conns()[0].(*mmsgConn); ok && c.wait != nil {
		t.Error("a socket of somebody else has a waiter")
	}
	if err := udp.SetReadBuffer(1 << 16); err != nil {
		t.Errorf("the owner cannot use it: %v", err)
	}
}

// BenchmarkWait receives single datagrams, with a wait for each.
func BenchmarkWait(b *testing.B) {
	g, h := listen(b, Config{Addr: loop4}), listen(b, Config{Addr: loop4})
	c, from := g.Conns()[0], h.Conns()[0]
	rx, tx, one := NewRx(4, 100), NewTx(1, 100), make([]byte, 80)
	got := make(chan struct{})
	go func() {
		for c.ReadBatch(rx) == nil {
			got <- struct{}{}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		tx.Commit(copy(tx.Buffer(), one), c.LocalAddr())
		_ = from.WriteBatch(tx)
		<-got
	}
}
