package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/failed"
	"github.com/fastdisc/discv5/internal/store"
)

// storage keeps the key and the known nodes. If it cannot write, the daemon runs without
// persistence.
type storage struct {
	dir      string       // empty if there is none
	store    *store.Store // nil if nothing can be saved
	problems []string     // reasons for missing persistence, for the log
}

// persistent reports whether the storage saves anything.
func (s *storage) persistent() bool { return s.store != nil }

// openStorage opens the data directory and the node database. These are not errors: a directory
// that cannot be created or written, a damaged database, which openStorage moves aside, and a
// database that is not a file. It never moves the key.
func openStorage(o *options) (*storage, error) {
	s := &storage{}
	var err error
	if s.dir, err = openDataDir(o); err != nil {
		if cli.IsUsage(err) {
			return nil, err
		}
		s.problem("no data directory", err)
		if info, err := os.Stat(s.dir); s.dir == "" || err != nil || !info.IsDir() {
			s.dir = ""
			return s, nil
		}
	}
	// The lock of the database protects the whole directory from a second process.
	path := s.databasePath()
	s.store, err = store.Open(path)
	if errors.Is(err, store.ErrDamaged) {
		to, moveErr := store.MoveAside(path)
		if moveErr != nil {
			s.problem("node database", errors.Join(err, moveErr))
			return s, nil
		}
		s.problems = append(s.problems, fmt.Sprintf("%s was damaged; it is now %s, and the known nodes are lost", path, to))
		s.store, err = store.Open(path)
	}
	switch {
	case err == nil:
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrVersion):
		return nil, fmt.Errorf("node database: %w", err)
	default:
		s.problem("node database", err)
	}
	return s, nil
}

func (s *storage) problem(what string, err error) {
	if text := what + ": " + cli.OneLine(err); !slices.Contains(s.problems, text) {
		s.problems = append(s.problems, text)
	}
}

// unwritable reports whether err says that files cannot be created or changed. The daemon can do
// without; any other error may be a mistake in the settings.
func unwritable(err error) bool {
	for _, e := range []error{
		fs.ErrPermission, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, errNoHome,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// databasePath returns the name of the node database.
func (s *storage) databasePath() string { return filepath.Join(s.dir, "nodes.db") }

// key returns the private key of the settings, or that of the data directory, where it creates one
// if there is none. If it cannot save a new key, the node has another identity at its next start.
// warning is not empty if other users can read the file.
func (s *storage) key(o *options) (key *enr.PrivateKey, warning string, err error) {
	key, warning, err = findKey(o, s.dir)
	if err != nil || key != nil {
		return key, warning, err
	}
	if key, err = enr.GenerateKey(rand.Reader); err != nil {
		return nil, "", err
	}
	if s.dir == "" {
		err = errNoDirectory
	} else if err = writeKey(filepath.Join(s.dir, "nodekey"), key); err != nil && !unwritable(err) {
		return nil, "", err
	}
	if err != nil {
		s.problem("the new private key is in memory only, and the next start has another identity", err)
	}
	return key, "", nil
}

var errNoDirectory = errors.New("no data directory")

// previous returns the node's own record of the last run, or nil. Without a store the node takes
// the sequence number of its record from the clock, because an older number may have been used
// since.
func (s *storage) previous(id enr.ID) (*enr.Record, error) {
	r, err := s.store.Local(id)
	if err != nil {
		return nil, fmt.Errorf("node database: %w", err)
	}
	return r, nil
}

// saveFirst saves the record before anybody sees it. If the disk cannot be written, it closes the
// store, and the daemon runs without persistence.
func (s *storage) saveFirst(r *enr.Record) error {
	err := s.store.SaveLocal(r)
	if err == nil {
		return nil
	}
	if !unwritable(err) {
		return fmt.Errorf("node database: %w", err)
	}
	s.problem("node database", err)
	err = s.store.Close()
	s.store = nil
	return err
}

// saveRecord implements Config.SaveRecord.
func (s *storage) saveRecord(r *enr.Record) error { return s.store.SaveLocal(r) }

// seeds returns the best nodes of the last run, best first. It can read a database that cannot be
// written.
func (s *storage) seeds() (list []discv5.Contact, err error) {
	nodes, skipped, err := s.store.Nodes(discv5.MaxSeeds)
	if !s.persistent() && s.dir != "" {
		nodes, skipped, err = store.ReadNodes(s.databasePath(), discv5.MaxSeeds)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		} else if err != nil {
			s.problem("node database", err)
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("node database: %w", err)
	}
	if skipped > 0 {
		s.problems = append(s.problems, fmt.Sprintf("%d entries of %s are not valid and are ignored", skipped, s.databasePath()))
	}
	for _, n := range nodes {
		list = append(list, discv5.ContactOf(n.Record).Unvouched())
	}
	return list, nil
}

// close closes the database.
func (s *storage) close() error { return s.store.Close() }

// defaultDataDir returns the directory for data of this program in the user's home.
func defaultDataDir() (string, error) {
	if runtime.GOOS != "linux" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("%w: %w; give a directory with --datadir", errNoHome, err)
		}
		return filepath.Join(dir, "discv5"), nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "discv5"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w; give a directory with --datadir", errNoHome, err)
	}
	return filepath.Join(home, ".local", "share", "discv5"), nil
}

