// Package failed finds the nodes of a store that have failed, from looks at the node table: one for
// each save. The store lowers their score or forgets them.
package failed

import (
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
)

const (
	// MaxSeeds bounds the nodes of a store that a node starts from. It contacts all of them at the
	// same time.
	MaxSeeds = 128
	// SeedTrial is how long a seed has to answer. The node contacts it several times.
	SeedTrial = 2 * time.Minute
)

// Tracker compares the node table with that of the last save. One goroutine at a time may use it.
type Tracker struct {
	seeds []enr.ID // on trial; nil once the trial has ended
	until time.Duration

	last          map[enr.ID]struct{} // live at the last save
	present, live map[enr.ID]struct{} // of this save
}

// NewTracker returns a Tracker of a node that starts from seeds. Their trial ends at until.
func NewTracker(seeds []enr.ID, until time.Duration) *Tracker {
	t := &Tracker{seeds: seeds, until: until}
	t.clear()
	return t
}

func (t *Tracker) clear() {
	t.present, t.live = make(map[enr.ID]struct{}), make(map[enr.ID]struct{})
}

// Saw notes a node of the table.
func (t *Tracker) Saw(id enr.ID, live bool) {
	t.present[id] = struct{}{}
	if live {
		t.live[id] = struct{}{}
	}
}

// Failed ends the look at the table that the calls of Saw made. It returns the nodes that have
// failed: those that were live at the last save and have left the table, and the seeds that have
// not answered in time. silent are these seeds, at the end of failed.
//
// If no node is live, Failed returns nothing: this node itself may have no network. For the same
// reason it does not count nodes that have left the table if more have left than remain.
func (t *Tracker) Failed(now time.Duration) (failed, silent []enr.ID) {
	for id := range t.last {
		if _, ok := t.present[id]; !ok {
			failed = append(failed, id)
		}
	}
	present, live := t.present, t.live
	t.last = live
	t.clear()
	if len(live) == 0 {
		return nil, nil
	}
	if len(failed) > len(live) {
		failed = nil
	}
	if t.seeds != nil && now > t.until {
		n := len(failed)
		for _, id := range t.seeds {
			if _, ok := present[id]; !ok && !slices.Contains(failed, id) {
				failed = append(failed, id)
			}
		}
		t.seeds, silent = nil, failed[n:]
	}
	return failed, silent
}
