package fastpath

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An error of the kernel about a GSO batch costs no datagram that could leave separately. The
// errors of the datagrams are then counted one by one.
func TestS21GSOFaults(t *testing.T) {
	rep := func(n int, s step) (out []step) {
		for range n {
			out = append(out, s)
		}
		return out
	}
	for _, c := range []struct {
		name    string
		steps   []step
		lens    []int // entries of all calls
		missing []int
		want    SendErrors
		refused uint64
		off     bool
		err     error
	}{
		{name: "no fault", lens: []int{4, 1, 3}},
		{name: "short counts", steps: []step{{n: 1}, {n: 1}}, lens: []int{4, 1, 3, 1, 3, 3}},
		{name: "first batch too large for its path", steps: []step{{err: unix.EMSGSIZE}},
			lens: []int{4, 1, 3, 1, 1, 1, 1, 1, 3}, refused: 1},
		{name: "second batch, as before Linux 6.14", steps: []step{{n: 2}, {err: unix.EINVAL}},
			lens: []int{4, 1, 3, 3, 1, 1, 1}, refused: 1},
		{name: "both", steps: []step{{err: unix.EMSGSIZE}, {n: 5}, {err: unix.EMSGSIZE}},
			lens: []int{4, 1, 3, 1, 1, 1, 1, 1, 3, 3, 1, 1, 1}, refused: 2},
		{name: "no checksums", steps: []step{{err: unix.EIO}},
			lens: []int{4, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1}, refused: 1, off: true},
		{name: "sandbox", steps: []step{{err: unix.EOPNOTSUPP}},
			lens: []int{4, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1}, refused: 1, off: true},
		{name: "alone too large too", steps: []step{{err: unix.EMSGSIZE}, {n: 1}, {err: unix.EMSGSIZE}, {err: unix.EMSGSIZE}},
			lens: []int{4, 1, 3, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 3, 1, 1, 1, 1, 3, 1, 1, 1, 3}, missing: []int{1}, want: SendErrors{TooLong: 1}, refused: 1},
		{name: "alone too large for the path MTU that anybody can state", steps: []step{{err: unix.EMSGSIZE}, {err: unix.EMSGSIZE}}, refused: 1},
		{name: "denied", steps: slices.Concat([]step{{err: unix.EPERM}}, rep(4, step{err: unix.EPERM})),
			missing: []int{0, 1, 2, 3}, want: SendErrors{Denied: 4}, refused: 1},
		{name: "refused once is about an earlier datagram", steps: []step{{err: unix.ECONNREFUSED}}, lens: []int{4, 1, 3, 4, 1, 3}},
		{name: "refused twice", steps: rep(2, step{err: unix.ECONNREFUSED}), refused: 1},
		{name: "refused as without GSO", steps: rep(4, step{err: unix.ECONNREFUSED}), missing: []int{0}, want: SendErrors{Refused: 1}, refused: 1},
		{name: "no buffers, then some", steps: rep(sendRetries, step{err: unix.ENOBUFS})},
		{name: "no buffers for the batch", steps: rep(sendRetries+1, step{err: unix.ENOBUFS}), refused: 1},
		{name: "no buffers for long", steps: rep(sendRetries+2, step{err: unix.ENOMEM}), missing: []int{0}, want: SendErrors{NoBuffers: 1}, refused: 1},
		{name: "interrupted", steps: rep(sendRetries, step{err: unix.EINTR})},
		{name: "full, then room", steps: []step{{n: 1}, {err: unix.EAGAIN}}},
		{name: "full for long", steps: append([]step{{n: 1}}, rep(1000, step{err: unix.EAGAIN})...),
			missing: []int{4, 5, 6, 7}, want: SendErrors{Blocked: 4}},
		{name: "broken socket", steps: []step{{n: 2}, {err: unix.ENOTSOCK}},
			missing: []int{5, 6, 7}, want: SendErrors{Other: 3}, err: unix.ENOTSOCK},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := withGSO(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
			a.sock.sendWait = waitFor(c.want)
			real, _ := faulty(sendmmsg, c.steps...)
			lens, _ := entries(a, real)
			tx, rx := NewTx(8, 100), NewRx(8, 100)
			queueAll(t, tx, 0, b.LocalAddr(), 90, 90, 90, 50)
			queue(t, tx, 4, 30, b.LocalAddr())
			queueAll(t, tx, 5, b.LocalAddr(), 40, 40, 40)
			if err := a.WriteBatch(tx); !errors.Is(err, c.err) {
				t.Fatalf("WriteBatch = %v, want %v", err, c.err)
			}
			if c.lens != nil && !slices.Equal(*lens, c.lens) {
				t.Errorf("entries of %v datagrams, want %v", *lens, c.lens)
			}
			got := drain(t, b, rx, 8-len(c.missing))
			for seq, n := range []int{90, 90, 90, 50, 30, 40, 40, 40} {
				if (got[seq] == nil) != slices.Contains(c.missing, seq) || got[seq] != nil && len(got[seq]) != n {
					t.Errorf("datagram %d came with %d bytes", seq, len(got[seq]))
				}
			}
			idle(t, b, rx)
			st, in := a.Stats(), b.Stats()
			if st.SendErrors != c.want || st.TxDatagrams != 8-c.want.Sum() || st.TxBytes != in.RxBytes || st.GSORejected != c.refused {
				t.Errorf("counted %+v, received %d bytes", st, in.RxBytes)
			}
			if a.sock.gsoEnabled() == c.off {
				t.Errorf("joining is off: %v", c.off)
			}
		})
	}
}

