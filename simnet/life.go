package simnet

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/engine"
)

// ID is the node's ID.
func (nd *Node) ID() enr.ID { return nd.key.ID() }

// Key is the node's private key.
func (nd *Node) Key() *enr.PrivateKey { return nd.key }

// Addr is the node's first address as others see it: the IPv4 one if it has one. It is not valid
// for a node behind a NAT, whom others see at addresses that the NAT makes.
func (nd *Node) Addr() netip.AddrPort {
	if p := nd.ports()[0]; p.nat == nil {
		return p.addr
	}
	return netip.AddrPort{}
}

// Addr4 and Addr6 are the addresses that the node itself has, of each family; behind a NAT nobody
// else knows them. They are not valid if there is none.
func (nd *Node) Addr4() netip.AddrPort { return nd.list[0].addr }

// Addr6 is the node's IPv6 address; see Addr4.
func (nd *Node) Addr6() netip.AddrPort { return nd.list[1].addr }

// NAT is what the node's IPv4 address is behind, or nil.
func (nd *Node) NAT() *NAT { return nd.list[0].nat }

// Record is the node's newest record.
func (nd *Node) Record() *enr.Record {
	if nd.eng != nil {
		return nd.eng.Record()
	}
	return nd.saved
}

// Engine is the node's engine, for looking at: its table, sessions and counters. It is nil while
// the node is down, and another one after a restart. What makes the engine send goes through the
// node, or through Do.
func (nd *Node) Engine() *engine.Engine { return nd.eng }

// Config is the configuration that the engine was made with.
func (nd *Node) Config() engine.Config { return nd.config }

// Running reports whether the node has neither crashed nor been suspended.
func (nd *Node) Running() bool { return nd.eng != nil && !nd.suspended }

// Clock is the node's own clock. It starts at 0 when the node does, and is what its engine knows of
// time.
func (nd *Node) Clock() time.Duration {
	if nd.stopped != never {
		return nd.stopped
	}
	return nd.n.now - nd.offset
}

// Uptime is how long ago the node was started last, on the network's clock.
func (nd *Node) Uptime() time.Duration { return nd.n.now - nd.started }

// Do calls f with the node's worker, to do with the engine what the node has no method for. It
// reports ErrDown while the node is not running.
func (nd *Node) Do(f func(*engine.Worker)) error {
	if !nd.Running() {
		return ErrDown
	}
	nd.w.Begin(nd.Clock())
	f(nd.w)
	nd.settle()
	return nil
}

// Crash ends the node without a farewell. Its requests never end. It keeps its addresses, at which
// nobody listens.
func (nd *Node) Crash() {
	if nd.eng == nil {
		return
	}
	nd.saved = nd.eng.Record()
	nd.known = nd.known[:0]
	for n, s := range nd.eng.Table().All() {
		if s.Live && len(nd.known) < maxKnown {
			nd.known = append(nd.known, n.Record)
		}
	}
	nd.n.past.count(nd)
	nd.eng, nd.w = nil, nil
	nd.wakeAt = never
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
	for _, p := range nd.ports() {
		if p.host != nil {
			nd.n.detach(p)
		}
	}
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
	if !nd.Running() || d <= 0 {
		return
	}
	if mode == ClockStops {
		nd.stopped = nd.Clock()
	}
	nd.suspended = true
	life := nd.life
	nd.n.After(d, func() {
		if nd.life != life || nd.eng == nil {
			return
		}
		nd.suspended, nd.stopped = false, never
		if mode == ClockStops {
			nd.offset += d
		}
		nd.wakeAt = never
		if nd.audit != nil {
			nd.audit.resumed()
		}
		nd.settle()
	})
}

// JumpClock sets the node's clock forward by d at once. Clocks of engines are monotonic: it does
// nothing if d is not positive.
func (nd *Node) JumpClock(d time.Duration) {
	if !nd.Running() || d <= 0 {
		return
	}
	nd.offset -= d
	nd.settle()
}
