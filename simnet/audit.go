package simnet

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
)

// Rule is an invariant that the audit checks.
type Rule string

// Rules.
const (
	// RuleEnds: a request or lookup of a running node ends exactly once, and in bounded time. That
	// includes those that no program asked for.
	RuleEnds Rule = "ends"
	// RuleBounds: calls, sessions, challenges and queued work stay within what the configuration
	// allows.
	RuleBounds Rule = "bounds"
	// RuleRelay: a record in a NODES answer is that of the answering node, or of a node that has
	// answered a PING of it.
	RuleRelay Rule = "relay"
	// RuleAmplify: a datagram that does not open with the keys of a session is answered with no
	// more bytes than it has.
	RuleAmplify Rule = "amplify"
	// RuleSessions: two nodes that have a session with each other have the same keys, once nothing
	// is under way.
	RuleSessions Rule = "sessions"
	// RuleSequence: the sequence number of a node's record never falls, and a record that
	// replaces a lost one has a higher number.
	RuleSequence Rule = "sequence"
)

// Violation is an invariant that did not hold.
type Violation struct {
	At     time.Duration
	Node   enr.ID
	Rule   Rule
	Detail string
}

// String describes the violation in a line.
func (v Violation) String() string {
	return fmt.Sprintf("%v, node %s: %s: %s", v.At, v.Node.Short(), v.Rule, v.Detail)
}

// ViolationError says that invariants did not hold, and how to have it happen again.
type ViolationError struct {
	Seed  uint64
	Count uint64      // of all violations
	First []Violation // at most 32
}

// Error names the seed, the number of violations and the first of them.
func (e *ViolationError) Error() string {
	return fmt.Sprintf("simnet: seed %d: %d violations of invariants, the first after %v", e.Seed, e.Count, e.First[0])
}

// Check returns a *ViolationError if an invariant did not hold so far, else nil.
func (n *Network) Check() (err error) {
	n.readAudit(func() {
		if n.audit.count > 0 {
			err = &ViolationError{n.cfg.Seed, n.audit.count, slices.Clone(n.audit.first)}
		}
	})
	return err
}

// readAudit calls f while no event is being handled.
func (n *Network) readAudit(f func()) {
	done := make(chan struct{})
	n.onLoop(func() {
		f()
		close(done)
	})
	<-done
}

// Checks counts what the audit has looked at, by rule.
type Checks struct {
	// ends of requests and lookups, and nodes looked through for some that should have ended
	Ends     uint64
	Bounds   uint64 // counts compared with their limits
	Relay    uint64 // records in NODES answers
	Amplify  uint64 // datagrams that proved nothing
	Sessions uint64 // pairs of sessions
	Sequence uint64 // numbers of records
	Ads      uint64 // ads of registrars, and their numbers
	AdLife   uint64 // times at which ads expire
	AdOwner  uint64 // records of ads
	AdWait   uint64 // admissions
	Quote    uint64 // answers with a ticket
	Capable  uint64 // topic requests
}

// Checks returns the counts so far.
func (n *Network) Checks() (c Checks) {
	n.readAudit(func() { c = n.audit.checks })
	return c
}

// Sum is how many checks there were.
func (c Checks) Sum() uint64 {
	return c.Ends + c.Bounds + c.Relay + c.Amplify + c.Sessions + c.Sequence +
		c.Ads + c.AdLife + c.AdOwner + c.AdWait + c.Quote + c.Capable
}

// lookupPause is the time within which every node is without a lookup at least once. A lookup that
// never ended shows after it.
const lookupPause = 30 * time.Minute

// settling is for how long a node that has been started may be taken for what it was before.
const settling = time.Minute

// maxViolations bounds those that are kept.
const maxViolations = 32

// audit is what the network keeps of it.
type audit struct {
	count    uint64
	first    []Violation
	checks   Checks
	datagram [codec.MaxPacketSize]byte // scratch
	message  [codec.MaxPacketSize]byte
}

func (n *Network) violated(nd *Node, r Rule, format string, args ...any) {
	n.audit.count++
	if len(n.audit.first) < maxViolations {
		n.audit.first = append(n.audit.first, Violation{n.Now(), nd.ID(), r, fmt.Sprintf(format, args...)})
	}
}