// One batch that the kernel rejects for its path does not disable GSO. Many in a row do, for a
// while.
func TestGSOEnds(t *testing.T) {
	a, b := withGSO(t, Config{Addr: loop4}), open(t, Config{Addr: loop4})
	refuse := true
	a.send = func(fd uintptr, h *mmsghdr, n int) (int, syscall.Errno) {
		if refuse && h.hdr.Iovlen > 1 {
			return -1, unix.EINVAL
		}
		return sendmmsg(fd, h, n)
	}
	tx, rx := NewTx(8, 100), NewRx(8, 100)
	round := func() {
		queueAll(t, tx, 0, b.LocalAddr(), 90, 90)
		a.WriteBatch(tx)
		drain(t, b, rx, 2)
	}
	for range maxRejections - 1 {
		round()
	}
	refuse = false
	round()
	if st := a.Stats(); st.TxGSO != 1 || st.GSORejected != maxRejections-1 {
		t.Fatalf("one less than too many: %+v", st)
	}
	refuse = true
	for range maxRejections + 5 {
		round()
	}
	refuse = false
	round()
	if st := a.Stats(); st.TxGSO != 1 || st.GSORejected != 2*maxRejections-1 || st.SendErrors.Sum() != 0 {
		t.Errorf("too many: %+v", st)
	}
	for range gsoPause { // batches that could have had none do not count
		queueAll(t, tx, 0, b.LocalAddr(), 50, 60)
		a.WriteBatch(tx)
		drain(t, b, rx, 2)
	}
	round()
	if st := a.Stats(); st.TxGSO != 1 || st.GSORejected != 2*maxRejections-1 {
		t.Errorf("tried again too early: %+v", st)
	}
	for range gsoPause {
		a.sock.gsoEnabled()
	}
	refuse = true
	round() // they are tried once
	refuse = false
	round()
	if st := a.Stats(); st.TxGSO != 1 || st.GSORejected != 2*maxRejections {
		t.Errorf("tried again, in vain: %+v", st)
	}
	for range gsoPause {
		a.sock.gsoEnabled()
	}
	round()
	round()
	if st := a.Stats(); st.TxGSO != 3 || st.GSORejected != 2*maxRejections {
		t.Errorf("tried again: %+v", st)
	}
	a.sock.rejectGSO(unix.EIO)
	for range 2*gsoPause + maxRejections {
		if a.sock.gsoEnabled() {
			t.Fatal("a device without GSO is tried again")
		}
	}
}

// The kernel's own answer: where the path takes no segment of that size, all datagrams go by
// themselves, in fragments.
func TestGSOSmallPath(t *testing.T) {
	for _, c := range []struct {
		addr netip.AddrPort
		mtu  int
	}{{loop4, 1000}, {loop6, 1280}} {
		t.Run(c.addr.Addr().String(), func(t *testing.T) {
			done := make(chan struct{})
			go func() { // its thread ends with it
				defer close(done)
				runtime.LockOSThread()
				if err := ownLoopback(c.mtu); err != nil {
					t.Logf("no network namespace of its own: %v", err)
					return
				}
				from, err := Listen(Config{Addr: c.addr})
				if err != nil {
					t.Log(err)
					return
				}
				defer from.Close()
				if !from.Info().GSO {
					t.Log(from.Info())
					return
				}
				to, err := Listen(Config{Addr: c.addr, RecvBuffer: 1 << 20})
				if err != nil {
					t.Error(err)
					return
				}
				defer to.Close()
				tx, rx := NewTx(8, 1300), NewRx(8, 1300)
				r := to.Conns()[0]
				r.SetReadDeadline(time.Now().Add(patience))
				queueAll(t, tx, 0, to.Addr(), 1270, 1270, 1270, 100)
				queueAll(t, tx, 4, to.Addr(), 900, 900, 200)
				from.Conns()[0].WriteBatch(tx)
				drain(t, r, rx, 7)
				if st := from.Stats(); st.GSORejected != 1 || st.TxGSO != 1 || st.TxDatagrams != 7 || st.SendErrors.Sum() != 0 {
					t.Errorf("counted %+v", st)
				}
			}()
			<-done
		})
	}
}

// ownLoopback puts the thread into a network namespace of its own, with a loopback device that
// takes packets of mtu bytes. It needs root.
func ownLoopback(mtu int) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	var r struct { // struct ifreq
		name  [unix.IFNAMSIZ]byte
		value int32
		_     [20]byte
	}
	copy(r.name[:], "lo")
	for _, op := range []struct {
		request uintptr
		value   int32
	}{{unix.SIOCSIFMTU, int32(mtu)}, {unix.SIOCSIFFLAGS, unix.IFF_UP | unix.IFF_RUNNING}} {
		r.value = op.value
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), op.request, uintptr(unsafe.Pointer(&r))); e != 0 {
			return os.NewSyscallError("ioctl", e)
		}
	}
	return nil
}
