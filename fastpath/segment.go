package fastpath

import (
	"errors"
	"net/netip"
)

const (
	// MaxSegments is the largest number of datagrams in a train. The kernel takes
	// 64, and 128 since Linux 6.9, but counts the UDP header against the bytes of
	// the whole, so that the last one may not fit.
	MaxSegments = 63

	// MaxTrain is the largest number of bytes in a train. The headers of one IP
	// packet have to fit into 65535 bytes with it.
	MaxTrain = 65000
)

// ErrSegments is returned by Segmenter.Send where the system turned out not to
// send trains. Nothing has been sent or counted, and nothing will be: the
// datagrams have to go through Conn.WriteBatch.
var ErrSegments = errors.New("fastpath: trains are not possible here")

// TrainLength is how many datagrams of size bytes fit into a train, at least 1.
func TrainLength(size int) int { return max(1, min(MaxSegments, MaxTrain/max(size, 1))) }

// Segmenter sends trains: datagrams of one size to one destination that pass
// through the system as one and are parted at its end, by the network card or
// just before the receiving socket. This is UDP_SEGMENT (Linux 4.18). A sender
// that is to load another machine needs it: a datagram of a train costs a
// fraction of one that is sent by itself.
//
// A Segmenter belongs to one goroutine. Others may use its Conn meanwhile.
type Segmenter struct {
	impl segmenter
}

// segmenter is what there is of a Segmenter on a system that has trains.
type segmenter interface {
	send(b []byte, size int, to netip.AddrPort) error
	why() string
}

// NewSegmenter returns a Segmenter for a socket, or nil and the reason why there
// is none.
func NewSegmenter(c Conn) (s *Segmenter, reason string) {
	impl, reason := newSegmenter(c)
	if reason != "" {
		return nil, reason
	}
	return &Segmenter{impl}, ""
}

// Send sends the datagrams of size bytes that b consists of; the last one may be
// shorter. There are at most TrainLength(size). Like Conn.WriteBatch it counts
// what cannot be sent, all of b under one cause, waits for room in the socket
// buffer within the same bounds, and returns nil unless the socket is closed or
// unusable. The other error is ErrSegments.
//
// Send panics when size or the number of datagrams is out of range: both come
// from the program, never from the network.
func (s *Segmenter) Send(b []byte, size int, to netip.AddrPort) error {
	if size < 1 || len(b) < 1 || len(b) > size*TrainLength(size) {
		panic("fastpath: Send of a train out of range")
	}
	return s.impl.send(b, size, plainAddr(to))
}

// Reason says why Send has returned ErrSegments, and is empty before.
func (s *Segmenter) Reason() string { return s.impl.why() }
