package enr

import (
	"encoding/binary"

	"github.com/fastdisc/discv5/internal/rlp"
)

// Keys of consensus layer records (consensus-specs, phase0/p2p-interface.md, ENR structure).
const (
	keyEth2     = "eth2"
	keyAttnets  = "attnets"
	keySyncnets = "syncnets" // altair/p2p-interface.md
	keyCustody  = "cgc"      // fulu/p2p-interface.md
	keyNextFork = "nfd"      // fulu/p2p-interface.md

	eth2Size     = 16
	attnetsSize  = 8
	nextForkSize = 4

	maxSyncnets = 0xf // a Bitvector[4]
)

// Eth2 is the value of "eth2", the ENRForkID of the consensus layer, which identifies the chain.
type Eth2 struct {
	ForkDigest      [4]byte // of the fork that is in force and the chain's genesis
	NextForkVersion [4]byte // of the next fork, or of this one if none is planned
	NextForkEpoch   uint64  // when that comes; 2^64-1 if none is planned
}

// GetBytes returns the content of a value that is an RLP string, and false for a list. The slice is
// part of the record.
func (v View) GetBytes(key string) (content []byte, ok bool) {
	value, ok := v.Get(key)
	if !ok {
		return nil, false
	}
	content, _, err := rlp.String(value)
	return content, err == nil
}

// Eth2 returns the value of "eth2" if it has 16 bytes, the size of an SSZ ENRForkID.
func (v View) Eth2() (e Eth2, ok bool) {
	b, ok := v.GetBytes(keyEth2)
	if !ok || len(b) != eth2Size {
		return e, false
	}
	return Eth2{[4]byte(b), [4]byte(b[4:]), binary.LittleEndian.Uint64(b[8:])}, true
}

// Attnets returns the value of "attnets" if it has 8 bytes, the size of an SSZ Bitvector[64]. Bit
// i, counted from the lowest, means that the node subscribes to attestation subnet i.
func (v View) Attnets() (subnets uint64, ok bool) {
	b, ok := v.GetBytes(keyAttnets)
	if !ok || len(b) != attnetsSize {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}

// Syncnets returns the value of "syncnets" if it is an SSZ Bitvector[4]. Bit i, counted from the
// lowest, means that the node subscribes to sync committee subnet i.
func (v View) Syncnets() (subnets uint8, ok bool) {
	value, ok := v.Get(keySyncnets)
	if !ok {
		return 0, false
	}
	subnets, err := syncnets(value)
	return subnets, err == nil
}

func syncnets(value []byte) (uint8, error) {
	s, err := sized(value, 1)
	if err != nil {
		return 0, err
	}
	if s[0] > maxSyncnets {
		return 0, ErrValueBits
	}
	return s[0], nil
}

// CustodyGroupCount returns the value of "cgc" if it is an integer of at most 64 bits: how many
// groups of data columns the node keeps.
func (v View) CustodyGroupCount() (n uint64, ok bool) { return v.GetUint(keyCustody) }

// NextForkDigest returns the value of "nfd" if it has 4 bytes: the digest of the next planned fork,
// or zeros if none is planned.
func (v View) NextForkDigest() (digest [nextForkSize]byte, ok bool) {
	b, ok := v.GetBytes(keyNextFork)
	if !ok || len(b) != nextForkSize {
		return digest, false
	}
	return [nextForkSize]byte(b), true
}

// SetEth2 sets "eth2".
func (b *Builder) SetEth2(e Eth2) *Builder {
	value := append(e.ForkDigest[:], e.NextForkVersion[:]...)
	return b.SetBytes(keyEth2, binary.LittleEndian.AppendUint64(value, e.NextForkEpoch))
}

// SetAttnets sets "attnets"; see View.Attnets.
func (b *Builder) SetAttnets(subnets uint64) *Builder {
	return b.SetBytes(keyAttnets, binary.LittleEndian.AppendUint64(nil, subnets))
}

// SetSyncnets sets "syncnets"; see View.Syncnets. Bits above the lowest four must be 0: Sign
// returns ErrValueBits otherwise.
func (b *Builder) SetSyncnets(subnets uint8) *Builder {
	if subnets > maxSyncnets {
		return b.fail(&EntryError{Key: keySyncnets, Err: ErrValueBits})
	}
	return b.SetBytes(keySyncnets, []byte{subnets})
}

// SetCustodyGroupCount sets "cgc".
func (b *Builder) SetCustodyGroupCount(n uint64) *Builder { return b.SetUint(keyCustody, n) }

// SetNextForkDigest sets "nfd".
func (b *Builder) SetNextForkDigest(digest [nextForkSize]byte) *Builder {
	return b.SetBytes(keyNextFork, digest[:])
}
