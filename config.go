package discv5

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

// DefaultPort is the UDP port that a node listens on by default.
const DefaultPort = 9000

// Defaults of Config.
const (
	DefaultRecvBuffer         = fastpath.BusyRecvBuffer // bytes, for each socket
	DefaultSendBuffer         = fastpath.BusySendBuffer
	DefaultMaxSessions        = session.DefaultMaxSessions
	DefaultMaxChallenges      = session.DefaultMaxChallenges
	DefaultSessionIdleTimeout = session.DefaultIdleTimeout
	DefaultTalkConcurrency    = 1024
	DefaultRequestTimeout     = engine.DefaultRequestTimeout
	DefaultRefreshInterval    = engine.DefaultRefreshInterval
	DefaultMaxRequests        = engine.DefaultMaxRequests
	DefaultMaxPeerRequests    = engine.DefaultMaxPeerRequests
	DefaultMaxLookups         = engine.DefaultMaxLookups
	DefaultMaxTasks           = engine.DefaultMaxTasks
	DefaultMaxRecords         = engine.DefaultRecords
)

// Config configures a node. The zero value is a node with a new key that listens on port 9000 of
// all addresses and knows no other node.
type Config struct {
	// PrivateKey is the node's identity. Default: a new one.
	PrivateKey *enr.PrivateKey

	// ListenAddrs are the UDP addresses to listen on: IPv4, IPv6 or both. Port 0 takes a free one.
	// Default: port 9000 of all IPv4 and, if the system has it, all IPv6 addresses.
	ListenAddrs []netip.AddrPort

	// PacketConns are sockets of the caller to listen on, beside ListenAddrs, which then has no
	// default. Each has one address family. The node reads and writes UDP sockets (*net.UDPConn) in
	// batches; those of one address, which share it by SO_REUSEPORT, count once. Any other
	// net.PacketConn whose addresses are IP addresses, such as a tunnel or a share of another
	// library's socket, moves one datagram per call. The node takes over all of them: only the node
	// may read from them, and it closes them, even if New fails.
	PacketConns []net.PacketConn
	// Conns are additional transports that move datagrams in batches; see fastpath.Conn. The Conns
	// of package simnet put the node on a simulated network, for tests.
	Conns []fastpath.Conn
	// SourceFilter, if not nil, drops datagrams of unknown sources before the node reads them.
	// Those of sessions, and answers that the node waits for, pass. The node closes it. Package
	// fastpath/filter has one for Linux. It excludes OtherProtocol, whose peers it does not know.
	SourceFilter fastpath.SourceFilter
	// Accelerate, if not nil, is called by New with the sockets of the node, one group for each
	// listen address, and returns what receives for them too, by a faster way. The node closes it.
	// Package fastpath/xdp has one for Linux; the packages of a program that does not import it
	// link nothing of it. Conns cannot be accelerated.
	Accelerate func(groups []*fastpath.Group) (fastpath.Accelerator, error)
	// OtherProtocol, if not nil, receives the datagrams of another protocol. Without it the node
	// counts and drops them, most of them in the kernel.
	OtherProtocol OtherProtocolHandler

	// MaySend, if not nil, is called before each system call that sends, from every goroutine that
	// does: it must be quick. While it returns false the node drops the datagrams that it would
	// send, and counts them in Stats.Silenced. It is for a node that shares its identity with a
	// standby, such as one that checks a lease: after a pause of the process, the node must not
	// answer before it has looked. UpdateRecord and SetBootnodes continue to work.
	MaySend func() bool

	// NoEndpoint leaves all addresses out of the record, for a node that looks for others but
	// cannot be reached. Advertise must be empty then, and DetectAddress is off.
	NoEndpoint bool

	// Advertise lists the endpoints in the record, at most one of each family. Port 0 stands for
	// the port that the node listens on. Default: see AdvertisedAddr. If fewer nodes can reach the
	// address of one family than that of the other, the record leaves it out.
	Advertise []netip.AddrPort

	// DetectAddress is how many votes of peers an endpoint needs before the record names it. 0
	// means the default of 10 votes, and -1 turns detection off. Families that Advertise names are
	// left alone. If one of the voters is a bootnode that is not Unvouched, votes for an endpoint
	// count by site (/24, /48). Otherwise they count by wide prefix (/16, /32), and a third of them
	// must come from nodes that this node has found, not from nodes that contacted it first. In a
	// private network 3 votes are enough.
	DetectAddress int
	// ReachWait is the minimum time that an endpoint from votes, or from Previous, stays in the
	// record. Default: 5 minutes. If it is negative, the endpoint stays until votes set another
	// one. Silence alone does not revoke an endpoint. After ReachWait it is revoked once
	// ReachMisses networks, 5 by default, contradict it within six times ReachWait. A network
	// contradicts it if its nodes had to be found by this node and never contacted it, although
	// neighbors name it, or if its nodes came in at another endpoint. If an eighth of the live
	// nodes of the table is more than ReachMisses, that many are needed, and four times as many if
	// nodes that this node had not contacted have reached the endpoint.
	ReachWait   time.Duration
	ReachMisses int
	// ReachRetry is how long votes for a revoked IP address are ignored. Default: 1 hour. It ends
	// early when the machine's own address changes, and when nodes that this node had not contacted
	// reach the address.
	ReachRetry time.Duration

	// Entries, if not nil, sets entries of the node's record, such as the chain that it serves. New
	// calls it once, with the entries of Previous if there is one, so it must also delete entries
	// that are no longer true. It does not set the keys ip, ip6, udp and udp6, which follow from
	// the fields above, nor the sequence number. See UpdateRecord for changes while the node runs.
	Entries func(*enr.Builder)

	// Previous is the node's record of the last run, if there was one. If nothing has changed, the
	// node keeps it; otherwise the new record gets a higher sequence number. A public endpoint in
	// Previous replaces a private one of the machine, and an endpoint that was learned while the
	// machine had its current address stays, unless DetectAddress is off.
	Previous *enr.Record
	// PreviousAddresses is the last result of AddressStates in the last run. Without it the node
	// knows nothing about the endpoints in Previous.
	PreviousAddresses []AddressState

	// SaveRecord, if not nil, stores each new local record after the first one, before any peer
	// sees it. Give the stored record to the next run as Previous. If SaveRecord fails, the record
	// stays as it was. It cannot change the record, like the function given to UpdateRecord: see
	// ErrNested.
	SaveRecord func(*enr.Record) error

	// Store, if not nil, remembers the node's record, its knowledge about its addresses, and other
	// nodes to start from. It provides Previous and PreviousAddresses and gets each new record
	// before SaveRecord does. The node saves every SaveInterval, by default a minute, and in Close.
	// It contacts the nodes of the store like Unvouched bootnodes. Set PrivateKey too: without it
	// each run is another node. The store stays open when the node is closed. See package
	// nodestore.
	Store        NodeStore
	SaveInterval time.Duration

	// Bootnodes are nodes that this one contacts while its table is nearly empty. See Contacts,
	// ContactOf and, for nodes known from the last run, Contact.Unvouched. A bootnode that cannot
	// be contacted causes an EventBootnodeUnusable; see SetBootnodes for when it is an error.
	Bootnodes []Contact

	// Logger, if not nil, gets log lines for an operator from a goroutine of the node: start and
	// end, changes of the node's address, unusable bootnodes, bans, failures, and, while no node
	// answers, the reason (see Node.Diagnose). At level Debug it also gets sessions and changes of
	// the table. The node calls Enabled of its handler on the packet path. A handler that is too
	// slow loses lines, and a line says how many. Default: no log.
	Logger *slog.Logger

	// StaticNodes are nodes that this one stays in contact with as long as it runs, at most
	// MaxStaticNodes. It pings each one every half minute and offers it to the table when it
	// answers. If one does not answer, more pings follow after 1 s, 2 s and so on up to 5 minutes,
	// forever, in turn to the address in its newest record and to the given address. The table
	// treats static nodes like others.
	//
	// TrustedNodes are static nodes that are exempt from limits: they are permitted (see
	// Node.Permit), so that no ban of their IDs and no rate limit applies to their requests; no
	// limit by prefix keeps them out of the table, and there they are neither displaced nor dropped
	// when they fail, though in a full bucket they wait for a slot like others. TableFilter, bans
	// of addresses and the capacity for sessions apply to them. See Node.StaticNodes.
	StaticNodes, TrustedNodes []Contact

	// Sockets is the number of sockets, with a goroutine each, that share a listen address, at most
	// fastpath.MaxSockets. Default: GOMAXPROCS, where the system can spread datagrams among
	// sockets.
	Sockets int
	// RecvBuffer and SendBuffer are the sizes to ask for each socket, in bytes.
	RecvBuffer, SendBuffer int
	// Portable makes one system call for each datagram, even where batches are possible.
	Portable bool
	// DisableGSO turns off UDP GSO and GRO. Otherwise packets to one endpoint enter the kernel as
	// one super-packet, which it splits later (UDP_SEGMENT, Linux 4.18), and packets of one
	// endpoint arrive in GRO batches (UDP_GRO, Linux 5.0), for which each socket has a buffer of
	// 2 MiB.
	// Some combinations of kernel and network card corrupt GSO packets, which are lost then.
	DisableGSO bool

	// MaxSessions bounds the sessions, of at most 2 KiB each; as hashing is uneven, the node may
	// hold up to 1.3 times as many. MaxChallenges bounds the challenges that wait for a handshake,
	// of 52 bytes each; a new one evicts the oldest. The defaults are 16384 and 65536, the maximum
	// is 1<<24.
	MaxSessions, MaxChallenges int

	// SessionIdleTimeout is how long a session lasts without a message in it. Default: 1 hour.
	SessionIdleTimeout time.Duration

	// DropSessionRecords leaves the records of peers out of sessions, which saves up to 700 bytes
	// for each.
	DropSessionRecords bool

	// RequestTimeout is the time for the response to a request. Default: 1 s. A handshake gets the
	// same time in addition.
	RequestTimeout time.Duration
	// Resend is the number of retries of a request without a response. Default: none, as the
	// specification asks. If a node's record has an address of each family, the node tries both in
	// any case.
	Resend int
	// RefreshInterval is the time between two lookups that keep the table fresh. Default: 30 s.
	RefreshInterval time.Duration

	// LowPorts allows the node to contact and relay nodes that others report at ports below 1024.
	// By default such a port counts as another service, to which an unverified report must not make
	// the node send packets.
	LowPorts bool

	// TableFilter, if not nil, decides by its record whether a node may be in the table and in
	// results of lookups. It must be quick, because the node calls it often. Lookups may still ask
	// nodes that it refuses. See Node.ApplyTableFilter.
	TableFilter func(*enr.Record) bool
	// InboundLimit bounds the nodes in a bucket of 16 that contacted this node first. This node has
	// found the others, which is harder for an attacker to arrange. Default: no limit.
	InboundLimit int

	// BucketLimits bounds the nodes of one network prefix in a bucket of the node table, members
	// and replacements together, and TableLimits the members of the whole table. Defaults:
	// table.DefaultBucketLimits and table.DefaultTableLimits. NoPrefixLimits is for test networks
	// whose nodes share a few addresses.
	BucketLimits, TableLimits PrefixLimits
	// ExemptPrivate says when peers at private addresses are exempt from the limits by prefix and
	// from the rate limits. Default, ExemptAuto: while this node itself is private.
	ExemptPrivate ExemptPrivate

	// Access lists who is banned or permitted, and which networks the node talks to; see Ban.
	// Default: an empty list.
	Access *limits.Access
	// UnverifiedRates limits the datagrams that belong to no session, HandshakeRates the handshakes
	// of peers, and RequestRates the requests inside of sessions, each by source. Excess datagrams
	// are dropped and counted. Defaults: DefaultUnverifiedRates, DefaultHandshakeRates and
	// DefaultRequestRates.
	UnverifiedRates, HandshakeRates, RequestRates limits.Rates
	// Unlimited disables the rate limits. Loopback is never limited; see ExemptPrivate.
	Unlimited bool

	// Protocol is the identity of the network. Default: the public network, "discv5" version 1.
	Protocol codec.Protocol

	// MaxRequests bounds the outstanding requests of this node, MaxPeerRequests those to one peer.
	// Further requests fail with ErrBusy. Defaults: DefaultMaxRequests and DefaultMaxPeerRequests.
	MaxRequests, MaxPeerRequests int
	// MaxLookups bounds the concurrent lookups, including those that keep the table fresh. Further
	// lookups fail with ErrBusy. Default: DefaultMaxLookups.
	MaxLookups int
	// MaxTasks bounds the handshakes of peers that wait for a worker, and separately the handshakes
	// for requests of this node. The node drops and counts further ones. Each takes about 1.5 KiB.
	// Default: DefaultMaxTasks.
	MaxTasks int
	// MaxRecords is the number of verified records that the node remembers, of about 450 bytes
	// each, so that it verifies none of them twice. Default: DefaultMaxRecords.
	MaxRecords int

	// TalkConcurrency bounds the concurrent TALK handlers, TalkPerPeer those for one peer.
	// Defaults: DefaultTalkConcurrency, and half of TalkConcurrency. The node does not answer
	// further requests. While half or more of TalkConcurrency run, a peer or an address (IPv6: a
	// /64) gets at most an eighth of them, a /24 (IPv6: a /48) a quarter, and a /16 (IPv6: a /32)
	// three eighths. See ExemptPrivate: a private /24 may have three quarters then.
	TalkConcurrency, TalkPerPeer int
	// TalkRates limits the TALK requests of protocols that have a handler, by source. The node
	// drops and counts excess requests. Default: DefaultTalkRates.
	TalkRates limits.Rates

	// Topics configures topic advertisement. By default the node stores no ads of others,
	// advertises nothing, and may search.
	Topics TopicConfig

	seeds []Contact // of Store
}

