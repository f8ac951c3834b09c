package engine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

// Config says how an engine behaves. Zero values give the defaults that are named.
type Config struct {
	// Key is the node's identity and Record its signed record. Both are required and belong
	// together.
	Key    *enr.PrivateKey
	Record *enr.Record

	// Protocol is the identity of the network; default codec.DefaultProtocol.
	Protocol codec.Protocol

	// IPv4 and IPv6 tell over which families the node can send.
	IPv4, IPv6 bool

	// LocalAddr tells which IP address a Via stands for, or returns an invalid one. It must be
	// quick. Without it no local address is known.
	LocalAddr func(Via) netip.Addr

	// Session sizes the session map. Its Seed and Protocol are filled in.
	Session session.Config
	// Table sizes the node table. Its Self, Seed and OnChange are filled in.
	Table table.Config

	// RequestTimeout is how long an answer may take from when the request leaves; default 1 s.
	// HandshakeTimeout is how long a handshake may wait for this node once the peer's WHOAREYOU has
	// arrived; default 1 s. Whatever happens, a request ends within 3*RequestTimeout +
	// HandshakeTimeout, for each attempt.
	RequestTimeout, HandshakeTimeout time.Duration

	// Resend is how often a request is sent again to the same address if no answer comes in time;
	// default 0.
	Resend int

	// MaxRequests bounds the requests under way, MaxPeerRequests those to one peer. Further ones
	// end with ErrBusy. Defaults: DefaultMaxRequests, DefaultMaxPeerRequests.
	MaxRequests, MaxPeerRequests int

	// MaxTasks bounds the handshakes of other nodes that wait; default DefaultMaxTasks. Tasks that
	// follow from this node's own requests have a queue of the same length.
	MaxTasks int

	// VoteMin is how many votes of peers an endpoint of this node needs before its record names it;
	// default DefaultVoteMin. Inside a private network 3 are enough. Negative: the record stays as
	// it is.
	VoteMin int
	// ReachWait is how long an endpoint that votes have set, or that was saved, stays in the record
	// at least; default DefaultReachWait. Negative: it stays until the votes set another one. After
	// that time it is revoked once ReachMisses networks, default DefaultReachMisses, speak against
	// it within six times ReachWait: networks of nodes that this node had to find, as they did not
	// find it, or that have come in at another endpoint. In a large table an eighth of its live
	// nodes are needed, and four times as many against an endpoint that is proven.
	ReachWait   time.Duration
	ReachMisses int
	// ReachRetry is for how long votes for an IP address that was revoked are not heard; default
	// DefaultReachRetry. Votes for other addresses are.
	ReachRetry time.Duration
	// Addresses tells what is known of the endpoints that Record names: their sources, and what was
	// known in an earlier life of the node. Without it they are AddressInterface.
	Addresses []AddressState

	// SaveRecord, if not nil, is given a new local record before any peer sees it, so that a
	// restart cannot fall back behind its sequence number. It may block: it is called from Tick or
	// from UpdateRecord.
	SaveRecord func(*enr.Record) error

	// Access lists who is banned, permitted or outside of the networks that this node talks to;
	// nil: nobody.
	Access *limits.Access
	// Unverified limits datagrams that do not open, Handshake handshakes that answer a live
	// challenge, and Verified the requests inside sessions; each by source. nil does not limit. See
	// package limits for why they are apart.
	Unverified, Handshake, Verified *limiter.Limiter

	// TalkLimit limits TALKREQ of registered protocols in place of Verified: such a protocol may
	// carry a stream.
	TalkLimit *limiter.Limiter

	// ExemptPrivate says when private networks are exempt from the limits by prefix and from the
	// rate limits; default ExemptAuto, for which Public says that this node can be reached at a
	// global address whatever its record names. See SetPublic.
	ExemptPrivate ExemptPrivate
	Public        bool

	// Records is how many verified records are remembered; default 4096.
	Records int
	// RecordCache, if not nil, remembers them instead: engines of one process may share it.
	RecordCache *enr.Cache

	// Answers, if not nil, is memory for NODES answers that this engine shares with others of the
	// process.
	NodesBuffers *NodesBuffers

	// Curve does the arithmetic of handshakes; default secp256k1. Another one is for simulations,
	// of which the packages of this module alone can make any: nobody else can name the type.
	// Records are verified with secp256k1 in any case.
	Curve curve.Curve

	// Bootnodes are asked when the table is empty.
	Bootnodes []Peer

	// RefreshInterval is the time between two lookups that refresh the table; default 30 s. While
	// the table is nearly empty they are made more often.
	RefreshInterval time.Duration

	// Random seeds the generators of the workers and makes ephemeral keys; default crypto/rand.
	// Reads come from several goroutines.
	Random io.Reader

	// LowPorts has nodes contacted and relayed that others say are at ports below MinPort.
	LowPorts bool

	// Talk handles TALKREQ of registered protocols; see TalkHandler. Without it every protocol is
	// unknown.
	Talk TalkHandler
	// OnEvent is called with what happens; see Event. It must return at once.
	OnEvent func(Event)
}

