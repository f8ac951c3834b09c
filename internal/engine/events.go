package engine

import (
	"net/netip"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/table"
)

// EventKind tells what an Event reports.
type EventKind int

// Kinds of events.
const (
	// SessionEstablished: a handshake has been completed. Record may be nil when this node made
	// contact without one.
	SessionEstablished EventKind = iota + 1
	// Unverifiable: a node completed a handshake from an address that its record does not have, or
	// its record has a private address beside a public one. It is served, but neither in the table
	// nor relayed.
	Unverifiable
	// TableChanged: see Change.
	TableChanged
	// Discovered: a NODES answer brought this record.
	Discovered
	// AddressChanged: peers agree that this node is at Addr, and its Record names it now.
	AddressChanged
	// AddressRevoked: something speaks against the address of Family that had been detected, and
	// Record names Addr in its place, or none if Addr is invalid. See Config.ReachWait.
	AddressRevoked
	// SessionEnded: the session with node ID at Addr is no more. The next message there takes a
	// handshake.
	SessionEnded
	// Banned, Permitted and Lifted: the lists of Config.Access have changed for Target, up to Until
	// of the wall clock if that is not zero.
	Banned
	Permitted
	Lifted
	// AddressProven: nodes that this node had not contacted have reached it at Addr.
	AddressProven
	// AddressInDoubt: something speaks against Addr, which Record names. See AddressState.
	AddressInDoubt
	// BootnodeUnusable: the bootnode ID cannot be contacted. Err says why. The engine itself does
	// not report it.
	BootnodeUnusable
	// BootnodeFailed: the bootnode ID was contacted at Addr in vain. Err says why.
	BootnodeFailed
)

// eventNames are the words for the kinds.
var eventNames = [...]string{
	SessionEstablished: "session established", Unverifiable: "unverifiable record", TableChanged: "table changed", Discovered: "discovered",
	AddressChanged: "address changed", AddressRevoked: "address revoked", SessionEnded: "session ended",
	AddressProven: "address proven", AddressInDoubt: "address in doubt",
	Banned: "banned", Permitted: "permitted", Lifted: "lifted", BootnodeUnusable: "bootnode unusable",
	BootnodeFailed: "bootnode failed",
}

// String returns lower-case words for the kind.
func (k EventKind) String() string {
	if k <= 0 || int(k) >= len(eventNames) {
		return "unknown"
	}
	return eventNames[k]
}

// Event is something that happened. Which fields are set depends on Kind.
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
}

func (e *Engine) tableChanged(ev table.Event) {
	if ev.Kind == table.EventRemoved {
		e.removed.add(ev.Node.ID, ev.Node.Record, ev.Node.Addr)
	}
	if e.cfg.OnEvent != nil {
		e.cfg.OnEvent(Event{Kind: TableChanged, ID: ev.Node.ID, Addr: ev.Node.Addr, Inbound: ev.Node.Inbound, Change: ev})
	}
}

// TalkRequest is a TALKREQ for a registered protocol. Its slices are copies.
type TalkRequest struct {
	From enr.ID
	Addr netip.AddrPort
	// Record is the sender's as it has shown it in the session, nil if it has not; see
	// session.Config.KeepRecords.
	Record   *enr.Record
	Protocol string
	Payload  []byte
	reply    replyTo
}

// TalkHandler receives TALKREQ on the packet path and so must return at once.
type TalkHandler interface {
	// Registered reports whether protocol is served; others are answered empty at once.
	// The slice is only valid during the call.
	Registered(protocol []byte) bool
	// Talk takes over a request, to be answered later with Worker.Talk. If it reports false, being
	// busy, there is no answer: an empty one says that the protocol is unknown, or is the handler's
	// own.
	Talk(TalkRequest) bool
}
