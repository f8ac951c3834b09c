package fastpath

import (
	"bytes"
	"syscall"
	"testing"
)

// An Rx that has received GRO batches has 32 slots at most, and works for any other Conn as before.
func TestWideRx(t *testing.T) {
	from, to := withGSO(t, Config{Addr: loop4}), withGRO(t, Config{Addr: loop4})
	plain := open(t, Config{Addr: loop4, Portable: true})
	for _, c := range []struct{ batch, want int }{{1, 1}, {31, 31}, {32, 32}, {33, 32}, {64, 32}, {MaxBatch, 32}} {
		tx, rx := NewTx(4, 201), NewRx(c.batch, 200)
		queueAll(t, tx, 0, to.LocalAddr(), 200, 200, 200)
		from.WriteBatch(tx)
		arrived(t, to, rx, 3)
		if rx.Cap() != c.want || rx.Size() != 200 || len(rx.slab) > c.want*groStride {
			t.Errorf("batch of %d: Cap %d, Size %d, %d bytes", c.batch, rx.Cap(), rx.Size(), len(rx.slab))
		}
		rx.Reset()
		for i := range rx.Cap() {
			if !rx.Push(bytes.Repeat([]byte{byte(i)}, 100+i), from.LocalAddr()) {
				t.Fatalf("batch of %d: no room for %d", c.batch, i)
			}
		}
		if rx.Push(nil, from.LocalAddr()) || rx.Len() != c.want {
			t.Errorf("batch of %d: %d datagrams", c.batch, rx.Len())
		}
		for i := range rx.Len() {
			if b := rx.Packet(i); cap(b) != 200 || !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, 100+i)) {
				t.Errorf("batch of %d: datagram %d is %x, capacity %d", c.batch, i, b, cap(b))
			}
		}
		queueAll(t, tx, 0, plain.LocalAddr(), 201, 77)
		from.WriteBatch(tx)
		if got := sizesOf(arrived(t, plain, rx, 1)); got[0] != 77 {
			t.Errorf("batch of %d: portable %v", c.batch, got)
		}
	}
}

// Slots for GRO batches get memory when they need it: eight of them for a socket at which little
// arrives, all under load. Datagrams that arrive meanwhile are not damaged.
func TestWideRxGrows(t *testing.T) {
	from, to := native(t, Config{Addr: loop4, DisableGSO: true}), withGRO(t, Config{Addr: loop4})
	tx, rx := NewTx(64, 200), NewRx(64, 200)
	n := byte(0)
	send := func(count int) {
		for range count {
			n++
			tx.Commit(copy(tx.Buffer(), bytes.Repeat([]byte{n}, 100)), to.LocalAddr())
		}
		from.WriteBatch(tx)
	}
	for range 30 {
		send(1)
		if err := to.ReadBatch(rx); err != nil || rx.Len() != 1 {
			t.Fatalf("%d datagrams, %v", rx.Len(), err)
		}
	}
	if rx.open != groFirstSlots || len(rx.slab) != groFirstSlots*groStride {
		t.Errorf("%d slots have memory, %d bytes", rx.open, len(rx.slab))
	}
	for round := 0; rx.open < groSlots; round++ {
		if round == 20*fullCalls {
			t.Fatalf("%d slots have memory under load", rx.open)
		}
		at := n
		send(64)
		for got := 0; got < 64; got += rx.Len() {
			if err := to.ReadBatch(rx); err != nil {
				t.Fatal(err)
			}
			for i := range rx.Len() {
				if at++; !bytes.Equal(rx.Packet(i), bytes.Repeat([]byte{at}, 100)) {
					t.Fatalf("datagram %d is %x", at, rx.Packet(i))
				}
			}
		}
	}
	if rx.Cap() != groSlots || len(rx.slab) != groSlots*groStride {
		t.Errorf("Cap %d, %d bytes", rx.Cap(), len(rx.slab))
	}
}

// A batch without a source is counted like its datagrams would be without GRO: by size first, and
// each segment, also the shorter last.
func TestGROBadSource(t *testing.T) {
	for _, c := range []struct {
		sizes            []int
		bad, short, long uint64
	}{
		{[]int{100}, 1, 0, 0},
		{[]int{62}, 0, 1, 0},
		{[]int{0}, 0, 1, 0},
		{[]int{900}, 0, 0, 1},
		{[]int{100, 100}, 2, 0, 0},
		{[]int{100, 100, 1}, 3, 0, 0},
		{[]int{100, 99}, 2, 0, 0},
	} {
		from, to := withGSO(t, Config{Addr: loop4}), withGRO(t, Config{Addr: loop4, MinSize: 63, MaxSize: 800, DisableFilter: true})
		done := false
		to.recv = func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
			n, e := recvmmsg(fd, h, n)
			if e == 0 && !done {
				done = true
				h.hdr.Namelen = 0
			}
			return n, e
		}
		tx, rx := NewTx(4, 1000), NewRx(4, 1000)
		for _, sizes := range [][]int{c.sizes, {64}} {
			for _, n := range sizes {
				tx.Buffer()
				tx.Commit(n, to.LocalAddr())
			}
			from.WriteBatch(tx)
		}
		arrived(t, to, rx, 1)
		if st := to.Stats(); st.BadSource != c.bad || st.Short != c.short || st.Long != c.long || st.Truncated != 0 || st.RxDatagrams != 1 {
			t.Errorf("%v: counted %+v", c.sizes, st)
		}
	}
}