// started looks at the record with which a node starts.
func (a *audit) started(nd *Node, r *enr.Record, fresh bool) {
	a.checks.Sequence++
	if nd.highest > r.Seq() || fresh && nd.highest == r.Seq() {
		nd.n.violated(nd, RuleSequence, "record %d after %d", r.Seq(), nd.highest)
	}
	nd.highest = r.Seq()
}

// auditor watches one node.
type auditor struct {
	nd       *Node
	m        *machine // of the node's present life
	decoder  *codec.Decoder
	answered map[enr.ID]struct{} // who has answered a PING in this life of the node
	// when the ads of the node's registrar expire, by the node's clock, as of the last tick
	held      map[adKey]time.Duration
	registrar *registrarModel

	// The datagram that is being received; mu guards these:
	mu       sync.Mutex
	unproved bool // it opens with no key
	from     netip.AddrPort
	size     int
	back     int // bytes sent to where it came from

	idle time.Duration // when the node was last seen without a lookup under way
}

func newAuditor(nd *Node) *auditor { return &auditor{nd: nd} }

// decode makes the decoder.
func (a *auditor) decode() {
	id, protocol := [32]byte(a.nd.ID()), a.m.config.Protocol
	if protocol == (codec.Protocol{}) {
		protocol = codec.DefaultProtocol
	}
	a.decoder = codec.NewDecoder(&id, protocol)
}

func (a *auditor) reset(m *machine) {
	a.m = m
	a.decode()
	a.answered = make(map[enr.ID]struct{})
	a.held, a.registrar = nil, nil
	a.unproved, a.idle = false, m.nd.n.Now()
}

// resumed forgets the time in which the node was suspended: nothing could end in it.
func (a *auditor) resumed() { a.idle = a.nd.n.Now() }

// before looks at a datagram that the node is about to receive.
func (a *auditor) before(from netip.AddrPort, b []byte) {
	a.mu.Lock()
	a.from, a.size, a.back = from, len(b), 0
	a.mu.Unlock()
	var p codec.Packet
	datagram := a.nd.n.audit.datagram[:copy(a.nd.n.audit.datagram[:], b)]
	if err := a.decoder.Decode(datagram, &p); err != nil {
		a.unproved = true
		return
	}
	switch p.Flag {
	case codec.FlagWhoareyou:
		// it proves that the sender has read what the node sent there: the node's own doing
		a.unproved = false
	case codec.FlagHandshake:
		a.unproved = true // what it proves is found out later
	default:
		plaintext := a.open(from, &p)
		if a.unproved = plaintext == nil; !a.unproved {
			a.opened(from, enr.ID(p.SourceID), plaintext)
		}
	}
}

// open decrypts a message with the node's keys, or returns nil.
func (a *auditor) open(from netip.AddrPort, p *codec.Packet) []byte {
	sessions := a.m.eng.Sessions()
	key := session.MakeKey(from, &p.SourceID)
	found, ok := sessions.Lookup(&key, sessions.Hash(&key))
	if !ok {
		return nil
	}
	for _, k := range [...]*session.Keys{found.Current, found.Next, found.Previous} {
		if k == nil {
			continue
		}
		message := a.nd.n.audit.message[:copy(a.nd.n.audit.message[:], p.Message)]
		if plaintext, err := k.Open(&p.Nonce, message, p.AD); err == nil {
			return plaintext
		}
	}
	return nil
}

// opened looks at a message that a peer has sent.
func (a *auditor) opened(from netip.AddrPort, id enr.ID, plaintext []byte) {
	kind, body, err := codec.SplitMessage(plaintext)
	switch {
	case err != nil:
	case kind == codec.TypePong:
		a.answered[id] = struct{}{}
	case kind == codec.TypeRegTopic:
		a.registers(from, id, body)
	}
}

