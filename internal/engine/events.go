package engine

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// EventKind tells what an Event reports.
type EventKind int

// Kinds of events.
const (
	// SessionEstablished: a handshake has been completed. Record is nil if this node made contact
	// without knowing it.
	SessionEstablished EventKind = iota + 1
	// Unverifiable: a node completed a handshake from an address that its record does not name, or
	// its record names a private address beside a public one. The node is served, but neither
	// enters the table nor is relayed.
	Unverifiable
	// TableChanged: see Change.
	TableChanged
	// Discovered: a NODES response brought this record.
	Discovered
	// AddressChanged: peers agree that this node is at Addr, and its Record names it.
	AddressChanged
	// AddressRevoked: evidence speaks against the detected address of Family. Record names Addr in
	// its place, or none if Addr is invalid. See Config.ReachWait.
	AddressRevoked
	// SessionEnded: the session with node ID at Addr has ended. The next message there takes a
	// handshake.
	SessionEnded
	// Banned, Permitted and Lifted: the lists of Config.Access have changed for Target, until the
	// wall-clock time Until if that is not zero.
	Banned
	Permitted
	Lifted
	// AddressProven: nodes that this node had not contacted have reached it at Addr.
	AddressProven
	// AddressInDoubt: evidence speaks against Addr, which Record names. See AddressState.
	AddressInDoubt
	// BootnodeUnusable: the bootnode ID cannot be contacted; Err says why. The engine itself does
	// not report it.
	BootnodeUnusable
	// BootnodeFailed: the bootnode ID did not answer at Addr; Err says why.
	BootnodeFailed
	// AdAdmitted: this registrar has taken an ad for Topic of node ID into its cache.
	AdAdmitted
	// AdExpired: an ad for Topic of node ID has reached the end of its life here.
	AdExpired
	// TopicPlaced: registrar ID has admitted this node's own ad for Topic, which lives for Wait.
	TopicPlaced
	// TopicLost: the ad for Topic at registrar ID has ended.
	TopicLost
	// TopicWaiting: registrar ID wants this node to wait for Wait before it admits the ad for
	// Topic.
	TopicWaiting
	// TopicFailed: registrar ID did not admit the ad for Topic, and this node turns to another one.
	// Err says why: it wraps ErrTimeout or ErrTopicWait.
	TopicFailed
	// TopicFound: a search for Topic has found the advertiser ID.
	TopicFound
)

// eventNames are the words for the kinds.
var eventNames = [...]string{
	SessionEstablished: "session established", Unverifiable: "unverifiable record", TableChanged: "table changed", Discovered: "discovered",
	AddressChanged: "address changed", AddressRevoked: "address revoked", SessionEnded: "session ended",
	AddressProven: "address proven", AddressInDoubt: "address in doubt",
	Banned: "banned", Permitted: "permitted", Lifted: "lifted", BootnodeUnusable: "bootnode unusable",
	BootnodeFailed: "bootnode failed", AdAdmitted: "ad admitted", AdExpired: "ad expired",
	TopicPlaced: "topic placed", TopicLost: "topic lost", TopicFound: "topic found",
	TopicWaiting: "topic waiting", TopicFailed: "topic failed",
}

// String returns lower-case words for the kind.
func (k EventKind) String() string {
	if k <= 0 || int(k) >= len(eventNames) {
		return "unknown"
	}
	return eventNames[k]
}

// Event reports a change at a node. Kind decides which fields are set.
type Event struct {
	Kind    EventKind
	ID      enr.ID
	Addr    netip.AddrPort
	Record  *enr.Record
	Inbound bool
	Change  table.Event
	Family  netaddr.Family
	Target  limits.Target
	Until   time.Time
	Err     error
	Topic   topic.Topic
	Wait    time.Duration
}

func (e *Engine) tableChanged(ev table.Event) {
	if ev.Kind == table.EventRemoved {
		e.removed.add(ev.Node.ID, ev.Node.Record, ev.Node.Addr)
	}
	if ev.Kind == table.EventLive {
		e.topicRuns.noteLive(ev.Node)
	}
	if e.cfg.OnEvent != nil {
		e.cfg.OnEvent(Event{Kind: TableChanged, ID: ev.Node.ID, Addr: ev.Node.Addr, Inbound: ev.Node.Inbound, Change: ev})
	}
}

// TalkRequest is a TALKREQ for a registered protocol. Its slices are copies.
type TalkRequest struct {
	From enr.ID
	Addr netip.AddrPort
	// Record is the record that the sender has shown in the session, nil if none; see
	// session.Config.KeepRecords.
	Record   *enr.Record
	Protocol string
	Payload  []byte
	reply    replyTo
}

// TalkHandler receives TALKREQ on the packet path. Its methods must not block.
type TalkHandler interface {
	// Registered reports whether protocol is served. Requests of other protocols get an empty
	// response. The slice is valid during the call only.
	Registered(protocol []byte) bool
	// Talk takes over a request, to be answered later with Worker.Talk. If the handler is busy it
	// returns false, and the request gets no response. An empty one would mean that the protocol is
	// unknown, or come from the handler itself.
	Talk(TalkRequest) bool
}
