package enr

import "github.com/fastdisc/discv5/internal/rlp"

// keyEth is the key of the execution layer's entry (EIP-2124 and the eth protocol's ENR entry).
const keyEth = "eth"

// ForkID says which chain and forks a node of the execution layer follows (EIP-2124).
type ForkID struct {
	Hash [4]byte // CRC32 of the genesis hash and of the forks that have passed
	Next uint64  // block number or time of the next fork; 0 if none is known
}

// Eth returns the fork ID in the value of "eth", a list whose first element is the fork ID.
// Elements behind it are for later versions of the entry and are ignored.
func (v View) Eth() (id ForkID, ok bool) {
	value, ok := v.Get(keyEth)
	if !ok {
		return id, false
	}
	id, err := forkID(value)
	return id, err == nil
}

// forkID reads the value of "eth".
func forkID(value []byte) (id ForkID, err error) {
	entry, _, err := rlp.List(value)
	if err != nil {
		return id, ErrForkID
	}
	fields, _, err := rlp.List(entry)
	if err != nil {
		return id, ErrForkID
	}
	hash, fields, err := rlp.String(fields)
	if err != nil || len(hash) != len(id.Hash) {
		return id, ErrForkID
	}
	next, _, err := rlp.Uint64(fields)
	if err != nil {
		return id, ErrForkID
	}
	return ForkID{[4]byte(hash), next}, nil
}

// SetEth sets "eth".
func (b *Builder) SetEth(id ForkID) *Builder {
	fields := rlp.AppendUint64(rlp.AppendString(nil, id.Hash[:]), id.Next)
	entry := append(rlp.AppendListHeader(nil, len(fields)), fields...)
	return b.Set(keyEth, append(rlp.AppendListHeader(nil, len(entry)), entry...))
}
