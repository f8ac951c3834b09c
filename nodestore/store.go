package nodestore

import (
	"encoding/json"
	"fmt"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/store"
)

// MaxNodes bounds the other nodes in a file. A full file forgets those with the lowest score: a
// node's score grows while it keeps answering and halves when it fails.
const MaxNodes = store.MaxNodes

// Errors, wrapped together with the name of the file.
var (
	// ErrLocked means that another process uses the file.
	ErrLocked = store.ErrLocked
	// ErrDamaged means that the file is damaged or is not such a database. MoveAside makes room for
	// an empty one.
	ErrDamaged = store.ErrDamaged
	// ErrVersion means that a later version of this package has written the file.
	ErrVersion = store.ErrVersion
	// ErrNoFile means that there is a directory, device or pipe of that name.
	ErrNoFile = store.ErrNoFile
	// ErrClosed means that the store is closed.
	ErrClosed = store.ErrClosed
)

// Store is an open file. It implements [discv5.NodeStore]. Its methods may be called from several
// goroutines, and by several nodes with different keys.
type Store struct{ file *store.Store }

var _ discv5.NodeStore = (*Store)(nil)

// Open opens the file at path and creates it, readable by its owner alone, if it is missing. The
// error wraps ErrLocked, ErrDamaged, ErrVersion or ErrNoFile if the file cannot be used; it is left
// as it is then.
func Open(path string) (*Store, error) {
	f, err := store.Open(path)
	if err != nil {
		return nil, fmt.Errorf("nodestore: %w", err)
	}
	return &Store{f}, nil
}

// MoveAside renames a damaged file, so that Open can create a new one at path, and returns its new
// name. It replaces an earlier file of that name.
func MoveAside(path string) (string, error) { return store.MoveAside(path) }

// Close closes the file. Further calls of other methods fail with ErrClosed.
func (s *Store) Close() error { return s.file.Close() }

// LocalRecord implements discv5.NodeStore.
func (s *Store) LocalRecord(id enr.ID) (*enr.Record, error) { return s.file.Local(id) }

// SaveLocalRecord implements discv5.NodeStore. The record is on disk when it returns.
func (s *Store) SaveLocalRecord(r *enr.Record) error { return s.file.SaveLocal(r) }

// Addresses implements discv5.NodeStore. The store forgets data that it cannot read.
func (s *Store) Addresses(id enr.ID) ([]discv5.AddressState, error) {
	b, err := s.file.Addresses(id)
	if err != nil || b == nil {
		return nil, err
	}
	var states []discv5.AddressState
	if json.Unmarshal(b, &states) != nil {
		return nil, nil // as if there were none: votes find the address
	}
	return states, nil
}

// SaveAddresses implements discv5.NodeStore.
func (s *Store) SaveAddresses(id enr.ID, states []discv5.AddressState) error {
	b, err := json.Marshal(states)
	if err != nil {
		return fmt.Errorf("nodestore: addresses: %w", err)
	}
	return s.file.SaveAddresses(id, b)
}

// Nodes implements discv5.NodeStore.
func (s *Store) Nodes(max int) ([]*enr.Record, error) {
	nodes, _, err := s.file.Nodes(max)
	if err != nil {
		return nil, err
	}
	list := make([]*enr.Record, len(nodes))
	for i, n := range nodes {
		list[i] = n.Record
	}
	return list, nil
}

// SaveNodes implements discv5.NodeStore.
func (s *Store) SaveNodes(live []discv5.SeenNode, failed []enr.ID) error {
	entries := make([]store.Entry, len(live))
	for i, n := range live {
		entries[i] = store.Entry{ID: n.Record.ID(), Seq: n.Record.Seq(), Record: n.Record.Bytes(), Seen: n.Seen}
	}
	if _, err := s.file.SaveNodes(entries, false); err != nil {
		return err
	}
	if len(failed) == 0 {
		return nil
	}
	_, err := s.file.Failed(failed)
	return err
}
