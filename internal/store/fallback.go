package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fastdisc/discv5/enr"
)

// DamagedSuffix is the suffix of a file that MoveAside has moved.
const DamagedSuffix = ".damaged"

// MoveAside renames a damaged file so that Open can create a new one at path. It returns the new
// name. It replaces an earlier file of that name.
func MoveAside(path string) (to string, err error) {
	to = path + DamagedSuffix
	if err := os.Rename(path, to); err != nil {
		return "", fmt.Errorf("move damaged file aside: %w", err)
	}
	return to, nil
}

// checkFile refuses anything but a file. Opening a named pipe would block until a writer comes.
func checkFile(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return &os.PathError{Op: "open", Path: path, Err: ErrNoFile}
	}
	return nil
}

// ReadNodes returns the best nodes, at most limit, of a file that is not writable, best first. It
// changes nothing. It returns the errors of Open.
func ReadNodes(path string, limit int) (nodes []Node, skipped int, err error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return nil, 0, nil // a full disk leaves such a new file
	}
	s := &Store{path: path, max: MaxNodes, index: make(map[enr.ID]revision)}
	err = s.guard(func() (err error) {
		if err := checkFile(path); err != nil {
			return err
		}
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: lockTimeout, ReadOnly: true, NoStatistics: true})
		if err != nil {
			return err
		}
		return s.db.View(func(tx *bolt.Tx) error {
			v := tx.Bucket(bucketMeta)
			if v == nil || tx.Bucket(bucketNodes) == nil {
				return ErrDamaged
			}
			if got := v.Get(keyVersion); len(got) != 1 || got[0] != version {
				return ErrVersion
			}
			return s.load(tx)
		})
	}, true)
	if err == nil {
		nodes, skipped, err = s.Nodes(limit)
	}
	if s.db == nil {
		return nodes, skipped, err
	}
	return nodes, skipped, errors.Join(err, s.Close())
}

// CheckVersion returns ErrVersion if a newer version of this program wrote the file at path. It
// returns nil in all other cases, even if there is no file or another process has it open.
func CheckVersion(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	s := &Store{path: path}
	err := s.guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: 50 * time.Millisecond, ReadOnly: true, NoStatistics: true})
		if err != nil {
			return err
		}
		return s.db.View(func(tx *bolt.Tx) error {
			if b := tx.Bucket(bucketMeta); b != nil {
				if v := b.Get(keyVersion); len(v) == 1 && v[0] > version {
					return ErrVersion
				}
			}
			return nil
		})
	}, true)
	if s.db != nil {
		_ = s.guard(s.db.Close, false) // the file was only read
	}
	if errors.Is(err, ErrVersion) {
		return err
	}
	return nil
}
