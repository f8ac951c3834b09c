package discv5

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/monotime"
	"github.com/fastdisc/discv5/internal/virtual"
)

// A node is simulated if its Conns belong to a machine of package simnet. Then it starts no
// goroutines and reads no clock of the system: the machine steps it, on virtual time.

// machineOf returns the machine that the Conns belong to, or nil if they are not simulated. Sockets
// and Conns of different machines cannot be mixed.
func (c *Config) machineOf() (m virtual.Machine, err error) {
	simulated := 0
	for _, o := range c.Conns {
		v, ok := o.(virtual.Conn)
		if !ok {
			continue
		}
		if simulated++; m != nil && m != v.Machine() {
			return nil, fmt.Errorf("%w: Conns of different simulated machines", ErrConfig)
		}
		m = v.Machine()
	}
	if simulated > 0 && simulated < len(c.Conns)+len(c.ListenAddrs)+len(c.PacketConns) {
		return nil, fmt.Errorf("%w: sockets beside Conns of a simulated machine", ErrConfig)
	}
	return m, nil
}

// random is the source of everything that the node leaves to chance.
func (n *Node) random() io.Reader {
	if n.machine != nil {
		return n.machine.Random()
	}
	return crand.Reader
}

// nodeClock is the node's monotonic clock: that of the system or of a simulated machine.
type nodeClock struct {
	monotime.Clock
	machine virtual.Machine // nil: the system's
}

// Now is the time since the node was made.
func (c *nodeClock) Now() time.Duration {
	if c.machine != nil {
		return c.machine.Now()
	}
	return c.Clock.Now()
}

// At returns the time of day at which Now was or will be d.
func (c *nodeClock) At(d time.Duration) time.Time {
	if c.machine != nil {
		return c.machine.Time().Add(d - c.machine.Now())
	}
	return c.Clock.At(d)
}

// timeNow returns the time of day.
func (n *Node) timeNow() time.Time {
	if n.machine != nil {
		return n.machine.Time()
	}
	return time.Now()
}

// spawn calls f in a goroutine.
func (n *Node) spawn(f func()) {
	if n.machine != nil {
		n.machine.Go(f)
		return
	}
	go f()
}

// wait receives from channel a or b and reports whether it was b. b may be nil. wait returns the
// context's error if the context ends first.
func (n *Node) wait(ctx context.Context, a, b <-chan struct{}) (fromB bool, err error) {
	if n.machine != nil {
		return n.machine.Wait(ctx, a, b)
	}
	select {
	case <-a:
		return false, nil
	case <-b:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// changed tells a simulated machine that the next tick may be due earlier. The tick loop of a node
// that is not simulated looks twenty times a second.
func (n *Node) changed() {
	if n.machine != nil {
		n.machine.Changed()
	}
}

// batch returns how many datagrams a Tx holds. A simulated network has no use for batches.
func (n *Node) batch() int {
	if n.machine != nil {
		return 1
	}
	return batchSize
}

// stepped is a simulated node as its machine calls it. It takes the place of all worker loops.
type stepped struct {
	workerLoop
	other OtherProtocolHandler
}

// startStepped has the machine step the node.
func (n *Node) startStepped() error {
	d, err := n.newWorkerLoop()
	if err != nil {
		return err
	}
	if err := n.machine.Start(&stepped{*d, n.cfg.OtherProtocol}); err != nil {
		return errorf("discv5: %w", err)
	}
	return nil
}

// Engine implements virtual.Node.
func (s *stepped) Engine() *engine.Engine { return s.n.engine }

// Receive implements virtual.Node.
func (s *stepped) Receive(c fastpath.Conn, from netip.AddrPort, b []byte) {
	if s.n.state.Load() != stateStarted || len(b) > codec.MaxPacketSize && s.other == nil {
		return
	}
	via := engine.Via(0)
	for i, g := range s.n.groups {
		if g.Conns()[0] == c {
			via = viaOf(i)
		}
	}
	s.w.Begin(s.n.clock.Now())
	if !s.w.AddVia(via, from, b) && s.other != nil {
		s.n.otherVias.note(from, via)
		s.other.OtherProtocol(from, b)
	}
	s.w.Flush()
	s.out.flush()
}

// RunTask implements virtual.Node.
func (s *stepped) RunTask() bool {
	if s.n.state.Load() != stateStarted {
		return false
	}
	s.w.Begin(s.n.clock.Now())
	ran := s.w.RunTask()
	s.out.flush()
	return ran
}

// Tick implements virtual.Node.
func (s *stepped) Tick() {
	if s.n.state.Load() == stateStarted {
		s.w.Tick(s.n.clock.Now())
		s.out.flush()
	}
}

// NextTick implements virtual.Node.
func (s *stepped) NextTick() time.Duration { return s.w.NextTick() }

// Do implements virtual.Node.
func (s *stepped) Do(f func(*engine.Worker)) { s.n.requester.do(f) }
