package load

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// Bounds of Config.
const (
	MaxIdentities = 1 << 18 // 512 MiB
	MaxSeeded     = 1 << 20 // identities with sessions from a seed: 1 GiB
	MaxJunkIDs    = 1 << 20
	MaxTopics     = 10_000
	MaxWindow     = 1 << 16
	MaxRate       = 10_000_000
	MaxSockets    = 1 << 14
	MaxWorkers    = 64
	MaxTimeout    = time.Minute
	// MaxOutstanding is the largest Config.Outstanding.
	MaxOutstanding = 1 << 20
	// MaxTalk is the largest sum of the sizes of a TALK protocol and payload, in bytes.
	MaxTalk = codec.MaxTalkRequest
)

// Defaults of Config.
const (
	DefaultWindow = 256
	// handshakes take a target milliseconds, and their challenges end after a second
	DefaultHandshakeWindow = 64
	DefaultIdentities      = 1000
	DefaultSockets         = 64 // or one for each identity, if there are fewer
	DefaultTimeout         = time.Second
	DefaultTalkProtocol    = "load"
	DefaultTopics          = 20
	DefaultBuffer          = fastpath.BusyRecvBuffer
)

// helloSize is the size in bytes of a message that nobody can open, as it begins a handshake.
const helloSize = codec.MessageHeaderSize + codec.TagSize + 1

// DefaultDistances are the farthest log distances: half of all nodes are at 256, a quarter at 255,
// so that their buckets are full in any network of some size.
func DefaultDistances() []uint { return []uint{256, 255, 254} }

// ErrConfig is wrapped by errors about a Config or Plan that cannot be used.
var ErrConfig = errors.New("invalid configuration")

// Config says which target a Generator loads, and how. Zero values of all fields but Target and Mix
// give the stated defaults.
type Config struct {
	Target Target
	// Public allows a target for which Local is false. Set it for nodes of your own only.
	Public bool

	Mix Mix

	// Rate is how many requests leave in a second, in an open loop. 0 makes a closed loop with
	// Window requests under way.
	Rate float64
	// Poisson draws the times between requests at random, as those of independent clients are.
	// Otherwise they are equal.
	Poisson bool
	// Window of the closed loop. Default: DefaultWindow, or DefaultHandshakeWindow for handshakes
	// alone.
	Window int

	// Identities that have sessions. Default: DefaultIdentities. Handshakes of bad forms come from
	// as many, in turn.
	Identities int
	// JunkIDs is how many node IDs junk comes from, in turn. 0 makes up a new one for each packet.
	JunkIDs   int
	Handshake HandshakeForm
	// Distances of FINDNODE, REGTOPIC and TOPICQUERY. Default: DefaultDistances.
	Distances []uint
	// Topics is how many topics there are; identities take turns with them. Default: DefaultTopics.
	Topics int
	// Tickets is what registrations do with the tickets that they get.
	Tickets TicketForm
	// TalkProtocol and the size of the payload in bytes. Default: DefaultTalkProtocol; 0 is an
	// empty payload.
	TalkProtocol string
	TalkSize     int
	// RepeatJunk sends the same message for a node ID of JunkIDs each time, as a peer that retries
	// does. Otherwise each message has a nonce of its own.
	RepeatJunk bool
	// JunkSize is the size of junk packets in bytes. Default: that of a PING.
	JunkSize int

	// Sources are the local addresses that requests leave from. Default: loopback for a target
	// there, else the wildcard.
	Sources []netip.Addr
	// Sockets, each with a port of its own, are shared out among sources and workers; there is at
	// least one for each of both. Default: DefaultSockets, or fewer where there are fewer
	// identities.
	Sockets int
	// Workers are goroutines that share the load. Default: 1.
	Workers int
	// GSOBatch is how many requests may leave in one system call, at most fastpath.MaxSegments.
	// Default: an eighth of the window; in an open loop those that are due in a tenth of a
	// millisecond. By default at most 8 if the mix has several kinds.
	GSOBatch int
	// Timeout is how long an answer may take. Handshakes get twice as much. Default:
	// DefaultTimeout.
	Timeout time.Duration
	// Outstanding bounds the exchanges that are under way or remembered, of 88 bytes each. Requests
	// that find no room are not sent and counted in Counts.Unsent. Default: what window or rate
	// need, at most MaxOutstanding.
	Outstanding int
	// Poll never sleeps while it waits for answers. A sleeping receiver has to be woken, and on
	// loopback the sender, here the target, is charged for that.
	Poll bool
	// DisableGSO sends without UDP_SEGMENT and receives without UDP_GRO. DisableGRO receives
	// without UDP_GRO: on loopback the target is then charged for splitting its batches, as a
	// network card would not do for it. Portable makes one system call for each datagram.
	DisableGSO, DisableGRO, Portable bool
	// Buffer is the size in bytes to ask for each socket's buffers. Default: DefaultBuffer.
	Buffer int

	// Echo says that the target is not a node and answers every datagram by datagrams of these
	// sizes. No handshakes are made, requests are sealed with made-up keys, and answers are told by
	// their size and order. It is for comparing a node with a server that does nothing.
	Echo []int

	// SessionSeed, if not 0, makes the sessions from this number, without handshakes: session i is
	// SeededSession(SessionSeed, i). The target must have the same ones. Sessions take turns with
	// the sockets, in the order of Generator.Addrs.
	SessionSeed uint64
	// PrepareWindow is how many handshakes Prepare has under way at a time. Default:
	// DefaultHandshakeWindow. Slow targets with small receive buffers need fewer.
	PrepareWindow int
	// Trip is the time from a WHOAREYOU to its handshake, for requests of kind Handshake: the round
	// trip of a far peer. It is not part of the measured latency.
	Trip time.Duration

	// Protocol is the identity of the network. Default: codec.DefaultProtocol.
	Protocol codec.Protocol

	endpoints bool // records of identities name the endpoints that they send from
}