// PrefixLimits bounds the nodes of one network prefix at three widths: Host is for one IPv4 address
// and one IPv6 /64, Site for one /24 and one /48, Wide for one /16 and one /32. 0 stands for the
// default and a negative number for no limit.
type PrefixLimits = table.Limits

// NoPrefixLimits are PrefixLimits without limits.
var NoPrefixLimits = table.Unlimited

// ParsePrefixLimits parses PrefixLimits in the form of the bootnode's flags: "host,site,wide", such
// as "2,2,12", where 0 stands for the default and "-" for no limit, or "off".
func ParsePrefixLimits(s string) (PrefixLimits, error) { return prefixquota.ParseLimits(s) }

// ExemptPrivate says when peers at private addresses are exempt from limits.
type ExemptPrivate = engine.ExemptPrivate

// Values of ExemptPrivate.
const (
	// ExemptAuto exempts them while the record names no global address and the node listens on
	// none.
	ExemptAuto = engine.ExemptAuto
	// ExemptAlways exempts them.
	ExemptAlways = engine.ExemptAlways
	// ExemptNever never exempts them.
	ExemptNever = engine.ExemptNever
)

// ErrConfig is wrapped by errors about a Config that cannot be used. For a number out of range the
// error also is a [RangeError].
var ErrConfig = errors.New("discv5: invalid configuration")

