package forks

import (
	"context"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Node is the part of *discv5.Node that Follow needs.
type Node interface {
	// UpdateRecord changes the node's own record.
	UpdateRecord(change func(*enr.Builder)) error
	// ApplyTableFilter applies the table filter to all nodes of the table, and returns how many it
	// has removed.
	ApplyTableFilter() int
}

const (
	// maxFollowWait bounds one wait of Follow. The clock of the machine may be set, and a timer
	// stands still while the machine sleeps.
	maxFollowWait = 30 * time.Second
	// retryFollow is the wait after an update of the record has failed.
	retryFollow = 5 * time.Second
)

// Event is a change that Follow has made, or its failure to make one.
type Event struct {
	At      time.Time
	Fork    Fork  // in force
	Removed int   // nodes that the table filter has removed
	Err     error // the record could not be changed; Follow tries once more
}

// Follow keeps the record of a node at the fork in force: it sets the entries of the chain when
// each fork begins, and applies the table filter then and when a grace period ends. It calls
// report, unless that is nil, after each change. It returns when ctx ends.
func Follow(ctx context.Context, node Node, chain Chain, report func(Event)) {
	follow(ctx, node, chain, report, wallClock)
}

// follow is Follow with a clock, which somebody may set.
func follow(ctx context.Context, node Node, chain Chain, report func(Event), clock func() time.Time) {
	done := clock() // all changes up to here have been made
	first := true
	for {
		now := clock()
		due, planned := chain.NextChange(done)
		back := now.Before(done) && chain.At(now) != chain.At(done) // somebody has set the clock
		var failure error
		if first || back || planned && !now.Before(due) {
			event := Event{At: now, Fork: chain.Forks()[chain.At(now)]}
			event.Err = node.UpdateRecord(func(b *enr.Builder) { chain.SetEntries(b, now) })
			event.Removed = node.ApplyTableFilter()
			if report != nil && (!first || event.Err != nil) {
				report(event)
			}
			if failure = event.Err; failure == nil {
				done, first = now, false
			}
		}
		timer := time.NewTimer(followWait(chain, now, failure))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// followWait returns how long Follow waits.
func followWait(chain Chain, now time.Time, failure error) time.Duration {
	if failure != nil {
		return retryFollow
	}
	if due, planned := chain.NextChange(now); planned {
		return min(maxFollowWait, due.Sub(now))
	}
	return maxFollowWait
}

// wallClock returns the time without the reading of the monotonic clock, which stands still while
// the machine sleeps.
func wallClock() time.Time { return time.Now().Round(0) }
