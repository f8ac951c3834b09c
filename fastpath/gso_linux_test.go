package fastpath

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withGSO returns a fast Conn that sends GSO batches.
func withGSO(t testing.TB, cfg Config) *mmsgConn {
	t.Helper()
	g := listen(t, cfg)
	c, ok := g.Conns()[0].(*mmsgConn)
	if !ok || !g.Info().GSO {
		t.Skipf("probed for UDP_SEGMENT: %v", g.Info())
	}
	c.SetReadDeadline(time.Now().Add(patience))
	return c
}

// queueAll queues datagrams of the given sizes. They are numbered from seq.
func queueAll(t testing.TB, tx *Tx, seq int, to netip.AddrPort, sizes ...int) {
	t.Helper()
	for i, n := range sizes {
		queue(t, tx, seq+i, n, to)
	}
}

// entries makes c note how many datagrams each entry has, and the segment size of each GSO batch.
func entries(c *mmsgConn, real mmsgCall) (lens, segments *[]int) {
	lens, segments = new([]int), new([]int)
	c.send = func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
		for _, e := range unsafe.Slice(h, n) {
			*lens = append(*lens, int(e.hdr.Iovlen))
			if e.hdr.Control != nil {
				b := unsafe.Slice(e.hdr.Control, e.hdr.Controllen)
				head := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
				if head.Level != unix.IPPROTO_UDP || head.Type != unix.UDP_SEGMENT || int(head.Len) != unix.CmsgLen(2) {
					panic("not the control message of a GSO batch")
				}
				*segments = append(*segments, int(*(*uint16)(unsafe.Pointer(&b[unix.CmsgLen(0)]))))
			}
		}
		return real(fd, h, n)
	}
	return lens, segments
}

// Neighbors leave together as far as the rules of the kernel allow, and arrive unchanged.
func TestGSO(t *testing.T) {
	for _, c := range []struct {
		name     string
		sizes    []int
		lens     []int
		segments []int
	}{
		{"equal", []int{1200, 1200, 1200, 1200}, []int{4}, []int{1200}},
		{"shorter last", []int{1200, 1200, 300}, []int{3}, []int{1200}},
		{"by one byte", []int{1200, 1199}, []int{2}, []int{1200}},
		{"larger last", []int{1200, 1200, 1201}, []int{2, 1}, []int{1200}},
		{"shorter in the middle", []int{1200, 900, 1200, 1200}, []int{2, 2}, []int{1200, 1200}},
		{"falling", []int{1200, 1100, 1000, 900}, []int{2, 2}, []int{1200, 1000}},
		{"rising", []int{900, 1000, 1100}, []int{1, 1, 1}, nil},
		{"alone", []int{100}, []int{1}, nil},
		{"two runs", []int{1200, 1200, 90, 1200, 800}, []int{3, 2}, []int{1200, 1200}},
		{"empty last", []int{100, 100, 0}, []int{2, 1}, []int{100}},
		{"empty first", []int{0, 0, 0}, []int{1, 1, 1}, nil},
		{"empty second", []int{100, 0, 100}, []int{1, 1, 1}, nil},
		{"largest", []int{maxSegment, maxSegment, 10}, []int{3}, []int{maxSegment}},
		{"too large", []int{maxSegment + 1, maxSegment + 1, 10, 10}, []int{1, 1, 2}, []int{10}},
		{"too many", slices.Repeat([]int{10}, MaxSegments+2), []int{MaxSegments, 2}, []int{10, 10}},
		{"too many bytes", slices.Repeat([]int{1400}, 50), []int{46, 4}, []int{1400, 1400}},
	} {
		for _, addr := range []netip.AddrPort{loop4, loop6} {
			t.Run(fmt.Sprintf("%s/%v", c.name, addr.Addr()), func(t *testing.T) {
				from, to := withGSO(t, Config{Addr: addr}), open(t, Config{Addr: addr, RecvBuffer: 1 << 20})
				lens, segments := entries(from, sendmmsg)
				tx, rx := NewTx(128, 1500), NewRx(128, 1500)
				for round := range 2 { // the second must not feel the first
					*lens, *segments = nil, nil
					queueAll(t, tx, 0, to.LocalAddr(), c.sizes...)
					if err := from.WriteBatch(tx); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(*lens, c.lens) || !slices.Equal(*segments, c.segments) {
						t.Errorf("round %d: entries of %v datagrams in segments of %v, want %v and %v", round, *lens, *segments, c.lens, c.segments)
					}
					if got := arrived(t, to, rx, len(c.sizes)); !slices.Equal(sizesOf(got), c.sizes) {
						t.Errorf("round %d: arrived %v", round, sizesOf(got))
					}
					// a single one, in the entry of a batch
					queue(t, tx, 0, 20, to.LocalAddr())
					from.WriteBatch(tx)
					drain(t, to, rx, 1)
				}
				idle(t, to, rx)
				st, in := from.Stats(), to.Stats()
				if st.TxGSO != uint64(2*len(c.segments)) || st.GSORejected != 0 || st.SendErrors.Sum() != 0 {
					t.Errorf("counted %+v", st)
				}
				if st.TxDatagrams != in.RxDatagrams || st.TxBytes != in.RxBytes || st.TxBatches != 4 {
					t.Errorf("sent %+v\nreceived %+v", st, in)
				}
			})
		}
	}
}

