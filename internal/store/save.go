package store

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/fastdisc/discv5/enr"
)

// Local returns the last saved own record of id, or nil if there is none.
func (s *Store) Local(id enr.ID) (r *enr.Record, err error) {
	err = s.do(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if got, err := enr.Parse(tx.Bucket(bucketLocal).Get(id[:])); err == nil && got.ID() == id {
				r = got
			}
			return nil
		})
	})
	return r, err
}

// SaveLocal saves a node's own record. It returns when the record is on disk. Call it before others
// can see the record: then no restart after a crash uses a lower sequence number than one that
// others have seen.
func (s *Store) SaveLocal(r *enr.Record) error {
	return s.do(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			b, id := tx.Bucket(bucketLocal), r.ID()
			if bytes.Equal(b.Get(id[:]), r.Bytes()) {
				return nil
			}
			if err := boundLocal(b, id); err != nil {
				return err
			}
			return b.Put(id[:], r.Bytes())
		})
	})
}

// boundLocal makes room for id by removing other identities. Sequence numbers of new records start
// with the time, so a removed identity that returns later does not use a lower one.
func boundLocal(b *bolt.Bucket, id enr.ID) error {
	var others [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if !bytes.Equal(k, id[:]) {
			others = append(others, bytes.Clone(k))
		}
	}
	for len(others) >= MaxLocal {
		if err := b.Delete(others[0]); err != nil {
			return err
		}
		others = others[1:]
	}
	return nil
}

// SaveNodes adds or updates nodes in one transaction, and returns the number written. It skips
// nodes that the store has with the same sequence number and nearly the same time, unless all is
// set. Other nodes in the store stay; beyond MaxNodes the worst are removed.
func (s *Store) SaveNodes(nodes []Entry, all bool) (written int, err error) {
	err = s.do(func() error {
		var changed []Entry
		for _, n := range nodes {
			if s.stale(n, all) {
				changed = append(changed, n)
			}
		}
		if len(changed) == 0 {
			return nil
		}
		// If there are too many, the newest are written.
		slices.SortStableFunc(changed, func(a, b Entry) int { return b.Seen.Compare(a.Seen) })
		changed = changed[:min(len(changed), s.max)]
		index, gone := s.after(changed)
		err := s.db.Update(func(tx *bolt.Tx) error { return write(tx.Bucket(bucketNodes), changed, index, gone) })
		if err == nil {
			s.index, written = index, len(changed)
		}
		return err
	})
	return written, err
}

// stale reports whether n is worth a write.
func (s *Store) stale(n Entry, all bool) bool {
	have, ok := s.index[n.ID]
	moved := n.Seen.Unix() - have.seen
	switch {
	case !ok:
		return true
	case n.Seq != have.seq:
		return n.Seq > have.seq
	case all:
		return moved > 0
	}
	return moved >= int64(seenStep.Seconds())
}

// after returns the index after writing changed, and the nodes to remove for it.
func (s *Store) after(changed []Entry) (index map[enr.ID]revision, gone []enr.ID) {
	index = maps.Clone(s.index)
	for _, n := range changed {
		r, known := index[n.ID]
		if !known || n.Seen.Unix()-r.seen >= int64(seenStep.Seconds()) {
			r.score = min(r.score+1, MaxScore)
		}
		index[n.ID] = revision{n.Seq, n.Seen.Unix(), r.score}
	}
	if len(index) <= s.max {
		return index, nil
	}
	gone = best(index)[s.max:]
	for _, id := range gone {
		delete(index, id)
	}
	return index, gone
}

// write writes changed to b, and removes the given nodes and entries that are not in the index.
func write(b *bolt.Bucket, changed []Entry, index map[enr.ID]revision, gone []enr.ID) error {
	for _, n := range changed {
		r, ok := index[n.ID]
		if !ok {
			continue
		}
		if err := b.Put(n.ID[:], join(r, n.Record)); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if err := b.Delete(id[:]); err != nil {
			return err
		}
	}
	return dropUnknown(b, index)
}

// join returns the value of an entry.
func join(r revision, record []byte) []byte {
	v := binary.BigEndian.AppendUint64(make([]byte, 0, headSize+enr.MaxSize), uint64(max(r.seen, 0)))
	return append(binary.BigEndian.AppendUint16(v, r.score), record...)
}

// Failed records that nodes did not answer, in one transaction. It returns the number of nodes
// removed for that. It ignores unknown nodes. Callers must not count failures that may be this
// node's own fault: a network outage would remove all nodes.
func (s *Store) Failed(ids []enr.ID) (gone int, err error) {
	err = s.do(func() error {
		index := maps.Clone(s.index)
		var halved, dropped []enr.ID
		for _, id := range ids {
			r, ok := index[id]
			if !ok {
				continue
			}
			if r.score /= 2; r.score == 0 {
				delete(index, id)
				dropped = append(dropped, id)
			} else {
				index[id] = r
				halved = append(halved, id)
			}
		}
		if len(halved)+len(dropped) == 0 {
			return nil
		}
		err := s.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketNodes)
			for _, id := range halved {
				_, _, record, ok := split(id[:], b.Get(id[:]))
				if !ok {
					continue // the next read of the store detects it
				}
				if err := b.Put(id[:], join(index[id], record)); err != nil {
					return err
				}
			}
			return write(b, nil, index, dropped)
		})
		if err == nil {
			s.index, gone = index, len(dropped)
		}
		return err
	})
	return gone, err
}

// dropUnknown removes the entries that the last read skipped.
func dropUnknown(b *bolt.Bucket, index map[enr.ID]revision) error {
	var bad [][]byte
	c := b.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) == enr.IDSize {
			if _, ok := index[enr.ID(k)]; ok {
				continue
			}
		}
		bad = append(bad, bytes.Clone(k))
	}
	for _, k := range bad {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// do runs f on the open file, one call at a time.
func (s *Store) do(f func() error) error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return ErrClosed
	}
	return s.guard(f, false)
}
