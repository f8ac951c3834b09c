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

// DefaultPort is the UDP port that a node listens on if it is not told another one.
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

// Config says how a node behaves. The zero value is a node with a new key that listens on port
// 9000 of all addresses and knows nobody.
type Config struct {
	// PrivateKey is the node's identity. Default: a new one.
	PrivateKey *enr.PrivateKey

	// ListenAddrs are the UDP addresses to listen on: IPv4, IPv6 or both. Port 0 takes a free one.
	// Default: port 9000 of all IPv4 and, if the system has it, all IPv6 addresses.
	ListenAddrs []netip.AddrPort

	// PacketConns are sockets of the caller's to listen on, beside ListenAddrs, which then has no
	// default. Each is of one address family. UDP sockets (*net.UDPConn) are read and written in
	// batches; those of one address, which share it by SO_REUSEPORT, count once. Any other
	// net.PacketConn whose addresses are IP addresses, such as a tunnel or a share of another
	// library's socket, moves one datagram per call. The node takes all of them over: it alone
	// reads from them, and it closes them, also if New fails.
	PacketConns []net.PacketConn
	// Conns are additional transports that move datagrams in batches; see fastpath.Conn. Those of
	// package simnet put the node on a simulated network, for tests.
	Conns []fastpath.Conn
	// OtherProtocol, if not nil, is given the datagrams that are of another protocol. Without it
	// they are counted and dropped, most of them by the kernel.
	OtherProtocol OtherProtocolHandler

	// NoEndpoint leaves every address out of the record: that of a node which looks for others but
	// cannot be reached. Advertise must be empty then, and DetectAddress is off.
	NoEndpoint bool

	// Advertise are the endpoints that the record names, at most one of each family. Port 0 stands
	// for the port that the node listens on. Default: see AdvertisedAddr; of two families one is
	// left out whose address fewer can reach.
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

	// Entries, if not nil, sets entries of the node's record, such as the chain that it serves:
	// New calls it once, with the entries of Previous if there is one, so it must also delete those
	// that are no longer true. It does not set the keys ip, ip6, udp and udp6, which follow from
	// the fields above, nor the sequence number. See UpdateRecord for changes while the node runs.
	Entries func(*enr.Builder)

	// Previous is the record that the node had before, if it had one. If nothing has changed it
	// stays as it is, else the new one gets a higher sequence number. A public endpoint that it
	// names stays in place of a private one of the machine's, unless DetectAddress is off, and so
	// does any that was learned while the machine had the same address.
	Previous *enr.Record
	// PreviousAddresses is what AddressStates returned last in the node's last life. Without it
	// nothing is known of the endpoints in Previous.
	PreviousAddresses []AddressState

	// SaveRecord, if not nil, is given every new local record after the first one, before any peer
	// sees it: store it, and start with it as Previous the next time. If it fails the record stays
	// as it was. Like the function given to UpdateRecord it cannot change the record: see
	// ErrNested.
	SaveRecord func(*enr.Record) error

	// Store, if not nil, remembers the node's record, what it knows of its addresses, and other
	// nodes to start from. It fills in Previous and PreviousAddresses, is given each new record
	// before SaveRecord is, and is saved every SaveInterval, by default a minute, and by Close. The
	// nodes are contacted like Bootnodes that are Unvouched. Give the node a PrivateKey too:
	// without one each run is another node. The store stays open when the node is closed. See
	// package nodestore.
	Store        NodeStore
	SaveInterval time.Duration

	// Bootnodes are contacted when the table is nearly empty. See Contacts, ContactOf and, for
	// nodes that are known from the node's last life, Contact.Unvouched. A bootnode that
	// cannot be contacted is an EventBootnodeUnusable; see SetBootnodes for when it is an error.
	Bootnodes []Contact

	// Logger, if not nil, is given what an operator wants to know, from a goroutine of the node's:
	// start and end, changes of the own address, bootnodes that cannot be used, bans, failures, and
	// why nobody answers as long as nobody does (see Node.Diagnose). At the level Debug it is also
	// given sessions and changes of the table. Its handler's Enabled is called on the packet path.
	// A handler that is too slow loses lines, and a line says how many. Default: silence.
	Logger *slog.Logger

	// StaticNodes are nodes that this one stays in contact with as long as it runs, MaxStaticNodes
	// at most: it pings each every half minute and offers it to the table when it answers. If one
	// does not answer, pings follow after 1 s, 2 s and so on up to 5 minutes, for ever, to its
	// newest record and to the address that was given in turn. The table treats them like others.
	//
	// TrustedNodes are static nodes that are exempt from limits: they are permitted (see
	// Node.Permit), so that no ban of their IDs and no rate limit applies to their requests; no
	// limit by prefix keeps them out of the table, and there they are neither displaced nor dropped
	// when they fail, though in a full bucket they wait for a slot like others. TableFilter, bans
	// of addresses and the capacity for sessions apply to them. See Node.StaticNodes.
	StaticNodes, TrustedNodes []Contact

	// Sockets is how many sockets, with a goroutine each, share every listen address, at most
	// fastpath.MaxSockets. Default: GOMAXPROCS, where the system can spread datagrams among
	// sockets.
	Sockets int
	// RecvBuffer and SendBuffer are the sizes to ask for each socket, in bytes.
	RecvBuffer, SendBuffer int
	// Portable makes one system call for each datagram, also where batches are possible.
	Portable bool
	// DisableGSO turns off UDP GSO and GRO. Otherwise packets to one endpoint enter the kernel as
	// one super-packet, which it splits later (UDP_SEGMENT, Linux 4.18), and packets of one
	// endpoint arrive in GRO batches (UDP_GRO, Linux 5.0), for which each socket has a buffer of
	// 2 MiB.
	// Some combinations of kernel and network card corrupt GSO packets, which are lost then.
	DisableGSO bool

	// MaxSessions bounds the sessions, of 2 KiB each; as hashing is uneven, up to 1.3 times as many
	// may be held. MaxChallenges bounds the handshakes that may be waited for, of 52 bytes each;
	// the oldest one is evicted. The defaults are 16384 and 65536, and 1<<24 is the most.
	MaxSessions, MaxChallenges int

	// SessionIdleTimeout is how long a session lasts without a message in it. Default: 1 hour.
	SessionIdleTimeout time.Duration

	// DropSessionRecords leaves the records of peers out of sessions, and so saves up to 700 bytes
	// for each.
	DropSessionRecords bool

	// RequestTimeout is how long the answer to a request may take. Default: 1 s. A handshake gets
	// as much again.
	RequestTimeout time.Duration
	// Resend is the number of retries of a request without an answer. Default: none, as the
	// specification asks. If a node's record has an address of each family, a request is sent to
	// the other one in any case.
	Resend int
	// RefreshInterval is the time between two lookups that keep the table fresh. Default: 30 s.
	RefreshInterval time.Duration

	// LowPorts allows to contact and relay nodes that others report at ports below 1024. Without it
	// such a port is taken for another service, to which an unverified report must not make the
	// node send packets.
	LowPorts bool

	// TableFilter, if not nil, decides which nodes may be in the table and results of lookups, by
	// their record. It is called often and must be quick. Nodes that it refuses may be asked for
	// others all the same. See Node.ApplyTableFilter.
	TableFilter func(*enr.Record) bool
	// InboundLimit bounds the nodes of a bucket, of 16, that contacted this node first. The others
	// are nodes that this node has found, which is harder for an attacker to arrange. Default: no
	// limit.
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
	// Unlimited switches the rate limits off. Loopback is never limited; see ExemptPrivate.
	Unlimited bool

	// Protocol is the identity of the network. Default: that of the public one, "discv5" version 1.
	Protocol codec.Protocol

	// MaxRequests bounds the requests of this node that are under way, MaxPeerRequests those to one
	// peer. Further ones fail with ErrBusy. Defaults: DefaultMaxRequests and
	// DefaultMaxPeerRequests.
	MaxRequests, MaxPeerRequests int
	// MaxLookups bounds the lookups under way, those that keep the table fresh included. Further
	// ones fail with ErrBusy. Default: DefaultMaxLookups.
	MaxLookups int
	// MaxTasks bounds the handshakes of peers that wait for a worker, and separately those that
	// requests of this node lead to. Further ones are dropped and counted. Each takes some 1.5 KiB.
	// Default: DefaultMaxTasks.
	MaxTasks int
	// MaxRecords is how many verified records are remembered, of some 450 bytes each, so that none
	// of them is verified twice. Default: DefaultMaxRecords.
	MaxRecords int

	// TalkConcurrency bounds the TALK handlers that run at a time, TalkPerPeer those for one peer.
	// Defaults: DefaultTalkConcurrency, and half of TalkConcurrency. A request above that is not
	// answered. Nor is, while half or more of TalkConcurrency run, one of a peer or an address
	// (IPv6: a /64) that has an eighth, of a /24 (IPv6: a /48) that has a quarter, or of a /16
	// (IPv6: a /32) that has three eighths. See ExemptPrivate: a private /24 may have three
	// quarters then.
	TalkConcurrency, TalkPerPeer int
	// TalkRates limits the TALK requests of protocols that have a handler, by source; what exceeds
	// a limit is dropped and counted. Default: DefaultTalkRates.
	TalkRates limits.Rates

	// Topics says what the node does for topic advertisement. Default: it stores no ads of others,
	// advertises nothing, and may search.
	Topics TopicConfig

	seeds []Contact // of Store
}