func dataDirHelp() string {
	if runtime.GOOS == "linux" {
		return "$XDG_DATA_HOME/discv5 or ~/.local/share/discv5"
	}
	return "discv5 in the user's configuration directory"
}

// errNoHome says that the user has no home directory.
var errNoHome = errors.New("no home directory")

// dataDirOf returns the name of the data directory. The directory may not exist.
func dataDirOf(o *options) (string, error) {
	dir := o.dataDir
	if dir == "" {
		var err error
		if dir, err = defaultDataDir(); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(dir)
	switch {
	case (err != nil || info.IsDir()) && !errors.Is(err, syscall.ENOTDIR):
		return dir, nil
	case o.dataDir == "":
		return dir, fmt.Errorf("%s: not a directory", dir)
	}
	return dir, cli.Usage(fmt.Errorf("%s %s: not a directory", o.from("datadir"), dir))
}

// openDataDir creates the data directory if it is missing. It returns its name even with an error.
func openDataDir(o *options) (string, error) {
	dir, err := dataDirOf(o)
	if err != nil {
		return dir, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return dir, err
	}
	return dir, nil
}

// probeDataDir reports whether a start could create the data directory and write into it. It
// creates a directory where the start would create something, and removes it.
func probeDataDir(dir string) error {
	at := dir
	for {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(at) == at {
			break
		}
		at = filepath.Dir(at)
	}
	probe, err := os.MkdirTemp(at, ".probe-")
	if err != nil {
		return err
	}
	return os.Remove(probe)
}

// keeper saves the nodes of the table and how reliable they are.
type keeper struct {
	node    *discv5.Node
	store   *store.Store
	all     iter.Seq[discv5.KnownNode] // the node's AllNodes
	epoch   time.Time                  // of the tracker's times
	tracker *failed.Tracker
	forget  func([]enr.ID) error // removes failed seeds from the bootnodes
	failed  func([]enr.ID)       // tells the fleet; nil for nobody
	count   *counts

	address addressKeeper
}

// newKeeper returns a keeper of a node that starts now, from seeds.
func newKeeper(node *discv5.Node, st *store.Store, seeds []discv5.Contact, count *counts, now time.Time) *keeper {
	var ids []enr.ID
	for _, c := range seeds {
		ids = append(ids, c.ID())
	}
	return &keeper{
		node: node, store: st, all: node.AllNodes(), epoch: now, tracker: failed.NewTracker(ids, failed.SeedTrial), count: count,
	}
}

// save writes the nodes that have changed since the last save, or all of them, and returns how many
// it wrote.
func (k *keeper) save(now time.Time, all bool) (written int, err error) {
	defer func() {
		if k.store == nil { // neither a success nor a failure
			return
		}
		k.count.saveFails.Store(err != nil)
		if err == nil {
			k.count.saves.Add(1)
		} else {
			k.count.badSaves.Add(1)
		}
	}()
	if err := k.store.SaveLocal(k.node.LocalRecord()); err != nil {
		return 0, err
	}
	if err := k.address.save(k.store, k.node.ID(), k.node.AddressStates()); err != nil {
		return 0, err
	}
	var nodes []store.Entry
	for n := range k.all {
		id := n.Record.ID()
		k.tracker.Saw(id, n.Live)
		if n.Live {
			nodes = append(nodes, store.Entry{ID: id, Seq: n.Record.Seq(), Record: n.Record.Bytes(), Seen: n.LastSeen})
		}
	}
	lost, silent := k.tracker.Failed(now.Sub(k.epoch))
	if len(lost) > 0 && k.failed != nil {
		k.failed(lost)
	}
	if len(silent) > 0 {
		err = k.forget(silent)
	}
	written, saveErr := k.store.SaveNodes(nodes, all)
	if saveErr == nil && len(lost) > 0 {
		_, saveErr = k.store.Failed(lost)
	}
	return written, errors.Join(err, saveErr)
}
