package fastpath

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel reads these structures: their layout is part of its interface.
func TestLayout(t *testing.T) {
	ptr := unsafe.Sizeof(uintptr(0))
	var h mmsghdr
	want := map[uintptr][3]uintptr{8: {64, 56, 24}, 4: {32, 28, 16}}[ptr]
	if s, o := unsafe.Sizeof(h), unsafe.Offsetof(h.len); s != want[0] || o != want[1] {
		t.Errorf("mmsghdr: size %d, len at %d, want %d and %d", s, o, want[0], want[1])
	}
	if cmsgSpace != want[2] || cmsgSpace != unix.CmsgSpace(4) {
		t.Errorf("cmsgSpace = %d, want %d", cmsgSpace, want[2])
	}
	if cmsgAlign != ptr {
		t.Errorf("cmsgAlign = %d", cmsgAlign)
	}
}

// native returns a fast Conn for fault injection.
func native(t *testing.T, cfg Config) *mmsgConn {
	t.Helper()
	c, ok := open(t, cfg).(*mmsgConn)
	if !ok {
		t.Skip("probed for recvmmsg: this kernel refuses it")
	}
	return c
}

// useControl makes s count drops by control message, as on old kernels.
func useControl(t *testing.T, s *socket) {
	t.Helper()
	var err error
	s.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
	if err != nil {
		t.Skipf("probed for SO_RXQ_OVFL: %v", err)
	}
	s.opts.dropSource = dropsByControl
}

// step is one answer of a faulty system call: n datagrams, or an error.
type step struct {
	n   int
	err syscall.Errno
}

// faulty answers by the steps, then by the real call. A step that succeeds
// makes the real call for n entries.
func faulty(real mmsgCall, steps ...step) (mmsgCall, *int) {
	calls := 0
	return func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
		calls++
		if calls > len(steps) {
			return real(fd, h, n)
		}
		if s := steps[calls-1]; s.err != 0 {
			return -1, s.err
		} else {
			return real(fd, h, min(s.n, n))
		}
	}, &calls
}

// waitFor is how long a test waits for room in a send buffer: until there is some, unless the
// datagrams are to be counted as blocked.
func waitFor(want SendErrors) time.Duration {
	if want.Blocked > 0 {
		return time.Millisecond
	}
	return patience
}

