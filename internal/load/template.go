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
	topic   int // of the topic; 0 for none
	size    int // of the packet; of RegTopic that of a first request
}

// put appends the message with the given request ID.
func (t *template) put(dst []byte, seq uint64) []byte {
	n := len(dst)
	dst = append(dst, t.message...)
	binary.BigEndian.PutUint64(dst[n+t.at:], seq)
	return dst
}

// requestID is the request ID that put writes.
func requestID(seq uint64) codec.RequestID {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seq)
	id, _ := codec.NewRequestID(b[:]) // 8 bytes are not too many
	return id
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
	query := codec.TopicQuery{RequestID: id, Topic: [codec.TopicSize]byte(bytes.Repeat([]byte{0xdd}, codec.TopicSize)), Distances: distances}
	register := codec.RegTopic{RequestID: id, Topic: query.Topic, Distances: distances}
	if c.Mix[RegTopic] > 0 {
		if register.Record, err = sampleRecord(); err != nil {
			return list, err
		}
	}
	for k, m := range [][]byte{
		Ping: ping.Append(nil), FindNode: find.Append(nil), Talk: talk.Append(nil), Handshake: ping.Append(nil),
		Junk: nil, RegTopic: register.Append(nil), TopicQuery: query.Append(nil),
	} {
		if m == nil {
			continue
		}
		// The request ID is the first element of the list, so the first place that looks like it is
		// it.
		list[k] = template{m, bytes.Index(m, mark), 0, codec.MessageHeaderSize + len(m) + codec.TagSize}
	}
	list[TopicQuery].topic = bytes.Index(list[TopicQuery].message, query.Topic[:])
	list[Handshake].size = helloSize
	list[Junk].size = list[Ping].size
	if c.JunkSize > 0 {
		list[Junk].size = c.JunkSize
	}
	return list, nil
}
