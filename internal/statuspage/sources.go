package statuspage

import (
	"cmp"
	"slices"
	"time"

	"github.com/fastdisc/discv5"
)

const (
	// sourceInterval is the time between two looks at the limiters.
	sourceInterval = 5 * time.Second
	// maxSources bounds the sources that are counted in each slice of the hour, and maxLimited
	// those that one look takes.
	maxSources = 128
	maxLimited = 1024
	// shownSources is how many the page shows.
	shownSources = 10
)

// sourceCounter finds the sources that were at a rate limit most of the time within the last hour.
// It counts with the algorithm of Misra and Gries: a source that is new to a full slice takes one
// from all, so that sources that come and go cannot push out one that stays.
type sourceCounter struct {
	slices [hourSlices]map[discv5.LimitedSource]int
	now    int
}

func newSourceCounter() *sourceCounter {
	c := new(sourceCounter)
	for i := range c.slices {
		c.slices[i] = make(map[discv5.LimitedSource]int)
	}
	return c
}

// add counts the sources that are at a limit now.
func (c *sourceCounter) add(list []discv5.LimitedSource) {
	m := c.slices[c.now]
	for _, s := range list {
		if _, ok := m[s]; ok || len(m) < maxSources {
			m[s]++
			continue
		}
		for k := range m {
			if m[k]--; m[k] == 0 {
				delete(m, k)
			}
		}
	}
}

// turn begins a new slice.
func (c *sourceCounter) turn() {
	c.now = (c.now + 1) % len(c.slices)
	clear(c.slices[c.now])
}

// top returns the sources that were at a limit longest, and how many others there were.
func (c *sourceCounter) top() (list []LimitedSource, others int) {
	total := make(map[discv5.LimitedSource]int)
	for _, m := range c.slices {
		for s, n := range m {
			total[s] += n
		}
	}
	list = []LimitedSource{} // an empty list in JSON, not null
	for s, n := range total {
		list = append(list, LimitedSource{
			Source: s.Prefix.String(), Cause: s.Cause.Info().Value, Seconds: n * int(sourceInterval/time.Second),
		})
	}
	slices.SortFunc(list, func(a, b LimitedSource) int {
		return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Cause, b.Cause))
	})
	others = max(len(list)-shownSources, 0)
	return list[:len(list)-others], others
}