// withDefaults returns a checked copy.
func (c Config) withDefaults() (Config, error) {
	bad := func(format string, args ...any) (Config, error) {
		return c, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
	}
	if err := c.Target.check(c.Public); err != nil {
		return c, err
	}
	c.Target.Addr = netaddr.NormalizePort(c.Target.Addr)
	for k, w := range c.Mix {
		if w < 0 || w > MaxWeight {
			return bad("weight %d of %v", w, Kind(k))
		}
	}
	if c.Mix.kinds() == 0 {
		return bad("no kind has a weight")
	}
	if len(c.Echo) > 0 && (!c.Mix.sessions() || c.Mix[Handshake]+c.Mix[Junk] > 0) {
		return bad("an echo server is sent requests of sessions only")
	}
	if c.Rate != 0 && c.Window != 0 {
		return bad("both a rate and a window")
	}
	if c.Rate < 0 || c.Rate > MaxRate || math.IsNaN(c.Rate) {
		return bad("rate %v, want up to %d", c.Rate, MaxRate)
	}
	c.endpoints = c.Mix[RegTopic] > 0
	set(&c.Workers, 1)
	if c.Rate == 0 {
		window := DefaultWindow
		if c.Mix == Only(Handshake) {
			window = DefaultHandshakeWindow
		}
		set(&c.Window, max(window, c.Workers))
	}
	set(&c.Identities, DefaultIdentities)
	set(&c.Topics, DefaultTopics)
	set(&c.Buffer, DefaultBuffer)
	set(&c.Outstanding, MaxOutstanding)
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	set(&c.PrepareWindow, DefaultHandshakeWindow)
	if c.TalkProtocol == "" {
		c.TalkProtocol = DefaultTalkProtocol
	}
	if len(c.Distances) == 0 {
		c.Distances = DefaultDistances()
	}
	if c.Protocol == (codec.Protocol{}) {
		c.Protocol = codec.DefaultProtocol
	}
	if err := c.sockets(); err != nil {
		return c, err
	}
	for _, n := range []struct {
		what        string
		n, from, to int
	}{
		{"window", c.Window, 0, MaxWindow}, {"identities", c.Identities, 1, c.maxIdentities()},
		{"junk-ids", c.JunkIDs, 0, MaxJunkIDs}, {"sockets", c.Sockets, 1, MaxSockets},
		{"workers", c.Workers, 1, MaxWorkers}, {"gso-batch", c.GSOBatch, 0, fastpath.MaxSegments},
		{"size of the TALK request", len(c.TalkProtocol) + max(c.TalkSize, -1), 1, MaxTalk},
		{"outstanding exchanges", c.Outstanding, c.Window, MaxOutstanding},
		{"topics", c.Topics, 1, MaxTopics}, {"form of tickets", int(c.Tickets), 0, len(ticketNames) - 1},
		{"buffer", c.Buffer, 1, math.MaxInt32}, {"handshake form", int(c.Handshake), 0, len(formNames) - 1},
	} {
		if n.n < n.from || n.n > n.to {
			return bad("%s %d, want %d to %d", n.what, n.n, n.from, n.to)
		}
	}
	switch {
	case c.RepeatJunk && c.JunkIDs == 0:
		return bad("repeated junk without a number of node IDs")
	case c.Trip < 0 || c.Trip > MaxTimeout:
		return bad("round trip of %v, want 0 to %v", c.Trip, MaxTimeout)
	case c.PrepareWindow < 1 || c.PrepareWindow > MaxWindow:
		return bad("prepare window %d, want 1 to %d", c.PrepareWindow, MaxWindow)
	case c.SessionSeed != 0 && c.Mix[RegTopic] > 0:
		return bad("registrations with sessions from a seed, which have no records")
	case c.TalkSize < 0:
		return bad("TALK payload of %d bytes", c.TalkSize)
	case c.JunkSize != 0 && (c.JunkSize < helloSize || c.JunkSize > codec.MaxPacketSize):
		return bad("junk of %d bytes, want %d to %d", c.JunkSize, helloSize, codec.MaxPacketSize)
	case c.Timeout < time.Millisecond || c.Timeout > MaxTimeout:
		return bad("timeout %v, want 1ms to %v", c.Timeout, MaxTimeout)
	case c.Window > 0 && c.Window < c.Workers:
		return bad("window %d for %d workers", c.Window, c.Workers)
	case slices.ContainsFunc(c.Echo, func(n int) bool { return n < codec.MinPacketSize || n > codec.MaxPacketSize }):
		return bad("echo sizes %v, want %d to %d bytes each", c.Echo, codec.MinPacketSize, codec.MaxPacketSize)
	case len(c.Distances) > 64 || slices.ContainsFunc(c.Distances, func(d uint) bool { return d > codec.MaxDistance }):
		return bad("distances %v, want at most 64 of 0 to %d", c.Distances, codec.MaxDistance)
	}
	c.gsoBatch()
	return c, nil
}