// Defaults of Config. A request takes some 400 bytes and its message. 2048 requests of 1,100 bytes
// to one peer are 20 MB/s at a round trip of 100 ms.
const (
	DefaultMaxRequests     = 16384
	DefaultMaxPeerRequests = 2048
	DefaultMaxTasks        = 1024
)

// Errors of New.
var (
	ErrNoKey       = errors.New("engine: no private key")
	ErrNoRecord    = errors.New("engine: no local record")
	ErrRecordOwner = errors.New("engine: local record does not belong to the private key")
	ErrRecordOld   = errors.New("engine: local record is older than the one before")
)

func (c *Config) setDefaults() error {
	switch {
	case c.Key == nil:
		return ErrNoKey
	case c.Record == nil:
		return ErrNoRecord
	case c.Record.ID() != c.Key.ID():
		return ErrRecordOwner
	}
	if c.Protocol == (codec.Protocol{}) {
		c.Protocol = codec.DefaultProtocol
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Curve == nil {
		c.Curve = curve.Default()
	}
	for _, d := range []struct {
		v   *int
		def int
	}{{&c.MaxRequests, DefaultMaxRequests}, {&c.MaxPeerRequests, DefaultMaxPeerRequests}, {&c.MaxTasks, DefaultMaxTasks}, {&c.Records, 4096}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&c.RequestTimeout, time.Second}, {&c.HandshakeTimeout, time.Second}, {&c.RefreshInterval, 30 * time.Second}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if c.VoteMin == 0 {
		c.VoteMin = DefaultVoteMin
	}
	if c.ReachMisses <= 0 {
		c.ReachMisses = DefaultReachMisses
	}
	if c.ReachRetry <= 0 {
		c.ReachRetry = DefaultReachRetry
	}
	if c.ReachWait == 0 {
		c.ReachWait = DefaultReachWait
	}
	return nil
}

// Peer is a node and the endpoint at which to contact it. Record or PublicKey is needed for a
// handshake; without both, a request needs a session.
type Peer = lookup.Peer

// ErrNoEndpoint: a record names no UDP endpoint that this node can send to.
var ErrNoEndpoint = errors.New("engine: record has no endpoint that can be reached from here")

// PeerOf makes a Peer of a record that the operator gave. Of two endpoints it takes the one that is
// known to work, else the one that more can reach, else IPv4.
func (e *Engine) PeerOf(r *enr.Record) (Peer, error) {
	addr, ok := e.given(time.Duration(e.ticked.Load()), r)
	if !ok {
		if err := r.CheckUDP(); err != nil {
			return Peer{}, fmt.Errorf("%w: node %s: %w", ErrNoEndpoint, r.ID().Short(), err)
		}
		return Peer{}, fmt.Errorf("%w: node %s", ErrNoEndpoint, r.ID().Short())
	}
	return lookup.NewPeer(r, addr), nil
}
