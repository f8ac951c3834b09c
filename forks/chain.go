package forks

import (
	"encoding/hex"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// Layer is one of the two layers of Ethereum. Each has its own entries in records.
type Layer string

// The layers.
const (
	ConsensusLayer Layer = "consensus" // entries "eth2" and "nfd"
	ExecutionLayer Layer = "execution" // entry "eth"
)

// Digest identifies a fork of a chain: a fork digest of the consensus layer, or the hash of a fork
// ID of the execution layer. Both are four bytes.
type Digest [4]byte

// String returns the digest in hexadecimal, with 0x.
func (d Digest) String() string { return "0x" + hex.EncodeToString(d[:]) }

// Fork is a period of a chain. It begins at a fork and ends at the next one.
type Fork struct {
	Name   string // such as deneb or bpo1
	Digest Digest
	// Start is when the fork begins. It is the zero time for the first one, and for those of the
	// execution layer that begin at a block number.
	Start time.Time
}

// Chain is a chain with its planned forks. Its methods are safe for concurrent use, and the chain
// does not change.
type Chain interface {
	// Name returns the name of the network, or "".
	Name() string
	// Layer returns the chain's layer.
	Layer() Layer
	// Forks returns all forks, the first one first. Callers must not change the slice.
	Forks() []Fork
	// At returns the index in Forks of the fork that is in force at a time.
	At(now time.Time) int
	// SetEntries sets the entries that say which fork is in force at a time.
	SetEntries(b *enr.Builder, now time.Time)
	// Keys returns the keys that SetEntries may set.
	Keys() []string
	// Check compares the entries of another node's record with the chain at a time.
	Check(v enr.View, now time.Time) Verdict
	// NextChange returns the next time at which SetEntries or Check change their results. ok is
	// false if no such time is planned.
	NextChange(now time.Time) (at time.Time, ok bool)
}

// Match says how a record relates to a chain.
type Match uint8

// Values of Match.
const (
	// Absent: the record has no entry of this layer, or one of a wrong format.
	Absent Match = iota
	// Current: the record names the fork that is in force.
	Current
	// Next: the record names a fork that follows. On the consensus layer that is only the very next
	// one.
	Next
	// Previous: the record names the fork before, and its node may still be on its way. On the
	// consensus layer that holds for the grace period after a fork; on the execution layer, for any
	// earlier fork if the record also names the fork that came after it.
	Previous
	// Stale: the record names a fork of this chain that ended before.
	Stale
	// Foreign: the record names another chain, or a fork of this one that nobody planned when the
	// program was configured.
	Foreign
)

var matchNames = [...]string{"absent", "current", "next", "previous", "stale", "foreign"}

// String returns the name of the constant in lower case.
func (m Match) String() string { return matchNames[m] }

// Serves reports whether a bootnode of the chain keeps such a node in its table and relays it.
func (m Match) Serves() bool { return m == Current || m == Next || m == Previous }

// Verdict is the result of Chain.Check.
type Verdict struct {
	Match  Match
	Digest Digest // of the record; zero if Match is Absent
}

// current returns the index of the last fork that has begun.
func current(list []Fork, now time.Time) int {
	i := len(list) - 1
	for i > 0 && now.Before(list[i].Start) {
		i--
	}
	return i
}
