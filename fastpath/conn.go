package fastpath

import (
	"net/netip"
	"time"
)

// Conn is one socket. The two implementations of this package behave alike;
// others, such as a simulated network, fill an Rx with Push and read a Tx with
// Packet and Addr.
type Conn interface {
	// ReadBatch discards what rx holds, waits until at least one acceptable
	// datagram has arrived, and fills rx with those that are there. It returns
	// ErrClosed after Close and os.ErrDeadlineExceeded when the read deadline
	// has passed, each with an empty rx. Errors that a network can cause are
	// counted and do not end it. One goroutine at a time may call it.
	ReadBatch(rx *Rx) error

	// WriteBatch sends every datagram of tx and empties it, whatever happens.
	// A datagram that cannot be sent is counted under its cause and costs no
	// other one. A full socket buffer is waited for, at most 50 ms per call
	// (250 ms on the portable path, which cannot tell waiting from working);
	// what is unsent then is dropped and counted. The error is nil unless the
	// socket is closed (ErrClosed) or unusable. Safe for concurrent use, each
	// caller with its own tx.
	WriteBatch(tx *Tx) error

	// SetReadDeadline makes ReadBatch return os.ErrDeadlineExceeded once t has
	// passed; the zero time means never. A deadline that lies in the past ends
	// ReadBatch even when datagrams wait. Safe to call while ReadBatch waits.
	SetReadDeadline(t time.Time) error

	// LocalAddr is the address the socket is bound to, without zone. It stays
	// available after Close.
	LocalAddr() netip.AddrPort

	// Stats returns the counters. Each is exact; together they are not one
	// moment's picture while the Conn is in use. Safe for concurrent use.
	Stats() ConnStats

	// Close closes the socket and ends a waiting ReadBatch promptly. A second
	// Close returns ErrClosed.
	Close() error
}

// ConnStats are the counters of one Conn, or their sums. All only rise.
//
//	datagrams that reached user space = RxDatagrams + Truncated + Short + Long + BadSource
//	datagrams committed to a Tx       = TxDatagrams + SendErrors.Sum()
type ConnStats struct {
	RxDatagrams uint64 // delivered by ReadBatch
	RxBytes     uint64 // payload bytes of RxDatagrams
	RxBatches   uint64 // system calls that returned at least one datagram
	TxDatagrams uint64 // accepted by the kernel
	TxBytes     uint64 // payload bytes of TxDatagrams
	TxBatches   uint64 // system calls that sent at least one datagram

	// RxTrains are trains that arrived whole; their datagrams are counted elsewhere, one by one.
	RxTrains uint64

	// TxTrains are trains that WriteBatch sent; their datagrams are among
	// TxDatagrams, one by one. TrainsRefused are those that the kernel did not
	// take: their datagrams were sent again by themselves.
	TxTrains, TrainsRefused uint64

	// LocalUnknown are datagrams that arrived at an address from which no answer can leave: a
	// multicast or broadcast address, or one beyond the first MaxLocals. Answers leave from where
	// the system chooses.
	LocalUnknown uint64
	// LocalFallbacks are datagrams that left from where the system chose, because the host no
	// longer had the local address that they were to leave from.
	LocalFallbacks uint64
	// PathMTUIgnored is how often an IPv4 datagram was larger than the path MTU that the system had
	// learned, so that the socket ignored path MTUs for a while.
	PathMTUIgnored uint64

	Truncated uint64 // dropped: larger than a slot of the Rx
	Short     uint64 // dropped: below Config.MinSize, not caught by the filter
	Long      uint64 // dropped: above Config.MaxSize, not caught by the filter
	BadSource uint64 // dropped: no usable source address

	ReadErrors uint64 // failed receive calls, after each of which reading went on
	SendErrors SendErrors

	// KernelDrops counts what the kernel dropped at this socket: datagrams
	// that found the receive buffer full, those the socket filter refused, and
	// those with a bad checksum. The kernel has one counter for all, in which a train that
	// would have arrived whole is one. 0 where the system does not tell, see Info.DropSource.
	KernelDrops uint64
}

// SendErrors counts datagrams that were not sent, by cause.
type SendErrors struct {
	Family      uint64 // the destination is not of the socket's address family, or is no address
	Refused     uint64 // ECONNREFUSED
	Unreachable uint64 // no route: EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EADDRNOTAVAIL
	Denied      uint64 // EPERM, EACCES: firewall, or a broadcast address
	NoBuffers   uint64 // ENOBUFS, ENOMEM, still so after several tries
	Blocked     uint64 // the socket buffer stayed full until the wait ended
	TooLong     uint64 // EMSGSIZE: larger than the path or the protocol takes
	Closed      uint64 // the socket was closed before it was this datagram's turn
	Other       uint64 // any other error, such as EINVAL for port 0
}

// Sum is the number of datagrams that were not sent.
func (e SendErrors) Sum() uint64 {
	return e.Family + e.Refused + e.Unreachable + e.Denied + e.NoBuffers +
		e.Blocked + e.TooLong + e.Closed + e.Other
}

// Add adds o to s, field by field.
func (s *ConnStats) Add(o ConnStats) {
	s.RxDatagrams += o.RxDatagrams
	s.RxBytes += o.RxBytes
	s.RxBatches += o.RxBatches
	s.RxTrains += o.RxTrains
	s.TxDatagrams += o.TxDatagrams
	s.TxBytes += o.TxBytes
	s.TxBatches += o.TxBatches
	s.TxTrains += o.TxTrains
	s.TrainsRefused += o.TrainsRefused
	s.LocalUnknown += o.LocalUnknown
	s.LocalFallbacks += o.LocalFallbacks
	s.PathMTUIgnored += o.PathMTUIgnored
	s.Truncated += o.Truncated
	s.Short += o.Short
	s.Long += o.Long
	s.BadSource += o.BadSource
	s.ReadErrors += o.ReadErrors
	s.KernelDrops += o.KernelDrops

	e, f := &s.SendErrors, &o.SendErrors
	e.Family += f.Family
	e.Refused += f.Refused
	e.Unreachable += f.Unreachable
	e.Denied += f.Denied
	e.NoBuffers += f.NoBuffers
	e.Blocked += f.Blocked
	e.TooLong += f.TooLong
	e.Closed += f.Closed
	e.Other += f.Other
}
