package codec

import (
	"errors"

	"github.com/fastdisc/discv5/internal/rlp"
)

// MessageType is the first byte of a message (discv5-wire.md, Protocol Messages).
type MessageType byte

// Message types. Nodes whose record has the entry "ng" support the topic messages; see
// enr.View.TopicVersion.
const (
	TypePing            MessageType = 0x01
	TypePong            MessageType = 0x02
	TypeFindNode        MessageType = 0x03
	TypeNodes           MessageType = 0x04
	TypeTalkRequest     MessageType = 0x05
	TypeTalkResponse    MessageType = 0x06
	TypeRegTopic        MessageType = 0x07
	TypeRegConfirmation MessageType = 0x08
	TypeTopicQuery      MessageType = 0x09
	TypeTopicNodes      MessageType = 0x0a
)

var typeNames = [...]string{"unknown", "PING", "PONG", "FINDNODE", "NODES", "TALKREQ", "TALKRESP",
	"REGTOPIC", "REGCONFIRMATION", "TOPICQUERY", "TOPICNODES"}

// String returns the name of the message in the specification.
func (t MessageType) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return typeNames[0]
}

// MaxRequestID is the largest size of a request ID in bytes.
const MaxRequestID = 8

// MaxDistance is the largest log distance.
const MaxDistance = 256

// Reasons to refuse a decrypted message, in addition to those of package rlp.
var (
	ErrMessageType = errors.New("codec: unknown message type")
	ErrRequestID   = errors.New("codec: request ID longer than 8 bytes")
	ErrDistance    = errors.New("codec: log distance over 256")
	ErrIPSize      = errors.New("codec: IP address is neither 4 nor 16 bytes")
	ErrTopicSize   = errors.New("codec: topic is not 32 bytes")
	ErrTicketSize  = errors.New("codec: ticket longer than 256 bytes")
)

// RequestID is the request ID of a message: 0 to 8 bytes that the requester chose. It is
// comparable.
type RequestID struct {
	b [MaxRequestID]byte
	n uint8
}

// NewRequestID copies b. It returns ErrRequestID if b has more than 8 bytes.
func NewRequestID(b []byte) (id RequestID, err error) {
	if len(b) > MaxRequestID {
		return id, ErrRequestID
	}
	id.n = uint8(copy(id.b[:], b))
	return id, nil
}

// Bytes returns the bytes of the ID. The slice points into id.
func (id *RequestID) Bytes() []byte { return id.b[:id.n] }

func (id *RequestID) size() int { return rlp.StringSize(id.Bytes()) }

// SplitMessage splits a decrypted message into its type and its RLP list. Pass the list to the
// Decode method of that type. SplitMessage refuses types that the specification does not define.
func SplitMessage(plaintext []byte) (t MessageType, body []byte, err error) {
	if len(plaintext) == 0 {
		return 0, nil, ErrMessageType
	}
	t = MessageType(plaintext[0])
	if t < TypePing || t > TypeTopicNodes {
		return t, nil, ErrMessageType
	}
	return t, plaintext[1:], nil
}

// open enters the list body and reads the request ID, its first element.
func open(body []byte, id *RequestID) (fields []byte, err error) {
	fields, rest, err := rlp.List(body)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, ErrTrailing
	}
	s, fields, err := rlp.String(fields)
	if err != nil {
		return nil, err
	}
	*id, err = NewRequestID(s)
	return fields, err
}

// end checks that a message has no further element.
func end(rest []byte, err error) error {
	if err == nil && len(rest) != 0 {
		return ErrTrailing
	}
	return err
}

// begin appends the type byte, list header and request ID of a message whose other fields take n
// bytes.
func begin(dst []byte, t MessageType, id *RequestID, n int) []byte {
	dst = append(dst, byte(t))
	dst = rlp.AppendListHeader(dst, id.size()+n)
	return rlp.AppendString(dst, id.Bytes())
}

// Distances is a list of log distances in encoded form: the payload of an RLP list. Every element
// is at most 256.
type Distances struct{ payload []byte }

// NewDistances appends the encoding of list to dst. The result points into the returned slice. If
// an element is larger than 256, NewDistances returns ErrDistance and dst unchanged.
func NewDistances(dst []byte, list []uint) (Distances, []byte, error) {
	start := len(dst)
	for _, d := range list {
		if d > MaxDistance {
			return Distances{}, dst[:start], ErrDistance
		}
		dst = rlp.AppendUint64(dst, uint64(d))
	}
	return Distances{dst[start:]}, dst, nil
}

// Next removes and returns the first distance of the list. It returns ok = false at the end.
func (d *Distances) Next() (distance int, ok bool) {
	if len(d.payload) == 0 {
		return 0, false
	}
	v, rest, err := rlp.Uint16(d.payload)
	if err != nil { // impossible, because splitDistances has read the whole list
		d.payload = nil
		return 0, false
	}
	d.payload = rest
	return int(v), true
}

// size returns the number of bytes that append writes.
func (d *Distances) size() int { return rlp.HeaderSize(len(d.payload)) + len(d.payload) }

func (d *Distances) append(dst []byte) []byte {
	return append(rlp.AppendListHeader(dst, len(d.payload)), d.payload...)
}

func splitDistances(b []byte) (d Distances, rest []byte, err error) {
	list, rest, err := rlp.List(b)
	if err != nil {
		return d, nil, err
	}
	for l := list; len(l) > 0; {
		var v uint64
		if v, l, err = rlp.Uint64(l); err != nil {
			return d, nil, err
		}
		if v > MaxDistance {
			return d, nil, ErrDistance
		}
	}
	return Distances{list}, rest, nil
}
