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
	"github.com/fastdisc/discv5/topic"
)

// PeerSet counts how often each endpoint is held; see Config.Peers. fastpath.SourceFilter is one.
type PeerSet interface {
	// Hold says that the node expects datagrams from an endpoint.
	Hold(from netip.AddrPort)
	// Release takes one call of Hold back.
	Release(from netip.AddrPort)
}

// Config configures an engine. The zero value of a field stands for its default.
type Config struct {
	// Key is the identity of the node and Record its signed record. Both are required, and the
	// record must belong to the key.
	Key    *enr.PrivateKey
	Record *enr.Record

	// Protocol is the identity of the network; default codec.DefaultProtocol.
	Protocol codec.Protocol

	// IPv4 and IPv6 say which address families the node can send with.
	IPv4, IPv6 bool

	// LocalAddr returns the IP address that a Via stands for, or an invalid one. It must be quick.
	// Without it no local address is known.
	LocalAddr func(Via) netip.Addr

	// Peers, if not nil, is told which endpoints the node expects datagrams from: those of
	// sessions, and those that requests wait for. Locks are held during its calls.
	Peers PeerSet

	// Session configures the session map. New sets its Seed and Protocol, and Hold and Release if
	// there are Peers.
	Session session.Config
	// Table configures the node table. New sets its Self, Seed and OnChange.
	Table table.Config

	// RequestTimeout bounds the time from when a request leaves until its response; default 1 s.
	// HandshakeTimeout bounds the time that a handshake waits for this node once the WHOAREYOU of
	// the peer has arrived; default 1 s. A request always ends within 3*RequestTimeout +
	// HandshakeTimeout per attempt.
	RequestTimeout, HandshakeTimeout time.Duration

	// Resend is the number of retries to the same address when no response comes in time; default
	// 0.
	Resend int

	// MaxRequests bounds the outstanding requests, MaxPeerRequests those to one peer. More end with
	// ErrBusy. Defaults: DefaultMaxRequests, DefaultMaxPeerRequests.
	MaxRequests, MaxPeerRequests int

	// MaxTasks bounds the handshakes of other nodes that wait; default DefaultMaxTasks. Tasks of
	// this node's own requests have a separate queue of the same length.
	MaxTasks int

	// DetectAddress is the number of votes that an endpoint needs before the record names it;
	// default DefaultDetectAddress. Inside a private network 3 are enough. A negative number turns
	// detection off: the record stays as it is.
	DetectAddress int
	// ReachWait is the shortest time for which an endpoint that was voted for, or saved, stays in
	// the record; default DefaultReachWait. If it is negative, the endpoint stays until the votes
	// set another one. Otherwise the endpoint is revoked once ReachMisses networks, default
	// DefaultReachMisses, speak against it within six times ReachWait. A network does so if this
	// node had to find a node there that did not find it, or if a node from there came in at
	// another endpoint. In a large table it takes an eighth of the live nodes. Against a proven
	// endpoint it takes four times as many.
	ReachWait   time.Duration
	ReachMisses int
	// ReachRetry is the time for which votes for a revoked IP address are ignored; default
	// DefaultReachRetry. Votes for other addresses count.
	ReachRetry time.Duration
	// Addresses holds the saved state of the endpoints that Record names: their sources, and what
	// the node knew about them before the restart. Without it their source is AddressInterface.
	Addresses []AddressState

	// SaveRecord, if not nil, stores a new local record before any peer sees it, so that a restart
	// cannot fall back behind its sequence number. It may block: Tick and UpdateRecord call it.
	SaveRecord func(*enr.Record) error

	// Access lists the nodes that are banned, permitted, or outside of the allowed networks. nil
	// allows all.
	Access *limits.Access
	// These limit, for each source: Unverified datagrams that do not open, Handshake handshakes
	// that answer a live challenge, and Verified requests inside sessions. nil does not limit.
	// Package limits explains why they are separate.
	Unverified, Handshake, Verified *limiter.Limiter

	// TalkLimit limits TALKREQ of registered protocols in place of Verified, because such a
	// protocol may carry a stream.
	TalkLimit *limiter.Limiter

	// ExemptPrivate says when private networks are exempt from the limits by prefix and from the
	// rate limits; default ExemptAuto. For ExemptAuto, Public says that this node can be reached at
	// a global address whatever its record names. See SetPublic.
	ExemptPrivate ExemptPrivate
	Public        bool

	// MaxLookups bounds the lookups under way, those of the node itself included; default
	// DefaultMaxLookups.
	MaxLookups int

	// Records is the size of the cache of verified records; default DefaultRecords.
	Records int
	// RecordCache, if not nil, replaces that cache. Engines of one process may share it.
	RecordCache *enr.Cache

	// NodesBuffers, if not nil, lends the memory for NODES responses. Engines of one process may
	// share it.
	NodesBuffers *NodesBuffers

	// Curve does the arithmetic of handshakes; default secp256k1. Simulations may use another one,
	// which only packages of this module can make. Records are always verified with secp256k1.
	Curve curve.Curve

	// RefreshInterval is the time between two lookups that refresh the table; default 30 s. Lookups
	// are more frequent while the table is nearly empty.
	RefreshInterval time.Duration

	// Random seeds the generators of the workers and makes ephemeral keys; default crypto/rand.
	// Several goroutines read from it.
	Random io.Reader

	// LowPorts allows to contact and relay nodes at ports below netaddr.MinPort because others
	// named them.
	LowPorts bool

	// Registrar, if not nil, makes the node a registrar of topics. Its Self, Random and Expired are
	// filled in. Record must have the capability entry, see enr.Builder.SetTopicVersion.
	Registrar *topic.Config

	// Talk handles TALKREQ of registered protocols; see TalkHandler. Without it every protocol is
	// unknown.
	Talk TalkHandler
	// OnEvent, if not nil, receives events. It must not block.
	OnEvent func(Event)
	// Answer, if not nil, replaces the records of responses. It is for simulations of nodes that
	// lie. It gets the type of the response, NODES or TOPICNODES, the point that distances are
	// measured from (the node's own ID or a topic), the distances that the request names, and the
	// records that an honest node returns. It must not block.
	Answer func(t codec.MessageType, from enr.ID, distances []uint, honest [][]byte) [][]byte
	// OnRegistration, if not nil, is told what the registrar has decided about each REGTOPIC. It is
	// for simulations that audit the registrar. It must neither block nor keep q.
	OnRegistration func(id codec.RequestID, q *topic.Request, v topic.Verdict)
}

