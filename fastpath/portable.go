package fastpath

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

const (
	// sendWait bounds how long one WriteBatch waits for room in the socket
	// buffer.
	sendWait = 50 * time.Millisecond

	// sendRetries bounds the repeated tries of one WriteBatch after errors that
	// pass without action: a batch, not a datagram, has this many, so that a
	// long outage cannot hold a worker up.
	sendRetries = 4

	// sendPause is the time between such tries.
	sendPause = 50 * time.Microsecond

	// readErrorRun is how many receive calls may fail in a row before each
	// further failure is followed by readPause. A socket that keeps failing
	// must not keep a processor busy.
	readErrorRun = 16

	// readPause also bounds how much later Close is noticed then.
	readPause = time.Millisecond
)

// portableConn is the plain path: one datagram per system call, by means of the
// net package alone.
type portableConn struct {
	sock *socket

	// The two calls, replaced by tests to inject faults.
	recv func(b, oob []byte) (n, oobn, flags int, from netip.AddrPort, err error)
	send func(b, oob []byte, to netip.AddrPort) (n, oobn int, err error)

	oob   [128]byte // control messages of the datagram that was read last
	cache localCache

	wmu sync.Mutex // one WriteBatch at a time: the write deadline is the socket's
}

func newPortableConn(s *socket) *portableConn {
	return &portableConn{sock: s, recv: s.udp.ReadMsgUDPAddrPort, send: s.udp.WriteMsgUDPAddrPort}
}

// ReadBatch implements Conn.
func (c *portableConn) ReadBatch(rx *Rx) error {
	rx.Reset()
	cnt, failed := &c.sock.cnt, 0
	c.cache.reset(c.sock.locals)
	var oob []byte
	if c.sock.locals != nil {
		oob = c.oob[:]
	}
	for {
		n, oobn, flags, from, err := c.recv(rx.slot(0), oob)
		if err != nil {
			if err := c.sock.readError(err, &failed); err != nil {
				return err
			}
			continue
		}
		failed = 0
		switch {
		case flags&msgTrunc != 0:
			cnt.rx.truncated.Add(1)
		case !c.sock.sizeOK(n):
		case !from.IsValid():
			cnt.rx.bad.Add(1)
		default:
			cnt.received(1, n)
			local := Local(0)
			if oobn > 0 {
				_, local = c.cache.controls(oob[:oobn], n, from)
				c.cache.count(cnt)
			}
			rx.deliver(0, n, netaddr.NormalizePort(from), local)
			return nil
		}
	}
}

// WriteBatch implements Conn.
func (c *portableConn) WriteBatch(tx *Tx) error {
	if tx.Len() == 0 {
		return nil
	}
	defer tx.Reset()
	tx.err = nil
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.sock.pathMTU.batch(c.sock)
	if err := c.allowWait(); err != nil {
		c.sock.cnt.drop(causeClosed, tx.Len())
		return c.sock.wrap("send", err)
	}
	cnt, retries := &c.sock.cnt, sendRetries
	for i := range tx.queue {
		if !c.sock.familyOK(tx.Addr(i)) {
			cnt.drop(causeFamily, 1)
			tx.fault(ErrDestination)
			continue
		}
		cause, err := c.sendOne(tx.Packet(i), tx.Addr(i), tx.Local(i), &retries)
		switch {
		case err == nil:
			cnt.sent(1, tx.queue[i].n)
		case cause == causeClosed || cause == causeFatal:
			cnt.drop(cause, tx.Len()-i)
			return c.sock.wrap("send", err)
		case cause == causeBlocked:
			cnt.drop(cause, tx.Len()-i) // waited for in vain: so would the rest be
			tx.fault(err)
			return nil
		default:
			cnt.drop(cause, 1)
			tx.fault(err)
		}
	}
	return nil
}

// allowWait lets sends wait for room for sendWait from now on.
func (c *portableConn) allowWait() error {
	return c.sock.udp.SetWriteDeadline(time.Now().Add(c.sock.sendWait))
}

// sendOne sends one datagram, several times if the error is one that passes.
func (c *portableConn) sendOne(b []byte, to netip.AddrPort, local Local, retries *int) (sendCause, error) {
	s := c.sock
	var control []byte
	var from *localEntry
	moved := false
	if local != 0 {
		if from, moved = s.locals.entry(local, to.Addr()); from != nil {
			control = from.control[:from.length]
		}
	}
	refused, blocked, whole := false, false, false
	for {
		_, _, err := c.send(b, control, to)
		if err == nil {
			if moved {
				s.cnt.tx.fallbacks.Add(1)
				if from != nil {
					s.locals.fail(from)
				}
			}
			return 0, nil
		}
		cause := causeOf(err)
		switch {
		case cause == causeRefused && !refused:
			refused = true // the error of an earlier datagram
		case (cause == causeNoBuffers || cause == causeInterrupted) && *retries > 0:
			*retries--
			time.Sleep(sendPause)
		case cause == causeBlocked && !blocked && *retries > 0:
			// The deadline also passes when a long batch merely took its time.
			// Only a datagram that spends a whole wait of its own is blocked.
			*retries--
			blocked = true
			if err := c.allowWait(); err != nil {
				return causeOf(err), err
			}
		case control != nil && mayHaveGone(err):
			control, moved = nil, true
		case cause == causeTooLong && !whole && s.pathMTU.ignore(s):
			whole = true
		default:
			return cause, err
		}
	}
}

// SetReadDeadline implements Conn.
func (c *portableConn) SetReadDeadline(t time.Time) error { return c.sock.setReadDeadline(t) }

// LocalAddr implements Conn.
func (c *portableConn) LocalAddr() netip.AddrPort { return c.sock.local }

// Stats implements Conn.
func (c *portableConn) Stats() ConnStats { return c.sock.stats() }

// Close implements Conn.
func (c *portableConn) Close() error { return c.sock.close() }

// causeOf maps an error of the net package to a cause.
func causeOf(err error) sendCause {
	if errors.Is(err, net.ErrClosed) {
		return causeClosed
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return causeBlocked
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return classify(e)
	}
	return causeOther
}

// wrap returns ErrClosed and deadline errors as they are, so that callers can
// compare them, and says for others what was being done.
func (s *socket) wrap(doing string, err error) error {
	switch {
	case errors.Is(err, net.ErrClosed):
		return ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	return fmt.Errorf("fastpath: %s on %v: %w", doing, s.local, err)
}

// readError decides about a failed receive call: nil means continue. It counts
// the run of failures in *failed.
func (s *socket) readError(err error, failed *int) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return s.wrap("receive", err)
	}
	switch causeOf(err) {
	case causeFatal:
		s.cnt.rx.errno.Add(1)
		return s.wrap("receive", err)
	case causeTooLong:
		// Windows says so after it has cut the datagram.
		s.cnt.rx.truncated.Add(1)
	default:
		s.cnt.rx.errno.Add(1)
	}
	if *failed++; *failed > readErrorRun {
		time.Sleep(readPause)
	}
	return nil
}
