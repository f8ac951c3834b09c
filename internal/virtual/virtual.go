// Package virtual is the contract between a node of the root package and a simulated machine of
// package simnet. It is internal, so that only this module can make machines.
//
// A node that is given a [Conn] takes its time, its randomness and its waiting from the Conn's
// [Machine], and starts no goroutine. The machine calls the node instead, through [Node]: when a
// datagram arrives, when a handshake task waits, and when a tick is due.
//
//	program ── discv5.New(Config{Conns: ...}) ──► discv5.Node ── Machine: Now, Wait, Go ──► simnet
//	                                                  ▲                                       │
//	                                                  └──── Node: Receive, RunTask, Tick ─────┘
package virtual

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
)

// TickInterval is the time between two ticks, which look after timeouts and maintenance.
const TickInterval = 50 * time.Millisecond

// Conn is a fastpath.Conn of a simulated machine.
type Conn interface {
	fastpath.Conn
	// Machine returns the machine that the Conn belongs to.
	Machine() Machine
}

// ErrNested reports a call that waits, made from where nothing may wait: from a function that the
// simulated network calls while it handles an event.
var ErrNested = errors.New("simnet: a call that waits was made from within an event")

// Machine is where a node runs. Its methods are safe for concurrent use.
type Machine interface {
	// Now returns the machine's monotonic clock.
	Now() time.Duration
	// Time returns the machine's wall clock.
	Time() time.Time
	// Random returns the source of the node's randomness.
	Random() io.Reader
	// Configure completes the configuration of the node's engine.
	Configure(*engine.Config)

	// Start has the machine call n from now on. It fails if the machine runs another node.
	Start(n Node) error
	// Stop ends that. When it returns the machine begins no further call.
	Stop()
	// Changed tells the machine that the node was used by the program: the node's next tick may be
	// due earlier than it was.
	Changed()

	// Go calls f as a goroutine of the simulated program.
	Go(f func())
	// Wait receives from channel a or b and reports whether it was b. b may be nil. Wait returns
	// the error of ctx if that ends first, and ErrNested where nothing may wait.
	Wait(ctx context.Context, a, b <-chan struct{}) (fromB bool, err error)
	// After returns a channel that is closed when d has passed on the network's clock.
	After(d time.Duration) <-chan struct{}
}

// Node is a node as its machine sees it. The machine makes one call at a time.
type Node interface {
	// Engine returns the node's engine.
	Engine() *engine.Engine
	// Receive handles a datagram that has arrived at c. It may change b.
	Receive(c fastpath.Conn, from netip.AddrPort, b []byte)
	// RunTask runs one handshake task. It reports false if none waits.
	RunTask() bool
	// Tick does what time has made due.
	Tick()
	// NextTick returns the time, on the machine's clock, from which Tick has something to do; see
	// engine.Worker.NextTick.
	NextTick() time.Duration
	// Do calls f with the worker that carries out the program's requests.
	Do(f func(*engine.Worker))
}