// Defaults of Config. A request takes some 400 bytes and its message. With 2,048 outstanding
// requests of 1,100 bytes, one peer gets 20 MB/s at a round trip of 100 ms.
const (
	DefaultMaxRequests     = 16384
	DefaultMaxPeerRequests = 2048
	DefaultMaxTasks        = 1024
	DefaultMaxLookups      = 64
	DefaultRecords         = 4096

	DefaultRequestTimeout  = time.Second
	DefaultRefreshInterval = 30 * time.Second
)

// Errors of New.
var (
	ErrNoKey       = errors.New("discv5: no private key")
	ErrNoRecord    = errors.New("discv5: no local record")
	ErrRecordOwner = errors.New("discv5: local record does not belong to the private key")
	ErrRecordOld   = errors.New("discv5: local record is older than the one before")
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
	}{{&c.MaxRequests, DefaultMaxRequests}, {&c.MaxPeerRequests, DefaultMaxPeerRequests}, {&c.MaxTasks, DefaultMaxTasks}, {&c.Records, DefaultRecords}, {&c.MaxLookups, DefaultMaxLookups}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&c.RequestTimeout, DefaultRequestTimeout}, {&c.HandshakeTimeout, DefaultRequestTimeout}, {&c.RefreshInterval, DefaultRefreshInterval}} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if c.DetectAddress == 0 {
		c.DetectAddress = DefaultDetectAddress
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

// ErrNoEndpoint means that a record names no UDP endpoint that this node can send to.
var ErrNoEndpoint = errors.New("discv5: record has no endpoint that can be reached from here")

// PeerOf returns the Peer of a record that the operator gave. If the record names two endpoints,
// PeerOf prefers one that is known to work, then the one that more hosts can reach, then IPv4.
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
