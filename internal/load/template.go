package load

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/fastdisc/discv5/codec"
)

// template is a message of one kind, without the request ID.
type template struct {
	message []byte
	at      int // of the 8 bytes of the request ID
	size    int // of the packet
}

// put appends the message with the given request ID.
func (t *template) put(dst []byte, seq uint64) []byte {
	n := len(dst)
	dst = append(dst, t.message...)
	binary.BigEndian.PutUint64(dst[n+t.at:], seq)
	return dst
}

// sequence reads what put has written into a request ID.
func sequence(id *codec.RequestID) (uint64, bool) {
	b := id.Bytes()
	if len(b) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

// templates makes the messages of all kinds of a Config with defaults. Handshake has the PING that
// goes with it.
func templates(c *Config) (list [NumKinds]template, err error) {
	mark := bytes.Repeat([]byte{0xee}, 8)
	id, err := codec.NewRequestID(mark)
	if err != nil {
		return list, err
	}
	distances, _, err := codec.NewDistances(nil, c.Distances)
	if err != nil {
		return list, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	ping := codec.Ping{RequestID: id, RecordSeq: 1}
	find := codec.FindNode{RequestID: id, Distances: distances}
	talk := codec.TalkRequest{RequestID: id, Protocol: []byte(c.TalkProtocol), Payload: make([]byte, c.TalkSize)}
	for k, m := range [][]byte{Ping: ping.Append(nil), FindNode: find.Append(nil), Talk: talk.Append(nil), Handshake: ping.Append(nil)} {
		// The request ID is the first element of the list, so the first place that looks like it is
		// it.
		list[k] = template{m, bytes.Index(m, mark), codec.MessageHeaderSize + len(m) + codec.TagSize}
	}
	list[Handshake].size = helloSize
	list[Junk].size = list[Ping].size
	if c.JunkSize > 0 {
		list[Junk].size = c.JunkSize
	}
	return list, nil
}
