package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
)

// A worker takes over the results of others as if it had visited the nodes itself.
func TestFold(t *testing.T) {
	keys := rand.NewChaCha8([32]byte{3})
	key, err := enr.GenerateKey(keys)
	if err != nil {
		t.Fatal(err)
	}
	record := func(seq uint64) *enr.Record {
		r, err := enr.NewBuilder().SetIP(net4).SetUDP(9000).SetSeq(seq).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first, second := record(1), record(2)
	id, at := first.ID(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	future := time.Now().Add(time.Hour).UTC()
	result := func(state crawlqueue.State, by string, r *enr.Record, revision uint64) crawlqueue.Result {
		e := crawlqueue.Entry{State: state, By: by, Node: r.String(), At: at, Proven: true}
		if state == crawlqueue.Answered {
			e.RTT = 25
		}
		return crawlqueue.Result{ID: id, Entry: e, Node: crawlqueue.Node{Record: r}, Revision: revision}
	}
	inFuture := result(crawlqueue.Answered, "b", first, 1)
	inFuture.Entry.At = future
	unproven := result(crawlqueue.Failed, "b", first, 1)
	unproven.Entry.Proven = false
	listed := nodeEntry{Seq: 1, Record: first.String(), Score: 4, FirstResponse: at.Add(-time.Hour), LastResponse: at.Add(-time.Hour), LastCheck: at.Add(-time.Hour)}
	for _, c := range []struct {
		name    string
		listed  bool
		results []crawlqueue.Result
		count   crawlCounts
		want    nodeEntry // Score 0: not in the file
	}{
		{"answered", false, []crawlqueue.Result{result(crawlqueue.Answered, "b", first, 1)}, crawlCounts{Answered: 1, Added: 1}, nodeEntry{Seq: 1, Score: 1, FirstResponse: at, LastResponse: at, LastCheck: at}},
		{"answered and listed", true, []crawlqueue.Result{result(crawlqueue.Answered, "b", second, 1)}, crawlCounts{Answered: 1}, nodeEntry{Seq: 2, Score: 5, FirstResponse: at.Add(-time.Hour), LastResponse: at, LastCheck: at}},
		{"repeated", false, []crawlqueue.Result{result(crawlqueue.Answered, "b", first, 1), result(crawlqueue.Answered, "b", first, 1), result(crawlqueue.Answered, "c", first, 2)}, crawlCounts{Answered: 1, Added: 1}, nodeEntry{Seq: 1, Score: 1, FirstResponse: at, LastResponse: at, LastCheck: at}},
		{"an older record later", false, []crawlqueue.Result{result(crawlqueue.Answered, "b", second, 1), result(crawlqueue.Answered, "c", first, 2)}, crawlCounts{Answered: 1, Added: 1}, nodeEntry{Seq: 2, Score: 1, FirstResponse: at, LastResponse: at, LastCheck: at}},
		{"failed", true, []crawlqueue.Result{result(crawlqueue.Failed, "b", first, 1)}, crawlCounts{Failed: 1}, nodeEntry{Seq: 1, Score: 4, FirstResponse: at.Add(-time.Hour), LastResponse: at.Add(-time.Hour), LastCheck: at.Add(-time.Hour), LastTry: at}},
		{"failed, not proven", true, []crawlqueue.Result{unproven}, crawlCounts{Failed: 1, Undecided: 1}, nodeEntry{Seq: 1, Score: 4, FirstResponse: at.Add(-time.Hour), LastResponse: at.Add(-time.Hour), LastCheck: at.Add(-time.Hour), LastTry: at}},
		{"failed, then answered", true, []crawlqueue.Result{result(crawlqueue.Failed, "b", first, 1), result(crawlqueue.Answered, "c", second, 2)}, crawlCounts{Answered: 1}, nodeEntry{Seq: 2, Score: 5, FirstResponse: at.Add(-time.Hour), LastResponse: at, LastCheck: at}},
		{"answered, then failed", false, []crawlqueue.Result{result(crawlqueue.Answered, "b", first, 1), result(crawlqueue.Failed, "c", first, 2)}, crawlCounts{Answered: 1, Added: 1}, nodeEntry{Seq: 1, Score: 1, FirstResponse: at, LastResponse: at, LastCheck: at}},
		{"skipped", true, []crawlqueue.Result{result(crawlqueue.Skipped, "b", first, 1)}, crawlCounts{Skipped: 1}, listed},
		{"its own", true, []crawlqueue.Result{result(crawlqueue.Answered, "a", second, 1)}, crawlCounts{}, listed},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := nodeSet{}
			if c.listed {
				set[id] = listed
			}
			f := newCrawler(nil, newLocalFrontier(), set, time.Second)
			f.worker = "a"
			for _, r := range c.results {
				f.fold(r)
			}
			if c.name == "failed" { // its worker has had no answers
				c.count.Undecided = 1
			}
			f.verdict()
			f.recount(0)
			got := set[id]
			got.Record, got.nodeFacts, c.want.Record = "", nodeFacts{}, ""
			if got != c.want || f.counts() != c.count {
				t.Errorf("%+v, %+v; want %+v, %+v", got, f.counts(), c.want, c.count)
			}
		})
	}

	t.Run("the future", func(t *testing.T) {
		f := newCrawler(nil, newLocalFrontier(), nodeSet{}, time.Second)
		f.fold(inFuture)
		if e := f.set[id]; e.LastResponse.After(time.Now()) || e.RTT != 25 {
			t.Errorf("%+v", e)
		}
	})
	// The worker of a failure has had enough answers: the node loses points.
	t.Run("proven", func(t *testing.T) {
		f := newCrawler(nil, newLocalFrontier(), nodeSet{id: listed}, time.Second)
		f.fold(result(crawlqueue.Failed, "b", first, 1))
		for i := range 3 {
			other, err := enr.GenerateKey(keys)
			if err != nil {
				t.Fatal(err)
			}
			r, err := enr.NewBuilder().SetIP(net4).SetUDP(9000).Sign(other)
			if err != nil {
				t.Fatal(err)
			}
			answer := result(crawlqueue.Answered, "b", r, uint64(i+2))
			answer.ID = r.ID()
			f.fold(answer)
		}
		f.verdict()
		if e := f.set[id]; e.Score != 2 || !e.LastCheck.Equal(at) || f.counts().Undecided != 0 {
			t.Errorf("%+v, %+v", e, f.counts())
		}
	})
}
