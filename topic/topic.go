package topic

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// Size is the size of a topic in bytes.
const Size = codec.TopicSize

// Defaults of the algorithm (discv5-theory.md, Parameters).
const (
	DefaultLifetime = 15 * time.Minute // E
	DefaultCapacity = 1000             // C
	DefaultExponent = 10               // Pocc
	DefaultSafety   = 1e-7             // G
	DefaultReturn   = 10               // F_return
)

// Topic identifies a service. It is a point in the space of node IDs, and any 32 bytes will do.
type Topic [Size]byte

// Of hashes a name with SHA-256 and returns the topic. The specification leaves the derivation to
// the application: programs that use the same name must use the same derivation.
func Of(name string) Topic { return sha256.Sum256([]byte(name)) }

// ErrParse is wrapped by the errors of Parse.
var ErrParse = errors.New("topic: want 64 hexadecimal digits")

// Parse parses 64 hexadecimal digits, with or without a leading "0x".
func Parse(s string) (t Topic, err error) {
	err = t.UnmarshalText([]byte(s))
	return t, err
}

// String returns the topic as 64 lower-case hexadecimal digits.
func (t Topic) String() string { return hex.EncodeToString(t[:]) }

// MarshalText returns the form of String. The error is always nil.
func (t Topic) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// UnmarshalText parses the form of Parse. On error t is unchanged.
func (t *Topic) UnmarshalText(text []byte) error {
	if len(text) == 2+2*Size && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') {
		text = text[2:]
	}
	if len(text) != 2*Size {
		return fmt.Errorf("%w, not %d characters", ErrParse, len(text))
	}
	var out Topic
	if _, err := hex.Decode(out[:], text); err != nil {
		return ErrParse
	}
	*t = out
	return nil
}

// Distance returns the log distance of a node from the topic, 0 to 256. It names the bucket of a
// service table that the node belongs to.
func (t Topic) Distance(id enr.ID) int { return enr.LogDistance(enr.ID(t), id) }
