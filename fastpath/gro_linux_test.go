package fastpath

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withGRO opens a socket that receives GRO batches.
func withGRO(t testing.TB, cfg Config) *mmsgConn {
	t.Helper()
	g := listen(t, cfg)
	c, ok := g.Conns()[0].(*mmsgConn)
	if !ok || !g.Info().GRO {
		t.Skipf("probed for UDP_GRO: %v", g.Info())
	}
	c.SetReadDeadline(time.Now().Add(patience))
	return c
}

// A GRO batch arrives as the datagrams that it was made of, in their order.
func TestGRO(t *testing.T) {
	for _, addr := range []netip.AddrPort{loop4, loop6} {
		t.Run(addr.Addr().String(), func(t *testing.T) {
			from := withGSO(t, Config{Addr: addr})
			to := withGRO(t, Config{Addr: addr, MinSize: 63, MaxSize: 1280, RecvBuffer: 1 << 20})
			tx, rx := NewTx(256, 1500), NewRx(8, 1300)
			var in ConnStats
			for _, c := range []struct {
				name  string
				sizes []int
				want  []int
				gro   uint64
				short uint64
				long  uint64
				cut   uint64 // larger than a slot
			}{
				{name: "one", sizes: []int{100}, want: []int{100}},
				{name: "two", sizes: []int{100, 100}, want: []int{100, 100}, gro: 1},
				{name: "shorter last", sizes: []int{100, 100, 99}, want: []int{100, 100, 99}, gro: 1},
				{name: "last too short", sizes: []int{100, 100, 62}, want: []int{100, 100}, gro: 1, short: 1},
				{name: "largest", sizes: []int{1280, 1280, 63}, want: []int{1280, 1280, 63}, gro: 1},
				{name: "all too short", sizes: []int{62, 62, 1}, gro: 1, short: 3},
				{name: "all but the last too long", sizes: []int{1281, 1281, 80}, want: []int{80}, gro: 1, long: 2},
				{name: "all but the last above a slot", sizes: []int{1400, 1400, 90}, want: []int{90}, gro: 1, cut: 2},
				{name: "alone above a slot", sizes: []int{1400}, cut: 1},
				{name: "some of each", sizes: []int{70, 300, 300, 90, 1000, 70, 70}, want: []int{70, 300, 300, 90, 1000, 70, 70}, gro: 2},
				{name: "many", sizes: slices.Repeat([]int{88}, 200), want: slices.Repeat([]int{88}, 200), gro: 4},
				{name: "much", sizes: slices.Repeat([]int{1280}, 100), want: slices.Repeat([]int{1280}, 100), gro: 2},
			} {
				var want [][]byte
				for i, n := range c.sizes {
					b := tx.Buffer()[:n]
					for k := range b {
						b[k] = byte(i + 3*k)
					}
					if n >= 63 && n <= 1280 {
						want = append(want, bytes.Clone(b))
					}
					tx.Commit(n, to.LocalAddr())
				}
				from.WriteBatch(tx)
				queue(t, tx, 0, 64, to.LocalAddr()) // a separate datagram, and the last
				from.WriteBatch(tx)
				got := arrived(t, to, rx, len(want)+1)[:len(want)]
				if !slices.Equal(sizesOf(got), c.want) && len(c.want) > 0 || !slices.EqualFunc(got, want, bytes.Equal) {
					t.Errorf("%s: arrived %v", c.name, sizesOf(got))
				}
				in.RxGRO, in.Short, in.Long, in.Truncated = in.RxGRO+c.gro, in.Short+c.short, in.Long+c.long, in.Truncated+c.cut
				in.RxDatagrams += uint64(len(want)) + 1
				st := to.Stats()
				if st.RxGRO != in.RxGRO || st.Short != in.Short || st.Long != in.Long || st.Truncated != in.Truncated || st.RxDatagrams != in.RxDatagrams {
					t.Errorf("%s: counted %+v\nwant %+v", c.name, st, in)
				}
			}
		})
	}
}

