// Package store saves the data that a node needs after a restart: its own record, whose sequence
// number must never decrease, and other nodes to start from.
//
// # Layout
//
// A store is one bbolt file:
//
//	bucket   key               value
//	meta     "version"         1 byte: 2
//	local    node ID, 32 B     encoded record of this node under that ID
//	nodes    node ID, 32 B     last seen, 8 B big-endian Unix seconds | score, 2 B |
//	                           encoded record
//
// Version 1 had no scores. Open upgrades such a file.
//
// Each save is one transaction, so a process that is killed leaves the state before or after it.
// Only one process at a time can use a file; bbolt locks it.
//
// # Scores
//
// A node's score is a measure of its reliability. It begins with 1, grows by 1 up to MaxScore when
// the node is seen five minutes or more after the last time, and each failure halves it. A node
// whose score would be 0 is removed. Older scores count less: half for each week since the node was
// seen. The best nodes are used first, and the worst are removed if there is no room. A node that
// was not seen for MaxAge is removed too. Ages count from the most recently seen node, or from the
// present if that is earlier, so a store does not age while it is not used.
//
// # Trust
//
// The file is treated as untrusted input: records are verified, and invalid entries are skipped and
// counted.
package store

import (
	"errors"
	"time"

	"github.com/fastdisc/discv5/enr"
)

const (
	// MaxNodes is the largest number of nodes in a store. The worst nodes beyond it are removed.
	MaxNodes = 2000
	// MaxLocal is the largest number of identities with an own record, for a directory that is used
	// with several keys.
	MaxLocal = 16

	// MaxScore is the highest score, reached after about eight hours without interruption.
	MaxScore = 100
	// MaxAge is how long a node is kept that is not seen.
	MaxAge = 30 * 24 * time.Hour

	// lockTimeout is how long Open waits for another process to release the file.
	lockTimeout = time.Second
	// seenStep is the smallest change of a node's last-seen time that is worth a write.
	seenStep = 5 * time.Minute

	version   = 2
	seenSize  = 8            // bytes of the last-seen time
	headSize  = seenSize + 2 // bytes before a record
	maxSeen   = 1 << 40
	scoreHalf = 7 * 24 * time.Hour // time after which a score counts half
)

// Errors of Open and of all methods. They are wrapped with the name of the file.
var (
	ErrLocked  = errors.New("another process has it open")
	ErrDamaged = errors.New("file is damaged or not a node database; move it away to start with an empty one")
	ErrVersion = errors.New("file was written by a newer version")
	ErrNoFile  = errors.New("path is a directory, device or pipe, not a node database")
	ErrClosed  = errors.New("store is closed")
)

// Entry is a node to save. Its record must be verified; the store copies it.
type Entry struct {
	ID     enr.ID
	Seq    uint64 // of Record
	Record []byte // encoded
	Seen   time.Time
}

// Node is another node in the store.
type Node struct {
	Record *enr.Record
	Seen   time.Time // time of its last answer, in whole seconds
	Score  int       // 1 to MaxScore
}
