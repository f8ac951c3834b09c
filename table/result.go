package table

// AddResult is the outcome of Add.
type AddResult uint8

// Outcomes of Add. Each has its own counter, see Table.Counters.
const (
	// Added: the node is a new member of its bucket, not yet verified.
	Added AddResult = iota
	// Updated: the table knew the node; record or endpoint are now the given ones.
	Updated
	// Unchanged: the table knows the node with this or a newer record and keeps what it has.
	Unchanged
	// Replacement: the bucket is full (or has its share of inbound nodes); the node waits in the
	// replacement cache.
	Replacement
	// RejectedSelf: the local node.
	RejectedSelf
	// RejectedRecord: there is no record.
	RejectedRecord
	// RejectedAddr: Addr has no port, or is an address that is never contacted (class Special).
	RejectedAddr
	// RejectedFilter: Config.Filter said no.
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

// Rejected says whether the table has nothing of the node that was given.
func (r AddResult) Rejected() bool { return r >= RejectedSelf }

// String returns a lower-case name, fit for a metric's label.
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
	// Removed counts members that left after failures, Promoted the replacements that took over.
	Removed, Promoted uint64
	// Displaced counts replacements pushed out by later ones.
	Displaced uint64
	// Turned counts members exchanged for replacements of prefixes that had fewer members.
	Turned uint64
}

// Counters returns the totals. Each is exact; together they are not one instant.
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
