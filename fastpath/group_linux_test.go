package fastpath

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// queued reports whether datagrams wait at a socket. Loopback delivers while it sends.
func queued(t *testing.T, s *socket) bool {
	t.Helper()
	n := 0
	err := s.raw.Control(func(fd uintptr) {
		var err error
		if n, err = unix.IoctlGetInt(int(fd), unix.SIOCINQ); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	return n > 0
}

// Datagrams of many peers reach every socket of a group, and those of one peer
// the same one.
func TestReusePortSpreads(t *testing.T) {
	const sockets, peers, each = 4, 64, 3
	matrix(t, func(t *testing.T, cfg Config) {
		srv := cfg
		srv.Sockets = sockets
		g := listen(t, srv)
		if info := g.Info(); !info.ReusePort || len(g.Conns()) != sockets {
			t.Fatalf("%v", info)
		}
		tx, rx := NewTx(each, testMax), NewRx(64, testMax)
		for seq := range peers {
			pg := listen(t, cfg)
			for range each {
				queue(t, tx, seq, 100, g.Addr())
			}
			if err := pg.Conns()[0].WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
		}
		seen, total := map[int]int{}, 0
		for k, c := range g.Conns() {
			c.SetReadDeadline(time.Now().Add(patience))
			n := 0
			for queued(t, g.socks[k]) {
				if err := c.ReadBatch(rx); err != nil {
					t.Fatal(err)
				}
				for i := range rx.Len() {
					seq := seqOf(rx.Packet(i))
					if at, ok := seen[seq]; ok && at != k {
						t.Errorf("peer %d at socket %d and %d", seq, at, k)
					}
					seen[seq] = k
				}
				n += rx.Len()
			}
			t.Logf("socket %d: %d datagrams", k, n)
			if n == 0 {
				t.Errorf("socket %d got nothing", k)
			}
			total += n
		}
		if total != peers*each {
			t.Errorf("%d datagrams, want %d", total, peers*each)
		}
	})
}

// A small receive buffer overflows, and the kernel's counter says by how much.
// The counter is read both ways.
func TestKernelDrops(t *testing.T) {
	for _, source := range []string{dropsByMeminfo, dropsByControl, dropsByControl + ", no GRO"} {
		t.Run(source, func(t *testing.T) {
			source, single := strings.CutSuffix(source, ", no GRO")
			const sent = 200
			// a GRO batch that is dropped counts once
			a := open(t, Config{Addr: loop4, DisableGSO: true})
			g := listen(t, Config{Addr: loop4, DisableGSO: single, RecvBuffer: 4096, MinSize: testMin, MaxSize: testMax})
			b := g.Conns()[0]
			s := g.socks[0]
			if source == dropsByControl {
				useControl(t, s)
			} else if s.opts.dropSource != source {
				t.Skipf("probed for %s: drops come by %s", source, s.opts.dropSource)
			}
			tx, rx := NewTx(sent, testMax), NewRx(64, testMax)
			for i := range sent {
				queue(t, tx, i, 1000, b.LocalAddr())
			}
			a.WriteBatch(tx)
			// One more after making room: it carries the count along.
			b.SetReadDeadline(time.Now().Add(patience))
			got := 0
			for queued(t, s) {
				if err := b.ReadBatch(rx); err != nil {
					t.Fatal(err)
				}
				got += rx.Len()
			}
			queue(t, tx, 0, 1000, b.LocalAddr())
			a.WriteBatch(tx)
			drain(t, b, rx, 1)
			if d := g.Stats().KernelDrops; d == 0 || d != uint64(sent-got) {
				t.Errorf("drops = %d, want %d", d, sent-got)
			}
			before := g.Stats().KernelDrops
			g.Close()
			if g.Stats().KernelDrops != before {
				t.Errorf("drops after Close = %d, want %d", g.Stats().KernelDrops, before)
			}
		})
	}
}

// Buffer sizes are read back after they were set, and a refused size is not an
// error.
func TestBufferSizes(t *testing.T) {
	const ask = 32 << 10
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint("plain=", plain), func(t *testing.T) {
			i := listen(t, Config{Addr: loop4, RecvBuffer: ask, SendBuffer: ask, Portable: plain}).Info()
			if i.RecvBufferGot != ask || i.SendBufferGot != ask {
				t.Errorf("got %d and %d, want %d", i.RecvBufferGot, i.SendBufferGot, ask)
			}
			i = listen(t, Config{Addr: loop4, RecvBuffer: math.MaxInt32, Portable: plain}).Info()
			t.Logf("asked for 2 GiB: %d", i.RecvBufferGot)
		})
	}
}
