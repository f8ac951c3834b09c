package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/fastdisc/discv5/enr"
)

var (
	bucketMeta  = []byte("meta")
	bucketLocal = []byte("local")
	bucketNodes = []byte("nodes")
	keyVersion  = []byte("version")
)

// Store is an open file. It is safe for concurrent use. A nil Store is empty, and saves do nothing.
type Store struct {
	path string
	max  int // MaxNodes

	mu      sync.Mutex
	db      *bolt.DB            // nil once closed
	index   map[enr.ID]revision // content of the nodes bucket, at most max
	skipped int
}

// revision determines whether a node must be written.
type revision struct {
	seq   uint64
	seen  int64 // Unix seconds
	score uint16
}

// Open opens and reads the file at path. It creates a missing file, with access for its owner only.
// ErrLocked: another process has it open. ErrDamaged, ErrVersion, ErrNoFile: it is unusable and
// unchanged.
func Open(path string) (*Store, error) {
	s := &Store{path: path, max: MaxNodes, index: make(map[enr.ID]revision)}
	err := s.guard(func() (err error) {
		if err := checkFile(path); err != nil {
			return err
		}
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, NoStatistics: true})
		if err != nil {
			return err
		}
		if err := s.db.Update(setup); err != nil {
			return err
		}
		return s.db.View(s.load)
	}, true)
	if err != nil {
		if s.db != nil {
			// If the file is too damaged to close, it stays open until the process ends.
			_ = s.guard(s.db.Close, false)
		}
		return nil, err
	}
	return s, nil
}

// setup creates the buckets and checks the version.
func setup(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketLocal, bucketNodes} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	switch v := meta.Get(keyVersion); {
	case v == nil:
		return meta.Put(keyVersion, []byte{version})
	case len(v) != 1 || v[0] == 0:
		return ErrDamaged
	case v[0] > version:
		return ErrVersion
	case v[0] == 1:
		return errors.Join(addScores(tx.Bucket(bucketNodes)), meta.Put(keyVersion, []byte{version}))
	}
	return nil
}

// addScores upgrades entries of version 1, which have no scores.
func addScores(b *bolt.Bucket) error {
	type entry struct{ key, value []byte }
	var entries []entry
	err := b.ForEach(func(k, v []byte) error {
		if len(v) > seenSize {
			entries = append(entries, entry{bytes.Clone(k), slices.Concat(v[:seenSize], []byte{0, 1}, v[seenSize:])})
		}
		return nil
	})
	for _, e := range entries {
		err = errors.Join(err, b.Put(e.key, e.value))
	}
	return err
}

// load fills the index. It leaves out invalid and old entries, which the next save removes from the
// file.
func (s *Store) load(tx *bolt.Tx) error {
	err := tx.Bucket(bucketNodes).ForEach(func(k, v []byte) error {
		if seen, score, record, ok := split(k, v); ok && len(s.index) < s.max {
			if view, err := enr.ParseView(record); err == nil {
				s.index[enr.ID(k)] = revision{view.Seq(), seen, score}
				return nil
			}
		}
		s.skipped++
		return nil
	})
	oldest := lately(s.index) - int64(MaxAge/time.Second)
	maps.DeleteFunc(s.index, func(_ enr.ID, r revision) bool { return r.seen < oldest })
	return err
}

// split splits an entry. record is part of v, which is valid within the transaction only.
func split(k, v []byte) (seen int64, score uint16, record []byte, ok bool) {
	if len(k) != enr.IDSize || len(v) <= headSize {
		return 0, 0, nil, false
	}
	seen, score = int64(binary.BigEndian.Uint64(v)), binary.BigEndian.Uint16(v[seenSize:])
	return seen, score, v[headSize:], seen >= 0 && seen < maxSeen && score > 0 && score <= MaxScore
}

// Nodes returns the best nodes, at most limit, best first, and the number of invalid entries
// skipped since the store was opened. It verifies only the records that it returns, because that
// takes a few hundred microseconds each.
func (s *Store) Nodes(limit int) (nodes []Node, skipped int, err error) {
	err = s.do(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketNodes)
			for _, id := range best(s.index) {
				if len(nodes) >= limit {
					break
				}
				_, _, record, ok := split(id[:], b.Get(id[:]))
				r, err := enr.Parse(record)
				if !ok || err != nil || r.ID() != id {
					delete(s.index, id)
					s.skipped++
					continue
				}
				nodes = append(nodes, Node{Record: r, Seen: time.Unix(s.index[id].seen, 0), Score: int(s.index[id].score)})
			}
			skipped = s.skipped
			return nil
		})
	})
	return nodes, skipped, err
}

// best returns the IDs of an index, best first: by score, then by last-seen time.
func best(index map[enr.ID]revision) []enr.ID {
	now := lately(index)
	rank := func(r revision) uint16 {
		return r.score >> min(max(now-r.seen, 0)/int64(scoreHalf/time.Second), 16)
	}
	return slices.SortedFunc(maps.Keys(index), func(x, y enr.ID) int {
		a, b := index[x], index[y]
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.seen, a.seen), bytes.Compare(x[:], y[:]))
	})
}

// lately returns the most recent last-seen time in Unix seconds, or the present if that is earlier.
func lately(index map[enr.ID]revision) (t int64) {
	for _, r := range index {
		t = max(t, r.seen)
	}
	return min(t, time.Now().Unix())
}

// Close closes the file. Further calls do nothing.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return s.guard(db.Close, false)
}

// guard runs f and wraps its error with the name of the file. bbolt trusts its file, which it maps
// into memory: a damaged file makes it panic or read invalid memory. Other errors when opening are
// about the file's content; later they may be about a full disk.
func (s *Store) guard(f func() error, opening bool) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error: // the address of a bad read tells nothing
			err = fmt.Errorf("%s: %w", s.path, ErrDamaged)
		default:
			err = fmt.Errorf("%s: %w (%v)", s.path, ErrDamaged, r)
		}
	}()
	err = f()
	var pathErr *os.PathError
	var errno syscall.Errno
	switch {
	case err == nil, errors.As(err, &pathErr): // it already names the file
		return err
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w", s.path, ErrLocked)
	case errors.As(err, &errno), errors.Is(err, ErrDamaged), errors.Is(err, ErrVersion):
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if opening {
		return fmt.Errorf("%s: %w (%w)", s.path, ErrDamaged, err)
	}
	return fmt.Errorf("%s: %w", s.path, err)
}
