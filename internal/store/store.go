package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
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

// Store is an open file. Its methods may be called from several goroutines.
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
	seq  uint64
	seen int64 // Unix seconds
}

// Open opens the file at path and reads it; it is made, with access for its owner alone, if it is missing.
// ErrLocked: another process has it open. ErrDamaged, ErrVersion: it cannot be used, and is left as it is.
func Open(path string) (*Store, error) {
	s := &Store{path: path, max: MaxNodes, index: make(map[enr.ID]revision)}
	err := s.guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, NoStatistics: true})
		if err != nil {
			return err
		}
		if err := s.db.Update(setup); err != nil {
			return err
		}
		return s.db.View(s.load)
	})
	if err != nil {
		if s.db != nil {
			// The file is left to the end of the process if it is too damaged to be closed.
			_ = s.guard(s.db.Close)
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
	}
	return nil
}

// load fills the index. Entries that do not hold are left out of it; the next save takes them out of the file.
func (s *Store) load(tx *bolt.Tx) error {
	return tx.Bucket(bucketNodes).ForEach(func(k, v []byte) error {
		if seen, record, ok := split(k, v); ok && len(s.index) < s.max {
			if view, err := enr.ParseView(record); err == nil {
				s.index[enr.ID(k)] = revision{view.Seq(), seen}
				return nil
			}
		}
		s.skipped++
		return nil
	})
}

// split takes an entry apart. record is v's, which is only valid within the transaction.
func split(k, v []byte) (seen int64, record []byte, ok bool) {
	if len(k) != enr.IDSize || len(v) <= seenSize {
		return 0, nil, false
	}
	seen = int64(binary.BigEndian.Uint64(v))
	return seen, v[seenSize:], seen >= 0 && seen < maxSeen
}

// Nodes returns the nodes seen last, that one first, at most limit, and how many entries have been skipped since the store was
// opened because they do not hold. Only records that are returned are verified, as that takes some
// hundred microseconds for each.
func (s *Store) Nodes(limit int) (nodes []Node, skipped int, err error) {
	err = s.do(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketNodes)
			for _, id := range bySeen(s.index) {
				if len(nodes) >= limit {
					break
				}
				_, record, ok := split(id[:], b.Get(id[:]))
				r, err := enr.Parse(record)
				if !ok || err != nil || r.ID() != id {
					delete(s.index, id)
					s.skipped++
					continue
				}
				nodes = append(nodes, Node{Record: r, Seen: time.Unix(s.index[id].seen, 0)})
			}
			skipped = s.skipped
			return nil
		})
	})
	return nodes, skipped, err
}

// bySeen is the IDs of an index, last seen first.
func bySeen(index map[enr.ID]revision) []enr.ID {
	return slices.SortedFunc(maps.Keys(index), func(a, b enr.ID) int {
		return cmp.Or(cmp.Compare(index[b].seen, index[a].seen), bytes.Compare(a[:], b[:]))
	})
}

// Path is the name of the file.
func (s *Store) Path() string { return s.path }

// Close closes the file. Further calls do nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return s.guard(db.Close)
}

// guard runs f and says of its error which file it is about. bbolt trusts its file, which it maps into memory: a damaged
// one makes it panic, or read where nothing is.
func (s *Store) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
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
	return fmt.Errorf("%s: %w (%v)", s.path, ErrDamaged, err) // all other complaints of bbolt are about the file's content
}
