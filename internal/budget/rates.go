package budget

import "time"

// Limits of packets to endpoints without a proof. A rate of n packets per second is a burst of n/2
// and n/2 in each further second, so that no second has more than n.
const (
	// MaxPerSecond limits one destination.
	MaxPerSecond = 10
	// MaxSitePerSecond limits one /24 or /48.
	MaxSitePerSecond = 50
	// MaxWidePerSecond limits one /16 or /32.
	MaxWidePerSecond = 200
	// MaxOperatorPerSecond limits one destination for packets that the operator requested.
	MaxOperatorPerSecond = 100
	// MaxClaimsPerSecond limits one source site: probes of endpoints that its nodes state for
	// themselves, and fetches of their records.
	MaxClaimsPerSecond = 8
)

const (
	ways     = 8   // entries of a set
	rateSets = 128 // sets of a rate table: 16 KiB
)

// rateEntry is the theoretical arrival time of one key (the generic cell rate algorithm). An entry
// whose time has passed is free.
type rateEntry struct {
	key  uint64
	next int64
}

// rateTable limits packets by key.
type rateTable struct {
	interval int64 // nanoseconds between two packets in the long run
	depth    int64 // of the burst
	sets     [rateSets][ways]rateEntry
}

func newRateTable(perSecond int) *rateTable {
	interval := int64(time.Second) / int64(perSecond/2)
	return &rateTable{interval: interval, depth: int64(perSecond/2) * interval}
}

// look returns the entry of key, or nil if the table is full or the key is over its rate.
func (t *rateTable) look(now time.Duration, key uint64) *rateEntry {
	set := &t.sets[key%rateSets]
	var free *rateEntry
	for i := range set {
		e := &set[i]
		switch {
		case e.key == key && e.next > int64(now):
			if e.next+t.interval-int64(now) > t.depth {
				return nil
			}
			return e
		case e.next <= int64(now):
			free = e
		}
	}
	return free
}

// charge counts one packet of key at the entry that look returned.
func (t *rateTable) charge(now time.Duration, e *rateEntry, key uint64) {
	if e.key != key {
		*e = rateEntry{key: key}
	}
	e.next = max(e.next, int64(now)) + t.interval
}