func TestS21SendFaults(t *testing.T) {
	rep := func(n int, s step) (out []step) {
		for range n {
			out = append(out, s)
		}
		return out
	}
	for _, c := range []struct {
		name    string
		steps   []step
		missing []int // datagrams that do not arrive, of 8
		want    SendErrors
		err     error
		late    bool // the time to wait is over immediately
	}{
		{name: "no fault"},
		{name: "short counts", steps: []step{{n: 3}, {n: 1}, {n: 2}}},
		{name: "second fails", steps: []step{{n: 1}, {err: unix.EPERM}},
			missing: []int{1}, want: SendErrors{Denied: 1}},
		{name: "last fails", steps: []step{{n: 7}, {err: unix.EHOSTUNREACH}},
			missing: []int{7}, want: SendErrors{Unreachable: 1}},
		{name: "each cause", steps: []step{{err: unix.EPERM}, {err: unix.EACCES}, {err: unix.ENETUNREACH}, {err: unix.EMSGSIZE}, {err: unix.EMSGSIZE}, {err: unix.EINVAL}, {err: unix.EAFNOSUPPORT}, {err: unix.EADDRNOTAVAIL}},
			missing: []int{0, 1, 2, 3, 4, 5, 6}, want: SendErrors{Denied: 2, Unreachable: 2, TooLong: 1, Other: 1, Family: 1}},
		{name: "larger than the path MTU", steps: []step{{n: 3}, {err: unix.EMSGSIZE}}},
		{name: "refused once is about an earlier datagram", steps: []step{{n: 2}, {err: unix.ECONNREFUSED}}},
		{name: "refused twice", steps: []step{{n: 2}, {err: unix.ECONNREFUSED}, {err: unix.ECONNREFUSED}},
			missing: []int{2}, want: SendErrors{Refused: 1}},
		{name: "refused for two datagrams", steps: []step{{n: 2}, {err: unix.ECONNREFUSED}, {n: 1}, {err: unix.ECONNREFUSED}}},
		{name: "no buffers, then some", steps: rep(sendRetries, step{err: unix.ENOBUFS})},
		{name: "no buffers for long", steps: rep(sendRetries+1, step{err: unix.ENOBUFS}),
			missing: []int{0}, want: SendErrors{NoBuffers: 1}},
		{name: "no buffers ever: retries are per batch", steps: rep(sendRetries+8, step{err: unix.ENOMEM}),
			missing: []int{0, 1, 2, 3, 4, 5, 6, 7}, want: SendErrors{NoBuffers: 8}},
		{name: "interrupted", steps: rep(sendRetries, step{err: unix.EINTR})},
		{name: "full, then room", steps: []step{{n: 4}, {err: unix.EAGAIN}}},
		{name: "full twice, then room", steps: []step{{n: 4}, {err: unix.EAGAIN}, {err: unix.EAGAIN}}},
		{name: "full, room as the timer fires", steps: []step{{n: 4}, {err: unix.EAGAIN}}, late: true},
		{name: "full for long", steps: append([]step{{n: 4}}, rep(1000, step{err: unix.EAGAIN})...),
			missing: []int{4, 5, 6, 7}, want: SendErrors{Blocked: 4}},
		{name: "nothing sent and no error", steps: []step{{n: 0}},
			missing: []int{0}, want: SendErrors{Other: 1}},
		{name: "broken socket", steps: []step{{n: 5}, {err: unix.ENOTSOCK}},
			missing: []int{5, 6, 7}, want: SendErrors{Other: 3}, err: unix.ENOTSOCK},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := native(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
			a.sock.sendWait = waitFor(c.want)
			if c.late {
				a.sock.sendWait = -1
			}
			a.send, _ = faulty(sendmmsg, c.steps...)
			tx, rx := NewTx(8, 100), NewRx(8, 100)
			for round := range 2 { // the second must not feel the first
				for i := range 8 {
					queue(t, tx, i, 20+i, b.LocalAddr())
				}
				err := a.WriteBatch(tx)
				if round == 1 {
					c.err, c.missing = nil, nil
				}
				a.send = sendmmsg
				if !errors.Is(err, c.err) {
					t.Fatalf("WriteBatch = %v, want %v", err, c.err)
				}
				got := drain(t, b, rx, 8-len(c.missing))
				for _, seq := range c.missing {
					if got[seq] != nil {
						t.Errorf("datagram %d arrived", seq)
					}
				}
				for seq, p := range got {
					if len(p) != 20+seq {
						t.Errorf("datagram %d has %d bytes", seq, len(p))
					}
				}
			}
			st := a.Stats()
			if st.SendErrors != c.want || st.TxDatagrams != 16-c.want.Sum() {
				t.Errorf("sent %d, errors %+v, want %+v", st.TxDatagrams, st.SendErrors, c.want)
			}
			if in := b.Stats(); in.RxBytes != st.TxBytes {
				t.Errorf("%d bytes sent, %d received", st.TxBytes, in.RxBytes)
			}
		})
	}
}

// Errors of the receive call are counted and do not end reading.
func TestS21ReceiveFaults(t *testing.T) {
	steps := []step{
		{err: unix.EINTR}, {err: unix.ECONNREFUSED}, {err: unix.ENOBUFS}, {err: unix.EHOSTUNREACH},
		{err: unix.ENOMEM}, {err: unix.ENETDOWN}, {err: unix.EPERM}, {err: unix.EPROTO},
	}
	for range readErrorRun {
		steps = append(steps, step{err: unix.ENOBUFS})
	}
	c := native(t, Config{Addr: loop4})
	var calls *int
	c.recv, calls = faulty(recvmmsg, steps...)
	tx, rx := NewTx(2, 100), NewRx(2, 100)
	queue(t, tx, 1, 50, c.LocalAddr())
	queue(t, tx, 2, 60, c.LocalAddr())
	c.WriteBatch(tx)
	drain(t, c, rx, 2)
	if n := c.Stats().ReadErrors; n != uint64(len(steps)) || *calls != len(steps)+1 {
		t.Errorf("%d errors counted in %d calls, want %d", n, *calls, len(steps))
	}

	c.recv, _ = faulty(recvmmsg, step{err: unix.EBADF})
	if err := c.ReadBatch(rx); !errors.Is(err, unix.EBADF) {
		t.Errorf("unusable socket: %v", err)
	}
}

