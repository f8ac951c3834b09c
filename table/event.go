package table

// EventKind says what happened to a node.
type EventKind uint8

// Kinds of Event.
const (
	// EventAdded: the node became a bucket member, by Add or from the replacement cache.
	EventAdded EventKind = iota + 1
	// EventUpdated: a member has a newer record or another endpoint. After a change of Addr it is
	// unverified again; no EventSilent says so.
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

// events collects what one call changed, so that it can be told after the locks are released.
// No call causes more than four events: silent or removed, updated, added, live.
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

// emit tells the listener. The caller holds no lock.
func (t *Table) emit(e *events) {
	if t.cfg.OnChange == nil {
		return
	}
	for i := range e.n {
		t.cfg.OnChange(e.list[i])
	}
}
