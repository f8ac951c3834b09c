package forks

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// DefaultGrace is how long after a fork nodes of the consensus layer that still name the old one
// count as Previous: their records reach others minutes after they have changed.
const DefaultGrace = time.Hour

// FarFuture is the epoch of a fork that has no date.
const FarFuture = 1<<64 - 1

// Names of forks that change how digests are computed.
const (
	forkElectra = "electra"
	forkFulu    = "fulu"
)

// forkOrder lists the forks of the consensus layer, oldest first. A chain may have several in the
// same epoch; then the last one is in force.
var forkOrder = []string{"phase0", "altair", "bellatrix", "capella", "deneb", forkElectra, forkFulu, "gloas", "heze"}

// ConsensusFork is a fork that has a version.
type ConsensusFork struct {
	Name    string
	Version [4]byte
	Epoch   uint64 // FarFuture: no date
}

// BlobParameters is an entry of the blob schedule (EIP-7892).
type BlobParameters struct {
	Epoch, MaxBlobs uint64
}

// ConsensusConfig describes a chain of the consensus layer.
type ConsensusConfig struct {
	Name                  string
	GenesisTime           uint64 // Unix seconds
	GenesisValidatorsRoot [32]byte
	SlotDuration          time.Duration
	SlotsPerEpoch         uint64
	// Forks are the forks with a version, in any order. The first one, phase0, is at epoch 0.
	Forks []ConsensusFork
	// BlobSchedule is the blob schedule, in any order, and MaxBlobsElectra the limit before its
	// first entry.
	BlobSchedule    []BlobParameters
	MaxBlobsElectra uint64
	// Grace is the grace period after a fork. 0: DefaultGrace. A negative one is none.
	Grace time.Duration
}

// Errors of NewConsensus and NewExecution, which wrap them.
var (
	ErrNoGenesis  = errors.New("forks: the chain has no fork at genesis")
	ErrSchedule   = errors.New("forks: invalid fork schedule")
	ErrTimeBounds = errors.New("forks: time of a fork out of range")
)

// Consensus is a chain of the consensus layer.
type Consensus struct {
	config ConsensusConfig
	forks  []Fork
	epochs []uint64 // of forks
	grace  time.Duration
	fulu   uint64 // epoch
}

var _ Chain = (*Consensus)(nil)

// NewConsensus returns the chain of a configuration.
func NewConsensus(config ConsensusConfig) (*Consensus, error) {
	config.Forks, config.BlobSchedule = slices.Clone(config.Forks), slices.Clone(config.BlobSchedule)
	if config.SlotsPerEpoch == 0 || config.SlotDuration <= 0 {
		return nil, fmt.Errorf("%w: slots per epoch and the duration of a slot must be more than 0", ErrSchedule)
	}
	slices.SortStableFunc(config.Forks, func(a, b ConsensusFork) int { return rank(a.Name) - rank(b.Name) })
	for i, f := range config.Forks {
		if slices.ContainsFunc(config.Forks[:i], func(g ConsensusFork) bool { return g.Name == f.Name }) {
			return nil, fmt.Errorf("%w: fork %s is there twice", ErrSchedule, f.Name)
		}
		if i > 0 && f.Epoch < config.Forks[i-1].Epoch {
			return nil, fmt.Errorf("%w: fork %s at epoch %d begins before %s", ErrSchedule, f.Name, f.Epoch, config.Forks[i-1].Name)
		}
	}
	if len(config.Forks) == 0 || config.Forks[0].Epoch != 0 {
		return nil, ErrNoGenesis
	}
	slices.SortFunc(config.BlobSchedule, func(a, b BlobParameters) int { return cmpUint(a.Epoch, b.Epoch) })
	for i, p := range config.BlobSchedule {
		if i > 0 && p.Epoch == config.BlobSchedule[i-1].Epoch {
			return nil, fmt.Errorf("%w: two entries of the blob schedule for epoch %d", ErrSchedule, p.Epoch)
		}
	}
	c := &Consensus{config: config, grace: config.Grace, fulu: FarFuture}
	switch {
	case c.grace == 0:
		c.grace = DefaultGrace
	case c.grace < 0:
		c.grace = 0
	}
	for _, f := range config.Forks {
		if f.Name == forkFulu {
			c.fulu = f.Epoch
		}
	}
	return c, c.plan()
}