// maxIdentities is the largest Config.Identities.
func (c *Config) maxIdentities() int {
	if c.SessionSeed != 0 {
		return MaxSeeded
	}
	return MaxIdentities
}

func set(n *int, def int) {
	if *n == 0 {
		*n = def
	}
}

// sockets settles sources and sockets.
func (c *Config) sockets() error {
	to := c.Target.Addr.Addr()
	if len(c.Sources) == 0 {
		source := netip.IPv6Unspecified()
		switch {
		case to.Is4() && to.IsLoopback():
			source = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case to.Is4():
			source = netip.IPv4Unspecified()
		case to.IsLoopback():
			source = netip.IPv6Loopback()
		}
		c.Sources = []netip.Addr{source}
	}
	for _, s := range c.Sources {
		if !s.IsValid() || s.Unmap().Is4() != to.Is4() {
			return fmt.Errorf("%w: source %v for a target at %v", ErrConfig, s, to)
		}
	}
	least := max(len(c.Sources), c.Workers)
	if c.Sockets == 0 {
		c.Sockets = DefaultSockets
		if c.Mix.sessions() {
			c.Sockets = min(c.Sockets, c.Identities)
		}
		c.Sockets = max(c.Sockets, least)
	}
	if c.Sockets < least {
		return fmt.Errorf("%w: %d sockets for %d sources and %d workers", ErrConfig, c.Sockets, len(c.Sources), c.Workers)
	}
	if c.Mix.sessions() && c.Identities < c.Workers {
		return fmt.Errorf("%w: %d identities for %d workers", ErrConfig, c.Identities, c.Workers)
	}
	return nil
}

// gsoBatch sets the default of GSOBatch.
func (c *Config) gsoBatch() {
	if c.GSOBatch > 0 {
		return
	}
	n, longest := c.Window/c.Workers/8, fastpath.MaxSegments
	if c.Rate > 0 {
		n = int(c.Rate / float64(c.Workers) / 10_000)
	}
	if c.Mix.kinds() > 1 {
		longest = mixedBatch
	}
	c.GSOBatch = max(1, min(n, longest))
}

// mixedBatch is how many requests of one kind follow one another in a mix of several kinds.
const mixedBatch = 8

// sealedLength is how many requests of one kind are sealed one after another.
func (c *Config) sealedLength() int {
	if c.Mix.kinds() > 1 {
		return min(c.GSOBatch, mixedBatch)
	}
	return c.GSOBatch
}

// outstanding is how many exchanges a worker has room for, those that are remembered after their
// end included.
func (c *Config) outstanding() int {
	n := 4 * (c.Window/c.Workers + 1)
	if c.Rate > 0 {
		n = int(min(c.Rate*c.Timeout.Seconds()*3, MaxOutstanding)) / c.Workers
	}
	return max(1, min(n+1024, c.Outstanding/c.Workers))
}

// share is how much of n falls to a worker.
func share(n, worker, workers int) int { return n/workers + btoi(worker < n%workers) }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
