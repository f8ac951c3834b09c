package table

// AddResult is the outcome of Add.
type AddResult uint8

// Outcomes of Add. Each has its own counter, see Table.Counters.
const (
	// Added: the node is a new member of its bucket, not yet verified.
	Added AddResult = iota
	// Updated: the table knew the node and took its new record or endpoint.
	Updated
	// Unchanged: the table knows the node with this or a newer record.
	Unchanged
	// Replacement: the bucket is full, or has its quota of inbound nodes. The node waits in the
	// replacement cache.
	Replacement
	// RejectedSelf: the local node.
	RejectedSelf
	// RejectedRecord: there is no record.
	RejectedRecord
	// RejectedAddr: Addr has no port, or is an address that is never contacted (class Special).
	RejectedAddr
	// RejectedFilter: Config.Filter returned false.
	RejectedFilter
	// RejectedBucketIP: the bucket has as many nodes of this prefix as BucketLimits allows.
	RejectedBucketIP
	// RejectedTableIP: the table has as many nodes of this prefix as TableLimits allows.
	RejectedTableIP
	// RejectedFull: the bucket is full and so is its replacement cache, with nodes of prefixes that
	// have fewer members.
	RejectedFull

	numAddResults
)

// Rejected reports whether the table did not take the node.
func (r AddResult) Rejected() bool { return r >= RejectedSelf }

// String returns a lower-case name, suitable as a metric label.
func (r AddResult) String() string {
	switch r {
	case Added:
		return "added"
	case Updated:
		return "updated"
	case Unchanged:
		return "unchanged"
	case Replacement:
		return "replacement"
	case RejectedSelf:
		return "rejected_self"
	case RejectedRecord:
		return "rejected_record"
	case RejectedAddr:
		return "rejected_addr"
	case RejectedFilter:
		return "rejected_filter"
	case RejectedBucketIP:
		return "rejected_bucket_ip"
	case RejectedTableIP:
		return "rejected_table_ip"
	case RejectedFull:
		return "rejected_full"
	}
	return "unknown"
}

// Counters are the running totals of one table.
type Counters struct {
	// Adds counts the calls of Add by outcome: Adds[RejectedFull] and so on.
	Adds [numAddResults]uint64
	// Live and Failed count effective MarkLive and MarkFailed calls.
	Live, Failed uint64
	// Removed counts members removed after failures, Promoted the replacements that followed them.
	Removed, Promoted uint64
	// Displaced counts replacements displaced by later ones.
	Displaced uint64
	// Turned counts members exchanged for replacements of prefixes with fewer members.
	Turned uint64
}

// Counters returns the totals. Each is exact, but they are not read at one instant.
func (t *Table) Counters() Counters {
	var c Counters
	for i := range c.Adds {
		c.Adds[i] = t.adds[i].Load()
	}
	c.Live, c.Failed = t.live.Load(), t.failed.Load()
	c.Removed, c.Promoted, c.Displaced = t.removed.Load(), t.promoted.Load(), t.displaced.Load()
	c.Turned = t.turned.Load()
	return c
}

// EventKind is the kind of an Event.
type EventKind uint8

// Kinds of Event.
const (
	// EventAdded: the node became a bucket member, by Add or from the replacement cache.
	EventAdded EventKind = iota + 1
	// EventUpdated: a member has a newer record or another endpoint. After a change of Addr it is
	// unverified; there is no separate EventSilent.
	EventUpdated
	// EventLive: a member became live: it answered a PING after it had been unverified or silent.
	EventLive
	// EventSilent: a live member failed too often and is no longer relayed. It is still a member.
	EventSilent
	// EventRemoved: the node is no longer a member.
	EventRemoved
)

// String returns a lower-case word for the kind.
func (k EventKind) String() string {
	switch k {
	case EventAdded:
		return "added"
	case EventUpdated:
		return "updated"
	case EventLive:
		return "live"
	case EventSilent:
		return "silent"
	case EventRemoved:
		return "removed"
	}
	return "unknown"
}

// Event is one change of a bucket member. Replacements cause no events.
type Event struct {
	Kind EventKind
	Node Node
}

// events collects the events of one call, to be emitted after the locks are released. No call
// causes more than four: silent or removed, updated, added, live.
type events struct {
	n    int
	list [4]Event
}

func (e *events) add(kind EventKind, n *Node) {
	if e.n < len(e.list) {
		e.list[e.n] = Event{kind, *n}
		e.n++
	}
}

// emit calls OnChange. The caller holds no lock.
func (t *Table) emit(e *events) {
	if t.cfg.OnChange == nil {
		return
	}
	for i := range e.n {
		t.cfg.OnChange(e.list[i])
	}
}
