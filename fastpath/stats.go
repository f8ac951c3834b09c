package fastpath

import (
	"sync/atomic"
)

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

	// RxGRO counts GRO batches. RxDatagrams counts their datagrams one by one.
	RxGRO uint64

	// TxGSO counts the GSO batches that WriteBatch sent. TxDatagrams counts their datagrams one by
	// one. GSORejected counts the batches that the kernel did not take: their datagrams were sent
	// separately.
	TxGSO, GSORejected uint64

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

	ReadErrors uint64 // failed receive calls; the socket continued after each
	SendErrors SendErrors

	// KernelDrops counts datagrams that the kernel dropped at this socket: those that found the
	// receive buffer full, those that the socket filter refused, and those with a bad checksum. The
	// kernel has one counter for all, in which a GRO batch is one. 0 where the system does not
	// tell, see Info.DropSource.
	KernelDrops uint64
}

// SendErrors counts datagrams that were not sent, by cause.
type SendErrors struct {
	Family      uint64 // the destination is invalid, or not of the socket's address family
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
	s.RxGRO += o.RxGRO
	s.TxDatagrams += o.TxDatagrams
	s.TxBytes += o.TxBytes
	s.TxBatches += o.TxBatches
	s.TxGSO += o.TxGSO
	s.GSORejected += o.GSORejected
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

// sendCause is why a datagram was not sent.
type sendCause uint8

const (
	causeOther sendCause = iota
	causeFamily
	causeRefused
	causeUnreachable
	causeDenied
	causeNoBuffers
	causeBlocked
	causeTooLong
	causeClosed
	causeInterrupted // not a cause to drop: the call is repeated
	causeFatal       // the socket itself is unusable
	numCauses
)

// counters are the live form of ConnStats. The receiving half is written by one
// goroutine and the sending half by several, so they keep apart in memory.
type counters struct {
	rx struct {
		datagrams, bytes, batches, gro     atomic.Uint64
		truncated, short, long, bad, errno atomic.Uint64
		unnumbered                         atomic.Uint64
	}
	_  [cacheLine]byte
	tx struct {
		datagrams, bytes, batches atomic.Uint64
		gso, rejected             atomic.Uint64
		fallbacks, narrow         atomic.Uint64
		dropped                   [numCauses]atomic.Uint64
	}
}

// received counts one system call that delivered n datagrams.
func (c *counters) received(n, bytes int) {
	c.rx.batches.Add(1)
	c.rx.datagrams.Add(uint64(n))
	c.rx.bytes.Add(uint64(bytes))
}

// sent counts one system call that sent n datagrams.
func (c *counters) sent(n, bytes int) {
	c.tx.batches.Add(1)
	c.tx.datagrams.Add(uint64(n))
	c.tx.bytes.Add(uint64(bytes))
}

// drop counts n unsent datagrams.
func (c *counters) drop(cause sendCause, n int) {
	c.tx.dropped[cause].Add(uint64(n))
}

// stats reads the counters.
func (c *counters) stats() ConnStats {
	d := &c.tx.dropped
	return ConnStats{
		RxDatagrams:    c.rx.datagrams.Load(),
		RxBytes:        c.rx.bytes.Load(),
		RxBatches:      c.rx.batches.Load(),
		RxGRO:          c.rx.gro.Load(),
		TxDatagrams:    c.tx.datagrams.Load(),
		TxBytes:        c.tx.bytes.Load(),
		TxBatches:      c.tx.batches.Load(),
		TxGSO:          c.tx.gso.Load(),
		GSORejected:    c.tx.rejected.Load(),
		LocalFallbacks: c.tx.fallbacks.Load(),
		PathMTUIgnored: c.tx.narrow.Load(),
		LocalUnknown:   c.rx.unnumbered.Load(),
		Truncated:      c.rx.truncated.Load(),
		Short:          c.rx.short.Load(),
		Long:           c.rx.long.Load(),
		BadSource:      c.rx.bad.Load(),
		ReadErrors:     c.rx.errno.Load(),
		SendErrors: SendErrors{
			Family:      d[causeFamily].Load(),
			Refused:     d[causeRefused].Load(),
			Unreachable: d[causeUnreachable].Load(),
			Denied:      d[causeDenied].Load(),
			NoBuffers:   d[causeNoBuffers].Load(),
			Blocked:     d[causeBlocked].Load(),
			TooLong:     d[causeTooLong].Load(),
			Closed:      d[causeClosed].Load(),
			Other: d[causeOther].Load() + d[causeInterrupted].Load() +
				d[causeFatal].Load(),
		},
	}
}