// rank orders forks by forkOrder; unknown ones come last, in the order given.
func rank(name string) int {
	if i := slices.Index(forkOrder, name); i >= 0 {
		return i
	}
	return len(forkOrder)
}

func cmpUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// plan fills in the forks, with and without a version.
func (c *Consensus) plan() error {
	var epochs []uint64
	for _, f := range c.config.Forks {
		epochs = append(epochs, f.Epoch)
	}
	for _, p := range c.config.BlobSchedule {
		if p.Epoch >= c.fulu {
			epochs = append(epochs, p.Epoch)
		}
	}
	slices.Sort(epochs)
	blobForks := 0
	for _, epoch := range slices.Compact(epochs) {
		if epoch == FarFuture {
			break
		}
		name, digest := c.versionAt(epoch).Name, c.Digest(epoch)
		if c.versionAt(epoch).Epoch != epoch {
			blobForks++
			name = "bpo" + strconv.Itoa(blobForks)
		}
		start, err := c.timeOf(epoch)
		if err != nil {
			return fmt.Errorf("fork %s at epoch %d: %w", name, epoch, err)
		}
		if n := len(c.forks); n > 0 && c.forks[n-1].Digest == digest {
			continue // a version that the chain had before
		}
		if len(c.forks) == 0 {
			start = time.Time{}
		}
		c.forks, c.epochs = append(c.forks, Fork{name, digest, start}), append(c.epochs, epoch)
	}
	return nil
}

// versionAt returns the fork with a version that is in force at an epoch.
func (c *Consensus) versionAt(epoch uint64) ConsensusFork {
	list := c.config.Forks
	i := len(list) - 1
	for i > 0 && list[i].Epoch > epoch {
		i--
	}
	return list[i]
}

// maxUnix is beyond all times that a program can wait for, and fits all types: the year 9999.
const maxUnix = 253402300799

// timeOf returns when an epoch begins.
func (c *Consensus) timeOf(epoch uint64) (time.Time, error) {
	length := uint64(c.config.SlotDuration / time.Millisecond)
	high, millis := bits.Mul64(length*c.config.SlotsPerEpoch, epoch)
	if high != 0 || length*c.config.SlotsPerEpoch/c.config.SlotsPerEpoch != length || millis/1000 > maxUnix || c.config.GenesisTime > maxUnix {
		return time.Time{}, ErrTimeBounds
	}
	return time.Unix(int64(c.config.GenesisTime), 0).Add(time.Duration(millis%1000) * time.Millisecond).Add(seconds(millis / 1000)), nil
}

// seconds returns a duration. One of more than 292 years is cut: it is never reached.
func seconds(n uint64) time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Second)
	return time.Duration(min(n, most)) * time.Second
}

// Digest returns the fork digest of an epoch (compute_fork_digest of fulu/beacon-chain.md, and of
// phase0/p2p-interface.md before Fulu).
func (c *Consensus) Digest(epoch uint64) Digest {
	root := forkDataRoot(c.versionAt(epoch).Version, c.config.GenesisValidatorsRoot)
	if epoch < c.fulu {
		return Digest(root[:4])
	}
	return blobDigest(root, c.blobParameters(epoch))
}

// ForkDigest returns the digest of a version before Fulu.
func ForkDigest(version [4]byte, genesisValidatorsRoot [32]byte) Digest {
	root := forkDataRoot(version, genesisValidatorsRoot)
	return Digest(root[:4])
}

// BlobForkDigest returns the digest of a version since Fulu, with the blob parameters in force.
func BlobForkDigest(version [4]byte, genesisValidatorsRoot [32]byte, p BlobParameters) Digest {
	return blobDigest(forkDataRoot(version, genesisValidatorsRoot), p)
}

func blobDigest(root [32]byte, p BlobParameters) (d Digest) {
	b := binary.LittleEndian.AppendUint64(nil, p.Epoch)
	mask := sha256.Sum256(binary.LittleEndian.AppendUint64(b, p.MaxBlobs))
	for i := range d {
		d[i] = root[i] ^ mask[i]
	}
	return d
}

