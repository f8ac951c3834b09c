package store

import (
	"encoding/binary"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fastdisc/discv5/enr"
)

const step = int64(seenStep / time.Second)

// order returns the nodes of a store, best first, as the numbers given to record, with their
// scores.
func order(t *testing.T, s *Store) (ns []byte, scores []int) {
	t.Helper()
	list, _ := nodes(t, s, MaxNodes)
	for _, e := range list {
		for n := range byte(20) {
			if record(t, n+1, 1).ID() == e.Record.ID() {
				ns, scores = append(ns, n+1), append(scores, e.Score)
			}
		}
	}
	return ns, scores
}

func expect(t *testing.T, s *Store, what string, ns []byte, scores []int) {
	t.Helper()
	gotNs, gotScores := order(t, s)
	if !slices.Equal(gotNs, ns) || !slices.Equal(gotScores, scores) {
		t.Errorf("%s: nodes %v with scores %v, want %v with %v", what, gotNs, gotScores, ns, scores)
	}
}

// TestScores: a node that was seen many times comes before one that was seen last, until it fails.
func TestScores(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	old, late := record(t, 1, 1), record(t, 2, 1)
	for i := range int64(8) {
		save(t, s, false, entry(old, 1000+i*step))
	}
	save(t, s, true, entry(old, 1000+7*step+1)) // too soon to count
	save(t, s, false, entry(late, 1000+8*step))
	s = reopen(t, s)
	expect(t, s, "after saves", []byte{1, 2}, []int{8, 1})

	fail := func(want int, records ...*enr.Record) {
		t.Helper()
		var ids []enr.ID
		for _, r := range records {
			ids = append(ids, r.ID())
		}
		if gone, err := s.Failed(ids); err != nil || gone != want {
			t.Errorf("%d gone, %v; want %d", gone, err, want)
		}
		s = reopen(t, s)
	}
	fail(0, old, record(t, 3, 1)) // the second one is not in the store
	expect(t, s, "after a failure", []byte{1, 2}, []int{4, 1})
	fail(1, old, late)
	expect(t, s, "after another one", []byte{1}, []int{2})
	fail(0, old)
	fail(1, old)
	fail(0, old)
	expect(t, s, "in the end", nil, nil)

	// The score is bounded.
	save(t, s, false, entry(old, 1000))
	r := s.index[old.ID()]
	r.score = MaxScore - 1
	s.index[old.ID()] = r
	for i := range int64(3) {
		save(t, s, false, entry(old, 1000+(i+1)*step))
	}
	expect(t, s, "after many saves", []byte{1}, []int{MaxScore})
}

// TestAge: scores of nodes that were not seen lately count less, and nodes not seen for too long
// are left out, both in comparison with the most recently seen node.
func TestAge(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	const week = int64(scoreHalf / time.Second)
	for i := range int64(4) {
		save(t, s, false, entry(record(t, 1, 1), 1000+i*step))
	}
	save(t, s, false, entry(record(t, 2, 1), 1000+3*step))
	save(t, s, false, entry(record(t, 3, 1), 1000+3*step+2*week))
	expect(t, s, "two weeks later", []byte{3, 1, 2}, []int{1, 4, 1})
	s = reopen(t, s)
	expect(t, s, "and after a restart", []byte{3, 1, 2}, []int{1, 4, 1})

	age := int64(MaxAge / time.Second)
	save(t, s, false, entry(record(t, 4, 1), 1001+3*step+age))
	s = reopen(t, s)
	expect(t, s, "after the largest age", []byte{4, 3}, []int{1, 1})
	if _, skipped := nodes(t, s, 10); skipped != 0 {
		t.Errorf("%d old nodes count as bad entries", skipped)
	}
	// A clock that was ahead for a while does not age all other nodes.
	save(t, s, false, entry(record(t, 5, 1), time.Now().Unix()+100*age))
	save(t, s, false, entry(record(t, 6, 1), time.Now().Unix()))
	s = reopen(t, s)
	expect(t, s, "after a clock ahead", []byte{5, 6}, []int{1, 1})
}

// TestNewNodesDoNotCrowdOut: without room the worst nodes are removed, not those known for long.
func TestNewNodesDoNotCrowdOut(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	s.max = 10
	for i := range int64(2) {
		for n := range byte(5) {
			save(t, s, false, entry(record(t, n+1, 1), 1000+i*step))
		}
	}
	flood := entry(record(t, 20, 1), 1000+2*step)
	var entries []Entry
	for i := range 100 {
		binary.BigEndian.PutUint32(flood.ID[:], uint32(i))
		entries = append(entries, flood)
	}
	save(t, s, false, entries...)
	for n := range byte(5) {
		if _, ok := s.index[record(t, n+1, 1).ID()]; !ok {
			t.Errorf("node %d had to go", n+1)
		}
	}
	if len(s.index) != s.max {
		t.Errorf("%d nodes", len(s.index))
	}
}

// TestVersion1: Open upgrades a file of version 1, and reads it the same afterwards.
func TestVersion1(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "nodes.db"))
	a, b := record(t, 1, 1), record(t, 2, 1)
	save(t, s, false, entry(a, 1000), entry(b, 2000))
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, e := range []struct {
			r    *enr.Record
			seen uint64
		}{{a, 1000}, {b, 2000}} {
			id := e.r.ID()
			if err := tx.Bucket(bucketNodes).Put(id[:], append(binary.BigEndian.AppendUint64(nil, e.seen), e.r.Bytes()...)); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyVersion, []byte{1})
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = reopen(t, s)
		expect(t, s, "nodes of version 1", []byte{2, 1}, []int{1, 1})
		if _, skipped := nodes(t, s, 10); skipped != 0 {
			t.Errorf("%d skipped", skipped)
		}
	}
}
