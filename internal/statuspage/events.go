package statuspage

import (
	"fmt"
	"sync"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/quote"
)

// maxEvents bounds the events that the page remembers.
const maxEvents = 50

// eventKinds are the events that the page shows: those that peers cannot cause at will.
var eventKinds = []discv5.EventKind{
	discv5.EventAddressChanged, discv5.EventAddressRevoked, discv5.EventAddressProven, discv5.EventAddressInDoubt,
	discv5.EventBanned, discv5.EventPermitted, discv5.EventLifted, discv5.EventBootnodeUnusable, discv5.EventBootnodeFailed,
}

// eventLog holds the newest events. Equal events in a row are one entry with a count. It is safe
// for concurrent use.
type eventLog struct {
	mu   sync.Mutex
	list []Event // oldest first
}

// add appends an event.
func (l *eventLog) add(now time.Time, level Level, text string) {
	text = visible(quote.Line(text))
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.list); n > 0 && l.list[n-1].Text == text && l.list[n-1].Level == level {
		l.list[n-1].Time = now.UTC()
		l.list[n-1].Count++
		return
	}
	if len(l.list) == maxEvents {
		l.list = append(l.list[:0], l.list[1:]...)
	}
	l.list = append(l.list, Event{Time: now.UTC(), Level: level, Text: text, Count: 1})
}

// newest returns the events, newest first.
func (l *eventLog) newest() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Event, 0, len(l.list))
	for i := range l.list {
		list = append(list, l.list[len(l.list)-1-i])
	}
	return list
}

// describe returns an event of the node as text.
func describe(e discv5.Event) (Level, string) {
	until := ""
	if !e.Until.IsZero() {
		until = " until " + e.Until.UTC().Format(time.RFC3339)
	}
	switch e.Kind {
	case discv5.EventAddressChanged:
		return OK, fmt.Sprintf("The record names another %v address: %v", e.Family, e.Addr)
	case discv5.EventAddressRevoked:
		if e.Addr.IsValid() {
			return Warning, fmt.Sprintf("The record dropped its %v address and names %v instead", e.Family, e.Addr)
		}
		return Warning, fmt.Sprintf("The record dropped its %v address", e.Family)
	case discv5.EventAddressProven:
		return OK, fmt.Sprintf("Peers that this node had not contacted reached it at %v", e.Addr)
	case discv5.EventAddressInDoubt:
		return Warning, fmt.Sprintf("The address %v is in doubt", e.Addr)
	case discv5.EventBanned:
		return OK, fmt.Sprintf("Banned: %v%s", e.Target, until)
	case discv5.EventPermitted:
		return OK, fmt.Sprintf("Permitted: %v%s", e.Target, until)
	case discv5.EventLifted:
		return OK, fmt.Sprintf("No longer banned or permitted: %v", e.Target)
	case discv5.EventBootnodeUnusable:
		return Warning, fmt.Sprintf("A bootnode cannot be contacted: %v", e.Err)
	case discv5.EventBootnodeFailed:
		return Warning, fmt.Sprintf("Bootnode %s did not answer at %v: %v", e.ID.Short(), e.Addr, e.Err)
	}
	return OK, fmt.Sprintf("Event %d", e.Kind)
}