func (c Config) withDefaults() (Config, error) {
	if c.PrivateKey == nil {
		key, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			return c, errorf("discv5: new private key: %w", err)
		}
		c.PrivateKey = key
	}
	if c.NoEndpoint && len(c.Advertise) > 0 {
		return c, fmt.Errorf("%w: addresses to advertise and NoEndpoint", ErrConfig)
	}
	if err := checkListenAddrs(c.ListenAddrs); err != nil {
		return c, err
	}
	if c.SourceFilter != nil && c.OtherProtocol != nil {
		return c, fmt.Errorf("%w: SourceFilter and OtherProtocol", ErrConfig)
	}
	if n := len(c.ListenAddrs) + len(c.PacketConns) + len(c.Conns); n > maxListen {
		return c, fmt.Errorf("%w: %d listen addresses and sockets, at most %d", ErrConfig, n, maxListen)
	}
	var families [2]bool
	for _, a := range c.Advertise {
		f := netaddr.FamilyOf(a.Addr())
		if !a.Addr().IsValid() || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
			return c, fmt.Errorf("%w: cannot advertise %s", ErrConfig, a)
		}
		if families[f] {
			return c, fmt.Errorf("%w: second advertised address of one family: %s", ErrConfig, a)
		}
		families[f] = true
	}
	if err := checkPreviousAddresses(c.PreviousAddresses); err != nil {
		return c, err
	}
	if c.Previous != nil && c.Previous.ID() != c.PrivateKey.ID() {
		return c, fmt.Errorf("%w: previous record belongs to another key", ErrConfig)
	}
	if c.PrivateKey.ID() == (enr.ID{}) { // the zero value
		return c, fmt.Errorf("%w: the private key is a zero value", ErrConfig)
	}
	if err := c.checkNumbers(); err != nil {
		return c, err
	}
	if c.Access == nil {
		c.Access = limits.NewAccess(0)
	}
	if c.Sockets == 0 {
		c.Sockets = min(runtime.GOMAXPROCS(0), fastpath.MaxSockets)
	}
	for _, d := range []struct {
		v   *int
		def int
	}{
		{&c.RecvBuffer, DefaultRecvBuffer}, {&c.SendBuffer, DefaultSendBuffer},
		{&c.MaxSessions, DefaultMaxSessions}, {&c.MaxChallenges, DefaultMaxChallenges},
		{&c.TalkConcurrency, DefaultTalkConcurrency}, {&c.MaxRequests, DefaultMaxRequests}, {&c.MaxPeerRequests, DefaultMaxPeerRequests},
		{&c.MaxLookups, DefaultMaxLookups}, {&c.MaxTasks, DefaultMaxTasks}, {&c.MaxRecords, DefaultMaxRecords},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if c.TalkPerPeer == 0 {
		c.TalkPerPeer = talkPerPeer(c.TalkConcurrency)
	}
	for _, d := range []struct {
		v   *limits.Rates
		def func() limits.Rates
	}{
		{&c.TalkRates, DefaultTalkRates}, {&c.UnverifiedRates, DefaultUnverifiedRates},
		{&c.HandshakeRates, DefaultHandshakeRates}, {&c.RequestRates, DefaultRequestRates},
	} {
		if *d.v == (limits.Rates{}) {
			*d.v = d.def()
		}
	}
	if c.SaveInterval == 0 {
		c.SaveInterval = DefaultSaveInterval
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&c.RequestTimeout, DefaultRequestTimeout}, {&c.RefreshInterval, DefaultRefreshInterval},
		{&c.SessionIdleTimeout, DefaultSessionIdleTimeout},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	return c, nil
}

