//go:build unix

package fastpath

import (
	"net/netip"
	"os"
	"syscall"
	"testing"
)

// plainConn returns a portable Conn for fault injection.
func plainConn(t *testing.T) *portableConn {
	t.Helper()
	return open(t, Config{Addr: loop4, Portable: true}).(*portableConn)
}

func TestS21PortableSendFaults(t *testing.T) {
	for _, c := range []struct {
		name string
		errs []error // of the first calls
		lost int     // of 4
		want SendErrors
	}{
		{name: "refused once", errs: []error{syscall.ECONNREFUSED}},
		{name: "refused twice", errs: []error{syscall.ECONNREFUSED, syscall.ECONNREFUSED},
			lost: 1, want: SendErrors{Refused: 1}},
		{name: "interrupted and no buffers", errs: []error{syscall.EINTR, syscall.ENOBUFS}},
		{name: "no buffers for long", errs: []error{syscall.ENOBUFS, syscall.ENOBUFS, syscall.ENOBUFS, syscall.ENOBUFS, syscall.ENOBUFS},
			lost: 1, want: SendErrors{NoBuffers: 1}},
		{name: "denied, unreachable", errs: []error{syscall.EPERM, syscall.EHOSTUNREACH},
			lost: 2, want: SendErrors{Denied: 1, Unreachable: 1}},
		{name: "full for long", errs: []error{os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
			lost: 4, want: SendErrors{Blocked: 4}},
		{name: "slow but not full", errs: []error{os.ErrDeadlineExceeded}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := plainConn(t), plainConn(t)
			real, calls := a.send, 0
			a.send = func(p, oob []byte, to netip.AddrPort) (int, int, error) {
				if calls++; calls <= len(c.errs) {
					return 0, 0, &os.SyscallError{Syscall: "sendmsg", Err: c.errs[calls-1]}
				}
				return real(p, oob, to)
			}
			tx, rx := NewTx(4, 100), NewRx(4, 100)
			for i := range 4 {
				queue(t, tx, i, 50, b.LocalAddr())
			}
			if err := a.WriteBatch(tx); err != nil {
				t.Fatal(err)
			}
			drain(t, b, rx, 4-c.lost)
			if st := a.Stats(); st.SendErrors != c.want || st.TxDatagrams != uint64(4-c.lost) {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestS21PortableReceiveFaults(t *testing.T) {
	c := plainConn(t)
	real, calls := c.recv, 0
	errs := []error{syscall.EINTR, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOBUFS, syscall.EHOSTUNREACH}
	c.recv = func(b, oob []byte) (int, int, int, netip.AddrPort, error) {
		if calls++; calls <= len(errs) {
			return 0, 0, 0, netip.AddrPort{}, &os.SyscallError{Syscall: "recvmsg", Err: errs[calls-1]}
		}
		n, oobn, flags, from, err := real(b, oob)
		if calls == len(errs)+1 {
			from = netip.AddrPort{} // a source without an address
		}
		return n, oobn, flags, from, err
	}
	tx, rx := NewTx(2, 100), NewRx(2, 100)
	queue(t, tx, 1, 50, c.LocalAddr())
	queue(t, tx, 2, 50, c.LocalAddr())
	c.WriteBatch(tx)
	if got := drain(t, c, rx, 1); got[2] == nil {
		t.Errorf("got %v", got)
	}
	if st := c.Stats(); st.ReadErrors != uint64(len(errs)) || st.BadSource != 1 {
		t.Errorf("%+v", st)
	}
}