// forkDataRoot returns the SSZ root of a ForkData: a tree with two leaves.
func forkDataRoot(version [4]byte, genesisValidatorsRoot [32]byte) [32]byte {
	var leaves [64]byte
	copy(leaves[:], version[:])
	copy(leaves[32:], genesisValidatorsRoot[:])
	return sha256.Sum256(leaves[:])
}

// blobParameters returns the blob parameters of an epoch since Fulu.
func (c *Consensus) blobParameters(epoch uint64) BlobParameters {
	for _, p := range slices.Backward(c.config.BlobSchedule) {
		if epoch >= p.Epoch {
			return p
		}
	}
	p := BlobParameters{Epoch: FarFuture, MaxBlobs: c.config.MaxBlobsElectra}
	for _, f := range c.config.Forks {
		if f.Name == forkElectra {
			p.Epoch = f.Epoch
		}
	}
	return p
}

// Name implements Chain.
func (c *Consensus) Name() string { return c.config.Name }

// Layer implements Chain.
func (c *Consensus) Layer() Layer { return ConsensusLayer }

// Forks implements Chain.
func (c *Consensus) Forks() []Fork { return c.forks }

// At implements Chain. Before genesis it is the first fork.
func (c *Consensus) At(now time.Time) int { return current(c.forks, now) }

// Eth2 returns the value of the entry "eth2" at a time.
func (c *Consensus) Eth2(now time.Time) enr.Eth2 {
	i := c.At(now)
	e := enr.Eth2{ForkDigest: c.forks[i].Digest, NextForkVersion: c.versionAt(c.epochs[i]).Version, NextForkEpoch: FarFuture}
	if i+1 < len(c.epochs) {
		e.NextForkEpoch = c.epochs[i+1]
	}
	// A fork of blob parameters only has no version of its own: name the one after it.
	for _, f := range c.config.Forks {
		if f.Epoch > c.epochs[i] && f.Epoch != FarFuture {
			e.NextForkVersion = c.versionAt(f.Epoch).Version
			break
		}
	}
	return e
}

// NextDigest returns the digest of the next fork, which is the value of the entry "nfd": zero if no
// fork is planned.
func (c *Consensus) NextDigest(now time.Time) (d Digest) {
	if i := c.At(now); i+1 < len(c.forks) {
		d = c.forks[i+1].Digest
	}
	return d
}

// SetEntries implements Chain. It sets "eth2", and "nfd" if the chain has a date for Fulu.
func (c *Consensus) SetEntries(b *enr.Builder, now time.Time) {
	b.SetEth2(c.Eth2(now))
	if c.fulu == FarFuture {
		b.Delete("nfd")
		return
	}
	b.SetNextForkDigest(c.NextDigest(now))
}

// Keys implements Chain.
func (c *Consensus) Keys() []string { return []string{"eth2", "nfd"} }

// Check implements Chain.
func (c *Consensus) Check(v enr.View, now time.Time) Verdict {
	e, ok := v.Eth2()
	if !ok {
		return Verdict{Match: Absent}
	}
	verdict := Verdict{Foreign, e.ForkDigest}
	i := c.At(now)
	switch of := slices.IndexFunc(c.forks, func(f Fork) bool { return f.Digest == verdict.Digest }); {
	case of < 0:
	case of == i:
		verdict.Match = Current
	case of == i+1:
		verdict.Match = Next
	case of == i-1 && now.Before(c.forks[i].Start.Add(c.grace)):
		verdict.Match = Previous
	case of < i:
		verdict.Match = Stale
	}
	return verdict
}

// NextChange implements Chain.
func (c *Consensus) NextChange(now time.Time) (at time.Time, ok bool) {
	i := c.At(now)
	if i > 0 {
		if at = c.forks[i].Start.Add(c.grace); at.After(now) {
			ok = true
		}
	}
	if i+1 < len(c.forks) {
		if next := c.forks[i+1].Start; !ok || next.Before(at) {
			return next, true
		}
	}
	return at, ok
}