// detectAddress returns the engine's setting for DetectAddress.
func (c *Config) detectAddress() int {
	if c.NoEndpoint || c.DetectAddress < 0 {
		return -1
	}
	return c.DetectAddress
}

// Validate makes the checks of New that need no sockets. The error wraps ErrConfig and names the
// field.
func (c Config) Validate() error {
	_, err := c.withDefaults()
	return err
}

// checkListenAddrs refuses addresses that cannot be listened on together.
func checkListenAddrs(addrs []netip.AddrPort) error {
	for i, a := range addrs {
		if !a.IsValid() {
			return fmt.Errorf("%w: listen address %d is not valid", ErrConfig, i+1)
		}
		if a.Port() == 0 {
			continue // each gets a port of its own
		}
		a = netaddr.NormalizePort(a)
		for _, b := range addrs[:i] {
			b = netaddr.NormalizePort(b)
			switch {
			case a == b:
				return fmt.Errorf("%w: listen address %s is listed twice", ErrConfig, a)
			case a.Port() != b.Port() || netaddr.FamilyOf(a.Addr()) != netaddr.FamilyOf(b.Addr()):
			case a.Addr().IsUnspecified():
				return fmt.Errorf("%w: listen address %s includes %s", ErrConfig, a, b)
			case b.Addr().IsUnspecified():
				return fmt.Errorf("%w: listen address %s includes %s", ErrConfig, b, a)
			}
		}
	}
	return nil
}
