package simnet

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// ID is the node's ID.
func (nd *Node) ID() enr.ID { return nd.key.ID() }

// Key is the node's private key.
func (nd *Node) Key() *enr.PrivateKey { return nd.key }

// Addr is the node's first address as others see it: the IPv4 one if it has one. It is not valid
// for a node behind a NAT, which others see at addresses that the NAT makes.
func (nd *Node) Addr() netip.AddrPort {
	if p := nd.ports()[0]; p.nat == nil {
		return p.addr
	}
	return netip.AddrPort{}
}

// NAT is what the node's IPv4 address is behind, or nil.
func (nd *Node) NAT() *NAT { return nd.list[0].nat }

// Node returns the node itself, with all methods of the library. While it is down that is the one
// which has been closed, whose methods return discv5.ErrClosed.
func (nd *Node) Node() *discv5.Node { return nd.disc.Load() }

// Record returns the node's newest record.
func (nd *Node) Record() *enr.Record {
	if disc := nd.disc.Load(); disc != nil && nd.machine.Load() != nil {
		return disc.LocalRecord()
	}
	return nd.saved.Load()
}

// Contact returns the node as others contact it: by its newest record.
func (nd *Node) Contact() discv5.Contact { return discv5.ContactOf(nd.Record()) }

// Running reports whether the node has neither crashed nor been suspended.
func (nd *Node) Running() bool { return nd.machine.Load().up() }

// engine returns the engine of the node while that runs, else nil.
func (nd *Node) engine() *engine.Engine {
	if m := nd.machine.Load(); m != nil && m.running.Load() {
		return m.eng
	}
	return nil
}

// Clock returns the node's own clock. It starts at 0 when the node does, and is all that the node
// knows of time.
func (nd *Node) Clock() time.Duration {
	if m := nd.machine.Load(); m != nil {
		return m.Now()
	}
	return 0
}

// Uptime returns how long ago the node was started last, on the network's clock.
func (nd *Node) Uptime() time.Duration {
	if m := nd.machine.Load(); m != nil {
		return nd.n.Now() - m.begun
	}
	return 0
}

// Crash closes the node. Its peers are not told, as the protocol has no way to. It keeps its
// addresses, at which nobody listens.
func (nd *Node) Crash() {
	m := nd.machine.Load()
	if m == nil {
		return
	}
	disc := nd.disc.Load()
	nd.saved.Store(disc.LocalRecord())
	nd.addresses = disc.AddressStates()
	nd.known = nd.known[:0]
	if m.eng != nil {
		for x, s := range m.eng.Table().All() {
			if s.Live && len(nd.known) < maxKnown {
				nd.known = append(nd.known, x.Record)
			}
		}
		nd.n.past.count(nd)
	}
	nd.machine.Store(nil)
	disc.Close()
}

// maxKnown bounds the nodes that survive a restart, as the bootnode's database does.
const maxKnown = 64

// Restart starts the node again after a Crash, or crashes and starts it, with the same key and
// addresses. With state it has its last record and the nodes that it knew. Without, it has the key
// alone: its new record has a higher number all the same, as the number follows from the time.
// Sessions are lost either way.
func (nd *Node) Restart(state bool) error {
	nd.Crash()
	if err := nd.start(state); err != nil {
		return fmt.Errorf("simnet: restart of node %d: %w", nd.born, err)
	}
	return nil
}

// Remove ends the node for good and gives back its addresses.
func (nd *Node) Remove() {
	nd.Crash()
	nd.n.detach(nd.ports()...)
	list := nd.n.nodes
	if i := nd.index; i >= 0 {
		last := len(list) - 1
		list[i] = list[last]
		list[i].index = i
		list[last] = nil
		nd.n.nodes = list[:last]
		nd.index = -1
	}
	nd.known, nd.cfg.Bootnodes = nil, nil
}

// ClockMode says what a node's clock does while the node is suspended.
type ClockMode int

// Modes of a clock during Suspend.
const (
	// ClockStops: after the pause the node does not know that there was one, as with the monotonic
	// clock of Linux, which does not count the time that a machine sleeps.
	ClockStops ClockMode = iota
	// ClockRuns: after the pause the clock has jumped forward, as when a virtual machine or a
	// process is stopped.
	ClockRuns
)

// Suspend stops the node for d: it does nothing, and what arrives is lost. It does nothing to a
// node that is not running.
func (nd *Node) Suspend(d time.Duration, mode ClockMode) {
	if nd.Running() && d > 0 {
		nd.machine.Load().suspend(d, mode)
	}
}

// JumpClock sets the node's clock forward by d. Clocks of nodes are monotonic: it does nothing if d
// is not positive.
func (nd *Node) JumpClock(d time.Duration) {
	if m := nd.machine.Load(); m.up() && d > 0 {
		m.offset.Add(-int64(d))
		m.Changed()
	}
}
