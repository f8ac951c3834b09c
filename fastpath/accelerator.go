package fastpath

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// PathXDP is the path of an Accelerator that receives with AF_XDP; see package fastpath/xdp.
const PathXDP = "xdp"

// Accelerator receives, besides the sockets of groups, a part of the datagrams that arrive for
// them, by a faster way. Datagrams that it does not take arrive at the sockets, and a datagram
// arrives once.
type Accelerator interface {
	// Conns returns the Conns to receive from, in addition to those of the groups. Each needs a
	// goroutine of its own. They stay valid, and wait, while the faster way is not available.
	Conns() []SharedConn

	// Accelerations describes the state of each network interface as it is now.
	Accelerations() []Acceleration

	// Close closes the Conns.
	Close() error
}

// SharedConn is a Conn that receives for several groups. Rx.Group names the group of each datagram.
// WriteBatch sends for group 0. Datagrams that leave through a socket are not in its counters, but
// in those of the socket.
type SharedConn interface {
	Conn

	// WriteGroupBatch is WriteBatch for datagrams that leave from the address of the given group.
	WriteGroupBatch(group int, tx *Tx) error
}

// Acceleration is the state of an Accelerator on one network interface.
type Acceleration struct {
	Interface string

	// Mode names how packets reach the program, such as "native zero-copy". It is empty while the
	// sockets receive everything.
	Mode string
	// Reason says why the mode is not a faster one, or why the sockets receive everything.
	Reason string

	// Queues is the number of receive queues of the interface, Served the number of those that the
	// Accelerator reads.
	Queues, Served int

	// AnswersReason says why answers leave through the sockets. It is empty if they do not.
	AnswersReason string

	// Changes counts how often the mode has changed since the start, Fallbacks the datagrams that
	// SharedConns passed to the sockets, which count them as sent.
	Changes, Fallbacks uint64
}

// String is one line for a log.
func (a Acceleration) String() string {
	var b strings.Builder
	if a.Mode == "" {
		fmt.Fprintf(&b, "%s: sockets of the system (%s)", a.Interface, a.Reason)
		return b.String()
	}
	fmt.Fprintf(&b, "%s: %s, queues %d of %d", a.Interface, a.Mode, a.Served, a.Queues)
	if a.Reason != "" {
		fmt.Fprintf(&b, " (%s)", a.Reason)
	}
	if a.AnswersReason != "" {
		fmt.Fprintf(&b, ", answers through the sockets (%s)", a.AnswersReason)
	}
	return b.String()
}

// LocalFinder finds the numbers of the local addresses of a group, for implementations of Conn. It
// belongs to one goroutine.
type LocalFinder struct {
	group *Group
	cache localCache
}

// NewLocalFinder returns a LocalFinder for g.
func (g *Group) NewLocalFinder() *LocalFinder { return &LocalFinder{group: g} }

// Find returns the number of the local address at which a datagram arrived, for Rx.PushShared. It
// is 0 if the group is bound to one address, and if no answer can leave from there.
func (f *LocalFinder) Find(at netip.Addr) Local {
	if f.group.locals == nil {
		return 0
	}
	f.cache.reset(f.group.locals)
	b := at.As16()
	var hi, lo uint64
	for i := range 8 {
		hi, lo = hi<<8|uint64(b[i]), lo<<8|uint64(b[8+i])
	}
	return f.cache.find(hi, lo, 0)
}

// PushShared is Push for a SharedConn: the datagram arrived for the given group, 0 to 255, at the
// given one of its local addresses.
func (rx *Rx) PushShared(b []byte, from netip.AddrPort, group int, local Local) bool {
	slot := len(rx.live)
	if slot >= rx.batch || len(b) > rx.size {
		return false
	}
	if slot >= rx.open {
		rx.provide(2 * rx.open)
	}
	copy(rx.slot(slot), b)
	rx.deliver(slot, len(b), netaddr.NormalizePort(from), local)
	rx.live[slot].group = uint8(group)
	return true
}

// Group returns the group that datagram i, 0 <= i < Len(), arrived for, as its SharedConn counts
// them. It is 0 if the datagram came from any other Conn.
func (rx *Rx) Group(i int) int { return int(rx.live[i].group) }