// PrefixLimits bounds the nodes of one network prefix at three widths: Host is for one IPv4 address
// and one IPv6 /64, Site for one /24 and one /48, Wide for one /16 and one /32. 0 stands for the
// default and a negative number for no limit.
type PrefixLimits = table.Limits

// NoPrefixLimits are PrefixLimits that bound nothing.
var NoPrefixLimits = table.Unlimited

// ParsePrefixLimits reads PrefixLimits as the bootnode's flags have them: "host,site,wide", such as
// "2,2,12", where 0 stands for the default and "-" for no limit, or "off".
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
	// ExemptNever does not.
	ExemptNever = engine.ExemptNever
)

// ErrConfig is wrapped by errors about a Config that cannot be used.
var ErrConfig = errors.New("discv5: invalid configuration")

// maxEntries bounds the tables whose size a Config names, and so their memory.
const maxEntries = 1 << 24

func (c Config) withDefaults() (Config, error) {
	if c.PrivateKey == nil {
		key, err := enr.GenerateKey(rand.Reader)
		if err != nil {
			return c, fmt.Errorf("discv5: new private key: %w", err)
		}
		c.PrivateKey = key
	}
	if c.NoEndpoint && len(c.Advertise) > 0 {
		return c, fmt.Errorf("%w: addresses to advertise and NoEndpoint", ErrConfig)
	}
	if err := checkListenAddrs(c.ListenAddrs); err != nil {
		return c, err
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
	for _, v := range []struct {
		name   string
		v, max int
	}{
		{"Sockets", c.Sockets, fastpath.MaxSockets}, {"DetectAddress", c.DetectAddress, MaxDetectAddress}, {"MaxSessions", c.MaxSessions, maxEntries}, {"MaxChallenges", c.MaxChallenges, maxEntries},
		{"MaxRequests", c.MaxRequests, maxEntries}, {"MaxPeerRequests", c.MaxPeerRequests, maxEntries},
		{"MaxLookups", c.MaxLookups, maxEntries}, {"MaxTasks", c.MaxTasks, maxEntries}, {"MaxRecords", c.MaxRecords, maxEntries},
	} {
		if v.v > v.max {
			return c, fmt.Errorf("%w: %s is %d, at most %d", ErrConfig, v.name, v.v, v.max)
		}
	}
	if err := c.Topics.validate(); err != nil {
		return c, fmt.Errorf("%w: Topics: %w", ErrConfig, err)
	}
	if c.Access == nil {
		c.Access = limits.NewAccess(0)
	}
	if c.Sockets <= 0 {
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
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if c.TalkPerPeer <= 0 {
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
	if c.SaveInterval <= 0 {
		c.SaveInterval = DefaultSaveInterval
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&c.RequestTimeout, DefaultRequestTimeout}, {&c.RefreshInterval, DefaultRefreshInterval},
		{&c.SessionIdleTimeout, DefaultSessionIdleTimeout},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return c, nil
}

// detectAddress is the engine's setting for DetectAddress.
func (c *Config) detectAddress() int {
	if c.NoEndpoint || c.DetectAddress < 0 {
		return -1
	}
	return c.DetectAddress
}

// Validate reports whether New accepts c, as far as that can be told without opening sockets: it
// makes the checks that New makes. The error wraps ErrConfig and names the field.
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
