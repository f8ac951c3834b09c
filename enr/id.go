package enr

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/fastdisc/discv5/internal/curve"
)

// IDSize is the size of a node ID in bytes.
const IDSize = 32

// ID is a node ID. Distances treat it as a big-endian number (discv5-theory.md, Nodes, Records and
// Distances).
type ID [IDSize]byte

// ParseID parses 64 hexadecimal digits, with or without a leading "0x".
func ParseID(s string) (id ID, err error) {
	if err := id.UnmarshalText([]byte(s)); err != nil {
		return ID{}, err
	}
	return id, nil
}

// String returns the ID as 64 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 bytes as 16 hexadecimal digits, enough to tell nodes apart in a log.
func (id ID) Short() string { return hex.EncodeToString(id[:8]) }

// AppendText appends the form of String to dst. The error is always nil.
func (id ID) AppendText(dst []byte) ([]byte, error) { return hex.AppendEncode(dst, id[:]), nil }

// MarshalText returns the form of String. The error is always nil.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(make([]byte, 0, 2*IDSize)) }

// UnmarshalText parses the form of ParseID. On error id is unchanged.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 2+2*IDSize && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') {
		text = text[2:]
	}
	var out ID
	if len(text) != 2*IDSize {
		return ErrID
	}
	if _, err := hex.Decode(out[:], text); err != nil {
		return ErrID
	}
	*id = out
	return nil
}

// LogDistance returns the bit length of a XOR b: 256 if the first bits differ, 0 if the IDs are
// equal (discv5-theory.md, Nodes, Records and Distances).
func LogDistance(a, b ID) int {
	for i := 0; i < IDSize; i += 8 {
		if x := binary.BigEndian.Uint64(a[i:]) ^ binary.BigEndian.Uint64(b[i:]); x != 0 {
			return 8*(IDSize-8-i) + bits.Len64(x)
		}
	}
	return 0
}

// CompareDistance compares the distances of a and b from target. It returns -1 if a is closer, +1
// if b is closer, and 0 if a equals b.
func CompareDistance(target, a, b ID) int {
	for i := 0; i < IDSize; i += 8 {
		t := binary.BigEndian.Uint64(target[i:])
		x := binary.BigEndian.Uint64(a[i:]) ^ t
		y := binary.BigEndian.Uint64(b[i:]) ^ t
		if x < y {
			return -1
		}
		if x > y {
			return 1
		}
	}
	return 0
}

// PublicKeyID returns the node ID of a compressed public key (enr.md, "v4" Identity Scheme). It
// computes a square root, which takes some microseconds. ErrPublicKey: pub is not a point on the
// curve.
func PublicKeyID(pub *[33]byte) (ID, error) {
	xy, err := curve.Default().Decompress(pub)
	if err != nil {
		return ID{}, ErrPublicKey
	}
	return keccak256(xy[:]), nil
}