// An append to a datagram of a GRO batch must not write into the next.
func TestMergedAreClipped(t *testing.T) {
	from, to := withGSO(t, Config{Addr: loop4}), withGRO(t, Config{Addr: loop4})
	tx, rx := NewTx(8, 200), NewRx(8, 200)
	queueAll(t, tx, 0, to.LocalAddr(), 100, 100, 100)
	from.WriteBatch(tx)
	if err := to.ReadBatch(rx); err != nil || rx.Len() != 3 {
		t.Fatalf("%d datagrams, %v", rx.Len(), err)
	}
	second := bytes.Clone(rx.Packet(1))
	_ = append(rx.Packet(0), 1, 2, 3)
	if !bytes.Equal(rx.Packet(1), second) {
		t.Error("the second has been written to")
	}
	if rx.Len() > rx.Cap() || rx.Size() != 200 {
		t.Errorf("Cap %d, Size %d", rx.Cap(), rx.Size())
	}
}

// One Rx serves sockets with and without GRO in turn.
func TestGROAndNot(t *testing.T) {
	from := withGSO(t, Config{Addr: loop4})
	to := []*mmsgConn{
		native(t, Config{Addr: loop4, DisableGSO: true}), withGRO(t, Config{Addr: loop4}), native(t, Config{Addr: loop4, DisableGSO: true}),
	}
	useControl(t, to[2].sock)
	tx, rx := NewTx(80, 1300), NewRx(4, 1280)
	for round := range 9 {
		c := to[round%3]
		c.SetReadDeadline(time.Now().Add(patience))
		sizes := slices.Repeat([]int{1280 - round}, 30+round)
		queueAll(t, tx, 0, c.LocalAddr(), append(sizes, 1290, 64)...)
		from.WriteBatch(tx)
		if got := arrived(t, c, rx, len(sizes)+1); !slices.Equal(sizesOf(got), append(sizes, 64)) {
			t.Fatalf("round %d: arrived %v", round, sizesOf(got))
		}
	}
	for i, c := range to {
		if st := c.Stats(); st.Truncated != 3 || st.RxGRO != uint64(i%2*6) {
			t.Errorf("socket %d counted %+v", i, st)
		}
	}
}

// Control messages of the kernel that make no sense are not believed, and a GRO batch without a
// source is dropped with all its datagrams.
func TestS21GROFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(h *mmsghdr)
		want   int
		bad    uint64
	}{
		{"as it is", func(*mmsghdr) {}, 3, 0},
		{"segments of nothing", func(h *mmsghdr) { setSegment(h, 0) }, 1, 0},
		{"segments of less than nothing", func(h *mmsghdr) { setSegment(h, 1<<32-1) }, 1, 0},
		{"segments larger than the batch", func(h *mmsghdr) { setSegment(h, 301) }, 1, 0},
		{"a segment as large as the batch", func(h *mmsghdr) { setSegment(h, 300) }, 1, 0},
		{"two", func(h *mmsghdr) { setSegment(h, 299) }, 2, 0},
		{"no control message", func(h *mmsghdr) { h.hdr.SetControllen(0) }, 1, 0},
		{"half a control message", func(h *mmsghdr) { h.hdr.SetControllen(unix.SizeofCmsghdr + 3) }, 1, 0},
		{"more of them than there is room for", func(h *mmsghdr) { h.hdr.SetControllen(1 << 20) }, 3, 0},
		{"no source", func(h *mmsghdr) { h.hdr.Namelen = 0 }, 0, 3},
		{"a source that is no address", func(h *mmsghdr) {
			(*unix.RawSockaddrInet6)(unsafe.Pointer(h.hdr.Name)).Family = unix.AF_UNIX
		}, 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := withGSO(t, Config{Addr: loop4}), withGRO(t, Config{Addr: loop4})
			done := false
			to.recv = func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
				n, e := recvmmsg(fd, h, n)
				if e == 0 && !done {
					done = true
					c.change(h)
				}
				return n, e
			}
			tx, rx := NewTx(8, 1000), NewRx(8, 1000)
			for _, sizes := range [][]int{{100, 100, 100}, {50}} { // what comes after it is as ever
				queueAll(t, tx, 0, to.LocalAddr(), sizes...)
				from.WriteBatch(tx)
			}
			got := arrived(t, to, rx, c.want+1)
			total := 0
			for _, n := range sizesOf(got) {
				total += n
			}
			if len(got[c.want]) != 50 || c.bad == 0 && total != 350 {
				t.Errorf("arrived %v", sizesOf(got))
			}
			if st := to.Stats(); st.BadSource != c.bad || st.RxDatagrams != uint64(c.want)+1 {
				t.Errorf("counted %+v", st)
			}
		})
	}
}

// setSegment changes the size in the only control message of h.
func setSegment(h *mmsghdr, size uint32) {
	*(*uint32)(unsafe.Add(unsafe.Pointer(h.hdr.Control), unix.CmsgLen(0))) = size
}

