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
