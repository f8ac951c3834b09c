package fastpath

import "sync/atomic"

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
		datagrams, bytes, batches, trains  atomic.Uint64
		truncated, short, long, bad, errno atomic.Uint64
		unnumbered                         atomic.Uint64
	}
	_  [cacheLine]byte
	tx struct {
		datagrams, bytes, batches atomic.Uint64
		trains, trainsRefused     atomic.Uint64
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
		RxTrains:       c.rx.trains.Load(),
		TxDatagrams:    c.tx.datagrams.Load(),
		TxBytes:        c.tx.bytes.Load(),
		TxBatches:      c.tx.batches.Load(),
		TxTrains:       c.tx.trains.Load(),
		TrainsRefused:  c.tx.trainsRefused.Load(),
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