// Where GRO is off, Info says why, and datagrams arrive separately.
func TestGROReason(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		cfg          Config
	}{
		{"no GSO", "disabled", Config{Addr: loop4, DisableGSO: true}},
		{"no GRO", "disabled", Config{Addr: loop4, DisableGRO: true}},
		{"portable", "one datagram per system call", Config{Addr: loop4, Portable: true}},
	} {
		name, g := c.name, listen(t, c.cfg)
		if i := g.Info(); i.GRO || i.GROReason != c.reason {
			t.Errorf("%v", i)
		}
		from, to := withGSO(t, Config{Addr: loop4}), g.Conns()[0]
		to.SetReadDeadline(time.Now().Add(patience))
		tx, rx := NewTx(8, 100), NewRx(8, 100)
		queueAll(t, tx, 0, to.LocalAddr(), 100, 100, 100)
		from.WriteBatch(tx)
		drain(t, to, rx, 3)
		if st := to.Stats(); st.RxGRO != 0 {
			t.Errorf("%s: counted %+v", name, st)
		}
	}
	c := withGRO(t, Config{Addr: loop4})
	c.Close()
	if r := groReason(c.sock, &Config{}, PathBatch); r == "" {
		t.Error("a socket that is closed gives no reason")
	}
}

// A kernel without UDP_GRO, here a socket that knows nothing of UDP, leaves the filter as it was.
func TestGRORefused(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	cfg := &Config{MinSize: 63, MaxSize: 1280}
	if r := enableGRO(uintptr(fd), true, cfg); !strings.HasPrefix(r, "UDP_GRO: ") {
		t.Errorf("the reason is %q", r)
	}
	prog := make([]unix.SockFilter, 16)
	n := uint32(len(prog))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_GET_FILTER,
		uintptr(unsafe.Pointer(&prog[0])), uintptr(unsafe.Pointer(&n)), 0); e != 0 {
		t.Fatalf("SO_GET_FILTER: %v", e)
	}
	if !slices.ContainsFunc(prog[:n], func(f unix.SockFilter) bool { return f.K == 1280+udpHeader }) {
		t.Errorf("the filter is %v", prog[:n])
	}
}

// A Mux splits GRO batches too.
func TestGROMux(t *testing.T) {
	from := withGSO(t, Config{Addr: loop4})
	to := []Conn{withGRO(t, Config{Addr: loop4}), withGRO(t, Config{Addr: loop6}), native(t, Config{Addr: loop4, DisableGSO: true})}
	from6 := withGSO(t, Config{Addr: loop6})
	for _, c := range to {
		c.SetReadDeadline(time.Time{})
	}
	m, err := NewMux(to, 4, 200)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tx := NewTx(64, 200)
	for round := range 20 {
		want := slices.Repeat([]int{100 + round}, 1+round%4*6) // single ones, and batches
		at := round * round % 3
		queueAll(t, tx, 0, to[at].LocalAddr(), want...)
		if at == 1 {
			from6.WriteBatch(tx)
		} else {
			from.WriteBatch(tx)
		}
		var got []int
		for deadline := time.Now().Add(patience); len(got) < len(want) && time.Now().Before(deadline); {
			i, rx, err := m.Next(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if rx == nil {
				continue
			}
			if i != at {
				t.Fatalf("datagrams at socket %d", i)
			}
			for k := range rx.Len() {
				got = append(got, len(rx.Packet(k)))
				if f := rx.Addr(k); f != from.LocalAddr() && f != from6.LocalAddr() {
					t.Fatalf("a datagram from %v", f)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("round %d: got %v", round, got)
		}
	}
}

// GRO batches cost no allocation.
func TestGROAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("probed for the race detector: it allocates")
	}
	from, to := withGSO(t, Config{Addr: loop4}), withGRO(t, Config{Addr: loop4})
	tx, rx := NewTx(60, 200), NewRx(8, 200)
	dest := to.LocalAddr()
	if n := testing.AllocsPerRun(300, func() {
		for i := range 60 {
			tx.Commit(100+i%20/19, dest) // batches and single ones
		}
		from.WriteBatch(tx)
		for n := 0; n < 60; n += rx.Len() {
			if err := to.ReadBatch(rx); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if st := to.Stats(); st.RxGRO == 0 || st.RxDatagrams == st.RxGRO {
		t.Errorf("counted %+v", st)
	}
}
