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

// Store is an open file. Its methods may be called from several goroutines. A nil Store remembers
// nothing: it reads as empty, and saves do nothing.
type Store struct {
	path string
	max  int // MaxNodes

	mu      sync.Mutex
	db      *bolt.DB            // nil once closed
	index   map[enr.ID]revision // what the nodes bucket holds, at most max
	skipped int
}

// revision tells whether a node has to be written again.
type revision struct {
	seq   uint64
	seen  int64 // Unix seconds
	score uint16
}

// Open opens the file at path and reads it; it is made, with access for its owner alone, if it is
// missing. ErrLocked: another process has it open. ErrDamaged, ErrVersion, ErrNoFile: it cannot be
// used, and is left as it is.
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
			// The file is left to the end of the process if it is too damaged to be closed.
			_ = s.guard(s.db.Close, false)
		}
		return nil, err
	}
	return s, nil
}

// setup makes the buckets and checks the version.
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

// addScores turns entries of version 1, which have none, into those of version 2.
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

// load fills the index. Entries that do not hold or are too old are left out of it; the next save
// takes them out of the file.
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

// split takes an entry apart. record is v's, which is only valid within the transaction.
func split(k, v []byte) (seen int64, score uint16, record []byte, ok bool) {
	if len(k) != enr.IDSize || len(v) <= headSize {
		return 0, 0, nil, false
	}
	seen, score = int64(binary.BigEndian.Uint64(v)), binary.BigEndian.Uint16(v[seenSize:])
	return seen, score, v[headSize:], seen >= 0 && seen < maxSeen && score > 0 && score <= MaxScore
}

// Nodes returns the best nodes, best first, at most limit, and how many entries have been skipped
// since the store was opened because they do not hold. Only records that are returned are verified,
// as that takes some hundred microseconds for each.
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

// best is the IDs of an index, best first: by score, then by when they were seen.
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

// lately is when any of the nodes was seen last, in Unix seconds, or the present if that is
// earlier.
func lately(index map[enr.ID]revision) (t int64) {
	for _, r := range index {
		t = max(t, r.seen)
	}
	return min(t, time.Now().Unix())
}

// Path is the name of the file; empty for a nil Store.
func (s *Store) Path() string {
	if s == nil {
		return ""
	}
	return s.path
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

// guard runs f and says of its error which file it is about. bbolt trusts its file, which it maps
// into memory: a damaged one makes it panic, or read where nothing is. What else it complains of
// when a file is opened is the file's content; later it may be a full disk.
func (s *Store) guard(f func() error, opening bool) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error: // where it read tells nobody anything
			err = fmt.Errorf("%s: %w", s.path, ErrDamaged)
		default:
			err = fmt.Errorf("%s: %w (%v)", s.path, ErrDamaged, r)
		}
	}()
	err = f()
	var pathErr *os.PathError
	var errno syscall.Errno
	switch {
	case err == nil, errors.As(err, &pathErr): // which names the file itself
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
