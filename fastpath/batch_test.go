package fastpath

import (
	"net/netip"
	"testing"
)

func TestRxPush(t *testing.T) {
	rx := NewRx(2, 100)
	if rx.Cap() != 2 || rx.Size() != 100 || rx.Len() != 0 {
		t.Fatalf("cap %d size %d len %d", rx.Cap(), rx.Size(), rx.Len())
	}
	from := netip.MustParseAddrPort("[::ffff:10.0.0.1]:30303")
	if rx.Push(make([]byte, 101), from) {
		t.Error("took a datagram larger than a slot")
	}
	if !rx.Push([]byte("one"), from) || !rx.Push([]byte("two"), from) {
		t.Fatal("no room")
	}
	if rx.Push([]byte("three"), from) {
		t.Error("took a datagram without a slot")
	}
	if string(rx.Packet(0)) != "one" || string(rx.Packet(1)) != "two" {
		t.Errorf("%q %q", rx.Packet(0), rx.Packet(1))
	}
	if want := netip.MustParseAddrPort("10.0.0.1:30303"); rx.Addr(0) != want {
		t.Errorf("from %v, want %v", rx.Addr(0), want)
	}
	rx.Reset()
	if rx.Len() != 0 || !rx.Push([]byte("again"), from) || string(rx.Packet(0)) != "again" {
		t.Error("Reset does not empty")
	}
}

// An append to one datagram must never write into the next.
func TestSlotsAreClipped(t *testing.T) {
	const size = 100
	rx := NewRx(2, size)
	rx.Push([]byte("one"), loop4)
	rx.Push([]byte("two"), loop4)
	p := append(rx.Packet(0), make([]byte, size)...)
	p[0] = 'x'
	if string(rx.Packet(0)) != "one" || string(rx.Packet(1)) != "two" || cap(rx.Packet(0)) != size {
		t.Errorf("%q %q after append", rx.Packet(0), rx.Packet(1))
	}
	tx := NewTx(2, size)
	if b := tx.Buffer(); len(b) != size || cap(b) != size {
		t.Errorf("Buffer: len %d cap %d", len(b), cap(b))
	}
	tx.Commit(3, loop4)
	if p := tx.Packet(0); len(p) != 3 || cap(p) != size {
		t.Errorf("Packet: len %d cap %d", len(p), cap(p))
	}
}

func TestTxQueue(t *testing.T) {
	tx := NewTx(2, 100)
	to := netip.MustParseAddrPort("[::ffff:10.0.0.1]:30303")
	copy(tx.Buffer(), "one")
	tx.Commit(3, to)
	copy(tx.Buffer(), "two")
	tx.Commit(3, netip.MustParseAddrPort("[fe80::1%eth0]:1"))
	if !tx.Full() || tx.Buffer() != nil || tx.Len() != 2 || tx.Cap() != 2 || tx.Size() != 100 {
		t.Errorf("full %v len %d", tx.Full(), tx.Len())
	}
	if string(tx.Packet(0)) != "one" || string(tx.Packet(1)) != "two" {
		t.Errorf("%q %q", tx.Packet(0), tx.Packet(1))
	}
	if tx.Addr(0) != netip.MustParseAddrPort("10.0.0.1:30303") || tx.Addr(1) != netip.MustParseAddrPort("[fe80::1]:1") {
		t.Errorf("to %v, %v", tx.Addr(0), tx.Addr(1))
	}
	mustPanic(t, "Commit when full", func() { tx.Commit(1, to) })
	tx.Reset()
	mustPanic(t, "Commit of too much", func() { tx.Commit(101, to) })
	mustPanic(t, "Commit of less than nothing", func() { tx.Commit(-1, to) })
	if tx.Len() != 0 || tx.Full() {
		t.Error("Reset does not empty")
	}
}

func TestBatchLimits(t *testing.T) {
	for _, c := range [][2]int{{0, 1}, {MaxBatch + 1, 1}, {1, 0}, {1, MaxDatagram + 1}} {
		mustPanic(t, "NewRx", func() { NewRx(c[0], c[1]) })
		mustPanic(t, "NewTx", func() { NewTx(c[0], c[1]) })
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	f()
}