// arrived reads n datagrams and returns copies in the order of arrival.
func arrived(t testing.TB, c Conn, rx *Rx, n int) (got [][]byte) {
	t.Helper()
	for len(got) < n {
		if err := c.ReadBatch(rx); err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(got), n, err)
		}
		for i := range rx.Len() {
			got = append(got, bytes.Clone(rx.Packet(i)))
		}
	}
	return got
}

func sizesOf(list [][]byte) (sizes []int) {
	for _, b := range list {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// Only neighbors of one destination leave together.
func TestGSODestinations(t *testing.T) {
	from := withGSO(t, Config{Addr: loop4})
	a, b := open(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
	lens, _ := entries(from, sendmmsg)
	tx, rx := NewTx(16, 200), NewRx(16, 200)
	bad := loop6
	for round := range uint64(2) {
		*lens = nil
		for i, to := range []netip.AddrPort{a.LocalAddr(), a.LocalAddr(), b.LocalAddr(), a.LocalAddr(), bad, a.LocalAddr(), a.LocalAddr(), b.LocalAddr(), b.LocalAddr()} {
			queue(t, tx, i, 100, to)
		}
		from.WriteBatch(tx)
		if want := []int{2, 1, 1, 2, 2}; !slices.Equal(*lens, want) {
			t.Errorf("entries of %v datagrams, want %v", *lens, want)
		}
		drain(t, a, rx, 5)
		drain(t, b, rx, 3)
		if st := from.Stats(); st.SendErrors != (SendErrors{Family: 1 + round}) || st.TxDatagrams != 8*(1+round) || st.TxGSO != 3*(1+round) {
			t.Errorf("counted %+v", st)
		}
	}
}

func TestGSOClosed(t *testing.T) {
	c := withGSO(t, Config{Addr: loop4})
	tx := NewTx(8, 200)
	queueAll(t, tx, 0, c.LocalAddr(), 100, 100, 100)
	c.Close()
	if err := c.WriteBatch(tx); err != ErrClosed {
		t.Errorf("WriteBatch = %v", err)
	}
	if st := c.Stats(); st.SendErrors != (SendErrors{Closed: 3}) {
		t.Errorf("counted %+v", st)
	}
}

// DisableGSO and Portable send separate datagrams. Info says which of the two it was.
func TestGSODisabled(t *testing.T) {
	for name, cfg := range map[string]Config{
		"disabled":                     {Addr: loop4, DisableGSO: true},
		"one datagram per system call": {Addr: loop4, Portable: true},
	} {
		g := listen(t, cfg)
		if i := g.Info(); i.GSO || i.GSOReason != name {
			t.Errorf("%v", i)
		}
		c := g.Conns()[0]
		c.SetReadDeadline(time.Now().Add(patience))
		tx, rx := NewTx(16, 200), NewRx(16, 200)
		queueAll(t, tx, 0, g.Addr(), 100, 100, 100)
		c.WriteBatch(tx)
		drain(t, c, rx, 3)
		if st := c.Stats(); st.TxGSO != 0 || st.TxDatagrams != 3 {
			t.Errorf("%s: counted %+v", name, st)
		}
	}
}

func TestDamagesGSO(t *testing.T) {
	for release, want := range map[string]bool{
		"4.18.0": false, "6.18.44-fc": false, "6.19.99": false, "7.0.0": true, "7.0.0-rc1": true, "7.0.31-generic": true, "7.1.0": true, "7.1.4+deb14-amd64": true, "7.1": true,
		"7.1.5": false, "7.1.14": false, "7.2.0-rc1": false, "8.0.0": false, "17.0.1": false, "": false, "unknown": false,
	} {
		if got := damagesGSO(release); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
}

// An option that the socket does not know is the reason.
func TestGSOProbe(t *testing.T) {
	c := withGSO(t, Config{Addr: loop4})
	c.Close() // a socket that knows nothing any more
	if r := gsoReason(c.sock, &Config{}, PathBatch); r == "" {
		t.Error("no reason")
	}
}

// GSO batches cost no allocation, rejected ones neither.
func TestGSOAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it allocates")
	}
	from, to := withGSO(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
	tx, rx := NewTx(8, 200), NewRx(8, 200)
	calls := 0
	from.send = func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
		if calls++; calls%3 == 0 && h.hdr.Iovlen > 1 {
			return -1, unix.EMSGSIZE
		}
		return sendmmsg(fd, h, n)
	}
	dest := to.LocalAddr()
	if n := testing.AllocsPerRun(300, func() {
		for i := range 8 {
			tx.Commit(100-i/4*20, dest) // two batches
		}
		from.WriteBatch(tx)
		for n := 0; n < 8; n += rx.Len() {
			if err := to.ReadBatch(rx); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if st := from.Stats(); st.TxGSO == 0 || st.GSORejected == 0 {
		t.Errorf("counted %+v", st)
	}
}
