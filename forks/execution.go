package forks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// ExecutionFork is a fork of the execution layer.
type ExecutionFork struct {
	Name string
	// At is the block number or the time, in Unix seconds, of the first block of the fork.
	At uint64
}

// ExecutionConfig describes a chain of the execution layer.
type ExecutionConfig struct {
	Name        string
	GenesisHash [32]byte
	GenesisTime uint64 // Unix seconds
	// BlockForks begin at a block number, and TimeForks, which follow all of them, at a time. Those
	// at block 0, and those not after GenesisTime, are not forks, and are ignored.
	BlockForks, TimeForks []ExecutionFork
}

// Execution is a chain of the execution layer.
//
// A node without the chain does not know the number of its last block. To At, SetEntries and Check
// all forks that begin at a block number have passed; only times count.
type Execution struct {
	config ExecutionConfig
	points []uint64 // of the forks after the first one: block numbers, then times
	blocks int      // how many of points are block numbers
	forks  []Fork   // one more than points
}

var _ Chain = (*Execution)(nil)

// NewExecution returns the chain of a configuration.
func NewExecution(config ExecutionConfig) (*Execution, error) {
	e := &Execution{config: config}
	sum := crc32.ChecksumIEEE(config.GenesisHash[:])
	e.forks = []Fork{{Name: "genesis", Digest: digestOf(sum)}}
	add := func(list []ExecutionFork, after uint64, start func(uint64) time.Time) {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b ExecutionFork) int { return cmpUint(a.At, b.At) })
		first := len(e.points)
		for _, f := range list {
			n := len(e.points)
			if n == 0 && f.At <= after || n > first && f.At == e.points[n-1] {
				e.forks[n].Name = f.Name // several at one point: the last name
			}
			if f.At <= after || n > first && f.At == e.points[n-1] {
				continue
			}
			sum = crc32.Update(sum, crc32.IEEETable, binary.BigEndian.AppendUint64(nil, f.At))
			fork := Fork{Name: f.Name, Digest: digestOf(sum)}
			if start != nil {
				fork.Start = start(f.At)
			}
			e.points, e.forks = append(e.points, f.At), append(e.forks, fork)
		}
	}
	add(config.BlockForks, 0, nil)
	e.blocks = len(e.points)
	for _, f := range config.TimeForks {
		if f.At > maxUnix {
			return nil, fmt.Errorf("fork %s at %d: %w", f.Name, f.At, ErrTimeBounds)
		}
	}
	add(config.TimeForks, config.GenesisTime, func(at uint64) time.Time { return time.Unix(int64(at), 0) })
	return e, nil
}

func digestOf(sum uint32) (d Digest) {
	binary.BigEndian.PutUint32(d[:], sum)
	return d
}

// GenesisHash returns the hash of the genesis block.
func (e *Execution) GenesisHash() [32]byte { return e.config.GenesisHash }

// passed returns how many forks a block of the given number and time has passed.
func (e *Execution) passed(block, now uint64) int {
	for i, at := range e.points {
		if e.head(i, block, now) < at {
			return i
		}
	}
	return len(e.points)
}

// head returns what to compare with point i.
func (e *Execution) head(i int, block, now uint64) uint64 {
	if i < e.blocks || len(e.points) == e.blocks {
		return block
	}
	return now
}

// ForkID returns the fork ID of a node whose last block has the given number and time (EIP-2124,
// EIP-6122).
func (e *Execution) ForkID(block, now uint64) enr.ForkID {
	i := e.passed(block, now)
	id := enr.ForkID{Hash: e.forks[i].Digest}
	if i < len(e.points) {
		id.Next = e.points[i]
	}
	return id
}

// Reasons of Validate to refuse a fork ID.
var (
	// ErrRemoteStale: the other node does not know a fork that has passed.
	ErrRemoteStale = errors.New("forks: the other node needs an update")
	// ErrIncompatible: the other node is on another chain, or this one does not know a fork that
	// the other has passed.
	ErrIncompatible = errors.New("forks: another chain, or this program needs an update")
)

// timeThreshold tells times from block numbers in fork IDs: the time of the first block of mainnet.
const timeThreshold = 1438269973

// Validate reports whether a node with a fork ID can be on the chain of a node whose last
// block has the given number and time. The rules are those of EIP-2124, in its order. The error is
// ErrRemoteStale or ErrIncompatible.
func (e *Execution) Validate(id enr.ForkID, block, now uint64) error {
	i := e.passed(block, now)
	if id.Hash == e.forks[i].Digest { // rule 1
		head := e.head(i, block, now)
		if id.Next > 0 && (head >= id.Next || id.Next > timeThreshold && now >= id.Next) {
			return ErrIncompatible
		}
		return nil
	}
	for j, f := range e.forks {
		switch {
		case f.Digest != id.Hash:
		case j > i: // rule 3
			return nil
		case id.Next == e.points[j]: // rule 2
			return nil
		default:
			return ErrRemoteStale
		}
	}
	return ErrIncompatible // rule 4
}

// block returns the number of a last block that has passed all forks by number and no other one.
func (e *Execution) block() uint64 {
	if e.blocks == 0 {
		return 0
	}
	return e.points[e.blocks-1]
}

func unix(now time.Time) uint64 {
	if s := now.Unix(); s > 0 {
		return uint64(s)
	}
	return 0
}

// Name implements Chain.
func (e *Execution) Name() string { return e.config.Name }

// Layer implements Chain.
func (e *Execution) Layer() Layer { return ExecutionLayer }

// Forks implements Chain.
func (e *Execution) Forks() []Fork { return e.forks }

// At implements Chain.
func (e *Execution) At(now time.Time) int { return e.passed(e.block(), unix(now)) }

// SetEntries implements Chain. It sets "eth".
func (e *Execution) SetEntries(b *enr.Builder, now time.Time) {
	b.SetEth(e.ForkID(e.block(), unix(now)))
}

// Keys implements Chain.
func (e *Execution) Keys() []string { return []string{"eth"} }

// Check implements Chain.
func (e *Execution) Check(v enr.View, now time.Time) Verdict {
	id, ok := v.Eth()
	if !ok {
		return Verdict{Match: Absent}
	}
	verdict := Verdict{Digest: id.Hash}
	switch err := e.Validate(id, e.block(), unix(now)); {
	case err == ErrRemoteStale:
		verdict.Match = Stale
	case err != nil:
		verdict.Match = Foreign
	default:
		i, of := e.At(now), slices.IndexFunc(e.forks, func(f Fork) bool { return f.Digest == verdict.Digest })
		verdict.Match = [...]Match{Previous, Current, Next}[cmpUint(uint64(of), uint64(i))+1]
	}
	return verdict
}

// NextChange implements Chain.
func (e *Execution) NextChange(now time.Time) (at time.Time, ok bool) {
	if i := e.At(now) + 1; i < len(e.forks) && i > e.blocks {
		return e.forks[i].Start, true
	}
	return time.Time{}, false
}
