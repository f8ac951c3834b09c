package fastpath

import (
	"fmt"
	"net/netip"
	"strings"
)

// SourceFilter drops datagrams of unknown sources before a Conn reads them. Package
// fastpath/filter has one for Linux, which works in the kernel. It is an interface because that
// package links a library that most programs do not need.
//
// A node holds the endpoints that it expects datagrams from: those of its sessions, and those that
// it waits for an answer from. Datagrams of held endpoints always pass.
//
// All methods but Attach are safe for concurrent use.
type SourceFilter interface {
	// Attach begins to filter the datagrams to the sockets of t. It is called once, before the
	// sockets are read. A filter that the system refuses is no error: Info has the reason.
	Attach(t FilterTarget) error
	// Hold says that the node expects datagrams from an endpoint. It does not wait, and takes
	// effect with Flush.
	Hold(from netip.AddrPort)
	// Release takes one call of Hold back. An endpoint is held until it was released as often as it
	// was held.
	Release(from netip.AddrPort)
	// Flush makes earlier calls of Hold and Release effective. Callers must call it before they
	// send a datagram whose answer must pass. It costs next to nothing if nothing has changed.
	Flush()
	// Info says what the filter got from the system. It may change.
	Info() FilterInfo
	// Stats returns the counters, also after Close.
	Stats() FilterStats
	// Close stops filtering.
	Close() error
}

// FilterTarget is what a SourceFilter filters for.
type FilterTarget struct {
	Groups []*Group
	// Held is the largest number of endpoints that are held at a time.
	Held int
	// Changed, if not nil, is called when Info has changed. It must not call the filter.
	Changed func(FilterInfo)
}

// FilterInfo says what a SourceFilter got from the system.
type FilterInfo struct {
	// Mode is where datagrams are dropped: "socket", "tc", "xdp", or "none".
	Mode string
	// Interfaces are the network interfaces that have the filter, for "tc" and "xdp". Those whose
	// driver has no XDP end in " (generic)".
	Interfaces []string
	// Reason says why Mode is not the first choice, empty if it is.
	Reason string
}

// String is one line for a log.
func (i FilterInfo) String() string {
	s := i.Mode
	if len(i.Interfaces) > 0 {
		s += " on " + strings.Join(i.Interfaces, ", ")
	}
	if i.Reason != "" {
		s += fmt.Sprintf(" (%s)", i.Reason)
	}
	return s
}

// FilterStats are the counters of a SourceFilter, in datagrams. All but Held only rise.
type FilterStats struct {
	PassedHeld      uint64 // of endpoints that the node holds
	PassedHandshake uint64 // of a source that a bucket let through shortly before
	PassedNew       uint64 // of another source, charged to the buckets

	DroppedPrefix uint64 // the bucket of the source's /24 or /64 was empty
	DroppedTotal  uint64 // the bucket that all unknown sources share was empty
	DroppedSize   uint64 // impossible size
	DroppedSource uint64 // impossible source: port 0, unspecified or multicast address

	Held uint64 // endpoints that pass as of now
	// Missed counts held endpoints that the kernel did not take. Their datagrams are charged to the
	// buckets.
	Missed uint64
	// Fallbacks counts how often the filter had to change to another mode than the one before,
	// because the system refused it.
	Fallbacks uint64
}

// Dropped is the number of datagrams that were dropped.
func (s FilterStats) Dropped() uint64 {
	return s.DroppedPrefix + s.DroppedTotal + s.DroppedSize + s.DroppedSource
}

// Sizes returns the sizes in bytes of the smallest and the largest payload that the group accepts.
func (g *Group) Sizes() (smallest, largest int) {
	if len(g.socks) == 0 {
		return 0, MaxDatagram
	}
	return g.socks[0].min, g.socks[0].max
}
