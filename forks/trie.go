package forks

import (
	"bytes"
	"math/big"
	"slices"

	"golang.org/x/crypto/sha3"

	"github.com/fastdisc/discv5/internal/rlp"
)

func keccak(b []byte) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256()
	h.Write(b)
	h.Sum(sum[:0])
	return sum
}

// leaf is an entry of a trie: the hash of its key in nibbles, and its value.
type leaf struct {
	path  []byte
	value []byte
}

// newLeaf returns the leaf of a key in a secure trie, where the path is the hash of the key.
func newLeaf(key, value []byte) leaf {
	hash := keccak(key)
	path := make([]byte, 0, 2*len(hash))
	for _, b := range hash {
		path = append(path, b>>4, b&0xf)
	}
	return leaf{path, value}
}

// trieRoot returns the root of a hexary Merkle Patricia trie (Ethereum Yellow Paper, appendix D).
// The paths must differ and have the same length. It sorts list.
func trieRoot(list []leaf) [32]byte {
	slices.SortFunc(list, func(a, b leaf) int { return bytes.Compare(a.path, b.path) })
	if len(list) == 0 {
		return keccak(rlp.AppendString(nil, nil))
	}
	return keccak(trieNode(list, 0))
}

// trieNode returns the RLP of the node that holds list, whose paths are the same up to depth.
func trieNode(list []leaf, depth int) []byte {
	first := list[0].path[depth:]
	if len(list) == 1 {
		return rlpList(rlp.AppendString(nil, compact(first, true)), rlp.AppendString(nil, list[0].value))
	}
	last := list[len(list)-1].path[depth:]
	shared := 0
	for first[shared] == last[shared] {
		shared++
	}
	if shared > 0 {
		return rlpList(rlp.AppendString(nil, compact(first[:shared], false)), reference(trieNode(list, depth+shared)))
	}
	var children [17][]byte
	for i := range children {
		n := 0
		for n < len(list) && int(list[n].path[depth]) == i {
			n++
		}
		children[i] = rlp.AppendString(nil, nil)
		if n > 0 {
			children[i] = reference(trieNode(list[:n], depth+1))
		}
		list = list[n:]
	}
	return rlpList(children[:]...)
}

// reference returns what a node has of a child: the child itself if it is short, or its hash.
func reference(node []byte) []byte {
	if len(node) < 32 {
		return node
	}
	hash := keccak(node)
	return rlp.AppendString(nil, hash[:])
}

// compact returns the encoding of a part of a path, with a flag for the end of a path.
func compact(path []byte, end bool) []byte {
	var flags byte
	if end {
		flags = 2
	}
	var b []byte
	if len(path)%2 == 1 {
		b, path = append(b, (flags+1)<<4|path[0]), path[1:]
	} else {
		b = append(b, flags<<4)
	}
	for ; len(path) > 0; path = path[2:] {
		b = append(b, path[0]<<4|path[1])
	}
	return b
}

// rlpList returns a list of values that are in RLP.
func rlpList(values ...[]byte) []byte {
	content := bytes.Join(values, nil)
	return append(rlp.AppendListHeader(nil, len(content)), content...)
}

// rlpBig returns an integer in RLP.
func rlpBig(n *big.Int) []byte { return rlp.AppendString(nil, n.Bytes()) }