// delivers looks at a datagram of the node that another one is about to receive: with the other
// one's keys, if it opens with them.
func (a *auditor) delivers(to *Node, from netip.AddrPort, b []byte) {
	// A node that has just been started may have sent this in its life before.
	if !a.m.running.Load() || to.engine() == nil || a.nd.Uptime() < settling {
		return
	}
	at := auditor{nd: to, m: to.machine.Load()}
	at.decode()
	var p codec.Packet
	datagram := a.nd.n.audit.datagram[:copy(a.nd.n.audit.datagram[:], b)]
	if at.decoder.Decode(datagram, &p) != nil || p.Flag != codec.FlagMessage || p.SourceID != a.nd.ID() {
		return
	}
	plaintext := at.open(from, &p)
	if plaintext == nil {
		return
	}
	kind, body, err := codec.SplitMessage(plaintext)
	if err != nil {
		return
	}
	a.asks(to, kind)
	var m codec.Nodes
	switch {
	case kind == codec.TypeRegConfirmation:
		a.confirms(to.ID(), body)
	case kind == codec.TypeNodes && m.Decode(body) == nil:
		a.relayed(m.Records)
	}
}

// relayed looks at the records that the node has sent in a NODES answer.
func (a *auditor) relayed(records []byte) {
	for len(records) > 0 {
		one, rest, err := codec.SplitRecord(records)
		if err != nil {
			a.nd.n.violated(a.nd, RuleRelay, "record in NODES: %v", err)
			return
		}
		records = rest
		a.nd.n.audit.checks.Relay++
		v, err := enr.ParseView(one)
		if err != nil {
			a.nd.n.violated(a.nd, RuleRelay, "record in NODES: %v", err)
			continue
		}
		r, err := a.nd.n.records.Verify(v)
		if err != nil {
			a.nd.n.violated(a.nd, RuleRelay, "record in NODES: %v", err)
			continue
		}
		if _, ok := a.answered[r.ID()]; !ok && r.ID() != a.nd.ID() {
			a.nd.n.violated(a.nd, RuleRelay, "relays %s, which has answered no PING", r.ID().Short())
		}
	}
}

// sent counts what the node sends while it receives.
func (a *auditor) sent(to netip.AddrPort, size int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if to == a.from {
		a.back += size
	}
}

// after looks at the immediate effects of a datagram.
func (a *auditor) after() {
	a.mu.Lock()
	from, size, back := a.from, a.size, a.back
	a.from = netip.AddrPort{}
	a.mu.Unlock()
	if a.unproved {
		a.nd.n.audit.checks.Amplify++
	}
	if a.unproved && back > size {
		a.nd.n.violated(a.nd, RuleAmplify, "%d bytes to %s for %d that prove nothing", back, from, size)
	}
	if a.unproved {
		a.bounds() // now: a queue that a flood fills is empty again before the next tick
	}
}

// bounds compares sizes with their limits.
func (a *auditor) bounds() {
	nd := a.nd
	e, c := a.m.eng, &a.m.config
	over := func(what string, n, limit int) {
		nd.n.audit.checks.Bounds++
		if n > limit {
			nd.n.violated(nd, RuleBounds, "%d %s, at most %d are allowed", n, what, limit)
		}
	}
	over("calls", e.Pending(), c.MaxRequests)
	over("tasks", e.Tasks(), 2*c.MaxTasks)
	if c.Session.Shards == 1 { // with more, shards have room of their own
		st := e.Sessions().Stats()
		over("sessions", st.Sessions, c.Session.MaxSessions)
		over("challenges", st.Challenges, c.Session.MaxChallenges)
	}
}

// ticked checks the node after a tick.
func (a *auditor) ticked() {
	nd := a.nd
	e := a.m.eng
	checks := &nd.n.audit.checks
	checks.Ends += 2 // lookups, calls
	checks.Sequence++
	a.bounds()
	a.ads()
	if e.Lookups() == 0 {
		a.idle = nd.n.Now()
	} else if nd.n.Now()-a.idle > lookupPause {
		nd.n.violated(nd, RuleEnds, "%d lookups are under way, and there were always some for %v", e.Lookups(), lookupPause)
		a.idle = nd.n.Now()
	}
	if at := e.NextExpiry(); at <= nd.Clock() {
		nd.n.violated(nd, RuleEnds, "a call should have timed out at %v of the node's clock, and it is %v", at, nd.Clock())
	}
	if seq := e.Record().Seq(); seq < nd.highest {
		nd.n.violated(nd, RuleSequence, "record %d after %d", seq, nd.highest)
	} else {
		nd.highest = seq
	}
}
