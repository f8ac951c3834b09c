// Package store keeps what a node has to remember between two runs: its own record, whose sequence
// number must never fall back, and other nodes that it can start from.
//
// # Layout
//
// A store is one bbolt file:
//
//	bucket   key               value
//	meta     "version"         1 byte: 2
//	local    node ID, 32 B     encoded record of this node under that ID
//	nodes    node ID, 32 B     last seen, 8 B big-endian Unix seconds | score, 2 B | encoded record, up to 300 B
//
// Version 1 had no scores; such a file is brought up to date when it is opened.
//
// One transaction holds each save, so a process that is killed leaves the state before or after it.
// One process at a time can use a file; bbolt locks it.
//
// # Scores
//
// A node's score tells how much it can be counted on. It begins with 1, grows by 1 for each five
// minutes or more after which the node was seen again, up to MaxScore, and each failure halves it.
// A node whose score would be 0 is taken out. Scores of nodes that were not seen lately count less:
// half for each week. The best are used first, and the worst go when there is no room. A node that
// was not seen for MaxAge goes too. What "lately" is about is the node that was seen last, or the
// present if that is earlier: a store that was not used for long is as good as it was.
//
// # Trust
//
// The file is read as if a stranger had written it: records are verified, and entries that do
// not hold are skipped and counted.
package store

import (
	"errors"
	"time"

	"github.com/fastdisc/discv5/enr"
)

const (
	// MaxNodes bounds the nodes in a store. Above it those not seen for longest go.
	MaxNodes = 2000
	// MaxLocal bounds the identities whose own record is kept, for a directory that is used with
	// several keys.
	MaxLocal = 16

	// MaxScore is the highest score: some eight hours without interruption.
	MaxScore = 100
	// MaxAge is for how long a node is kept that was not seen.
	MaxAge = 30 * 24 * time.Hour

	// lockTimeout is how long Open waits for another process to let go of the file.
	lockTimeout = time.Second
	// seenStep is by how much a node's last-seen time must have moved for that alone to be written.
	seenStep = 5 * time.Minute

	version   = 2
	seenSize  = 8            // bytes of the last-seen time
	headSize  = seenSize + 2 // bytes in front of a record
	maxSeen   = 1 << 40
	scoreHalf = 7 * 24 * time.Hour // within which a score counts half
)

// Errors of Open and of all methods. They come wrapped, with the name of the file.
var (
	ErrLocked  = errors.New("another process uses it")
	ErrDamaged = errors.New("file is damaged or no node database; move it away to start with an empty one")
	ErrVersion = errors.New("file was written by a newer version")
	ErrNoFile  = errors.New("directory, device or pipe, and no node database")
	ErrClosed  = errors.New("store is closed")
)

// Entry is a node to be saved. Its record has been verified; the store copies it.
type Entry struct {
	ID     enr.ID
	Seq    uint64 // of Record
	Record []byte // encoded
	Seen   time.Time
}

// Node is another node as the store knows it.
type Node struct {
	Record *enr.Record
	Seen   time.Time // when it last answered, in whole seconds
	Score  int       // 1 to MaxScore
}