// A read that fails forever still notices its deadline and Close.
func TestReceiveFaultForEver(t *testing.T) {
	c := native(t, Config{Addr: loop4})
	c.recv = func(uintptr, *mmsghdr, int) (int, syscall.Errno) { return -1, unix.ENOBUFS }
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if err := c.ReadBatch(NewRx(1, 100)); err == nil {
		t.Error("no error")
	}
	c.SetReadDeadline(time.Time{})
	done := make(chan error)
	go func() { done <- c.ReadBatch(NewRx(1, 100)) }()
	c.Close()
	if err := <-done; err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

// A source that is not an internet address is dropped; its neighbors are not.
func TestBadSource(t *testing.T) {
	c := native(t, Config{Addr: loop4, DisableGSO: true})
	tx, rx := NewTx(4, 100), NewRx(4, 100)
	c.recv = func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
		n, e := recvmmsg(fd, h, n)
		if e == 0 {
			hs := unsafe.Slice(h, n)
			(*unix.RawSockaddrInet6)(unsafe.Pointer(hs[1].hdr.Name)).Family = unix.AF_UNIX
			hs[2].hdr.Namelen = 8
		}
		return n, e
	}
	for i := range 4 {
		queue(t, tx, i, 50, c.LocalAddr())
	}
	c.WriteBatch(tx)
	if got := drain(t, c, rx, 2); got[0] == nil || got[3] == nil {
		t.Errorf("got %v", got)
	}
	if n := c.Stats().BadSource; n != 2 {
		t.Errorf("BadSource = %d, want 2", n)
	}
}

// One Rx and one Tx serve sockets of both families and both drop sources in
// turn: nothing of the last use may stick.
func TestBatchesMove(t *testing.T) {
	a, b := native(t, Config{Addr: loop4}), native(t, Config{Addr: loop6})
	useControl(t, b.sock)
	tx, rx := NewTx(8, 100), NewRx(8, 100)
	for round := range 4 {
		c := []*mmsgConn{a, b}[round%2]
		for i := range 8 - round {
			queue(t, tx, i, 50+i, c.LocalAddr())
		}
		if err := c.WriteBatch(tx); err != nil {
			t.Fatal(err)
		}
		drain(t, c, rx, 8-round)
		if rx.Addr(0) != c.LocalAddr() {
			t.Errorf("from %v, want %v", rx.Addr(0), c.LocalAddr())
		}
	}
}

// Config.Batch bounds every system call.
func TestBatchBound(t *testing.T) {
	c := native(t, Config{Addr: loop4, Batch: 7, DisableGSO: true})
	most := 0
	bound := func(real mmsgCall) mmsgCall {
		return func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
			most = max(most, n)
			return real(fd, h, n)
		}
	}
	c.send, c.recv = bound(sendmmsg), bound(recvmmsg)
	tx, rx := NewTx(50, 100), NewRx(50, 100)
	for i := range 50 {
		queue(t, tx, i, 50, c.LocalAddr())
	}
	c.WriteBatch(tx)
	drain(t, c, rx, 50)
	if st := c.Stats(); most != 7 || st.TxBatches != 8 || st.RxBatches != 8 {
		t.Errorf("up to %d datagrams per call, %d calls out, %d in; want 7, 8, 8", most, st.TxBatches, st.RxBatches)
	}
}

func TestSockaddr(t *testing.T) {
	var sa unix.RawSockaddrInet6
	for _, s := range []string{"1.2.3.4:30303", "[2001:db8::1]:9000", "255.255.255.255:65535", "[::]:1"} {
		want := netip.MustParseAddrPort(s)
		n := putSockaddr(&sa, want)
		if got, ok := sockaddrAddrPort(&sa, n); !ok || got != want {
			t.Errorf("%s came back as %v, %v", s, got, ok)
		}
		if _, ok := sockaddrAddrPort(&sa, n-1); ok {
			t.Errorf("%s: took a cut address", s)
		}
	}
	// The bytes that the kernel sees.
	putSockaddr(&sa, netip.MustParseAddrPort("1.2.3.4:258"))
	b := (*[8]byte)(unsafe.Pointer(&sa))
	if [6]byte(b[2:]) != [6]byte{1, 2, 1, 2, 3, 4} {
		t.Errorf("sockaddr_in holds % x", b)
	}
	mapped := unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: netip.MustParseAddr("::ffff:9.8.7.6").As16()}
	if got, _ := sockaddrAddrPort(&mapped, unix.SizeofSockaddrInet6); !got.Addr().Is4() {
		t.Errorf("mapped address came as %v", got)
	}
}
