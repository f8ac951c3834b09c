package engine

import (
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/lookup"
)

// A record is verified once between the NODES response that brings it and the result of the lookup.
// Events, the stream of the lookup and its results share it. The asker's cache has room for four
// records: turning bytes into a record a second time would verify most of them once more, and give
// another copy.
func TestLookupVerifiesRecordsOnce(t *testing.T) {
	const size = 60
	discovered := make(map[*enr.Record]bool)
	events := 0
	nw, list := newLookupNet(t, size, func(i int, c *Config) {
		if i > 0 {
			return
		}
		c.Records = 1
		c.OnEvent = func(ev Event) {
			if ev.Kind == Discovered {
				discovered[ev.Record] = true
				events++
			}
		}
	})
	asker := list[0]
	look := func(target enr.ID) (found map[enr.ID]*enr.Record, results []Peer) {
		found = make(map[enr.ID]*enr.Record)
		ended := false
		asker.w.Begin(nw.now)
		h := asker.w.StartLookup(target, lookup.Config{}, func(r *enr.Record) {
			if found[r.ID()] != nil {
				t.Errorf("node %s is reported twice", r.ID().Short())
			}
			found[r.ID()] = r
		}, func() { ended = true })
		nw.deliver(t, asker)
		if !ended {
			t.Fatal("the lookup has not ended")
		}
		return found, h.Results()
	}
	for _, n := range list[1:] { // makes the sessions: handshakes verify records too
		look(n.rec.ID())
	}
	known := make(map[*enr.Record]bool) // by the table, where lookups start
	for n := range asker.e.table.All() {
		known[n.Record] = true
	}
	clear(discovered)
	events = 0
	before := asker.e.records.Stats().Verified
	found, results := look(list[size/2].rec.ID())
	verified := int(asker.e.records.Stats().Verified - before)
	if len(results) != lookup.DefaultK || events < 2*lookup.DefaultK {
		t.Fatalf("%d results, %d records in responses", len(results), events)
	}
	if verified > events {
		t.Errorf("%d verifications for %d records in NODES responses", verified, events)
	}
	streamed := 0
	for id, r := range found {
		if !known[r] && !discovered[r] {
			t.Errorf("the stream has a copy of the record of %s", id.Short())
		}
		if discovered[r] {
			streamed++
		}
	}
	if streamed == 0 {
		t.Error("the lookup has heard of nobody")
	}
	for _, p := range results {
		if p.Record != found[p.ID] {
			t.Errorf("the result has a copy of the record of %s", p.ID.Short())
		}
	}
	t.Logf("%d records in responses, %d verifications, %d nodes streamed", events, verified, streamed)
}
