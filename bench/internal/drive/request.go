package drive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fastdisc/discv5/codec"
)

// requestID makes an ID whose highest bit is set: some implementations keep it as a number, and
// repeat it without leading zeros.
func requestID(n uint64) codec.RequestID {
	id, _ := codec.NewRequestID(binary.BigEndian.AppendUint64(nil, n|1<<63)) // 8 bytes fit
	return id
}

// RecordSeq is the sequence number of the identities' records, which each PING names.
const RecordSeq = 1

// Ping is a PING message. All have the same size.
func Ping(n uint64) []byte {
	m := codec.Ping{RequestID: requestID(n), RecordSeq: RecordSeq}
	return m.Append(nil)
}

// FindNode is a FINDNODE message.
func FindNode(n uint64, distances ...uint) []byte {
	list, _, err := codec.NewDistances(nil, distances)
	if err != nil {
		panic(err) // distances are constants of this module
	}
	m := codec.FindNode{RequestID: requestID(n), Distances: list}
	return m.Append(nil)
}

// Talk is a TALKREQ message for a protocol that nobody serves.
func Talk(n uint64) []byte {
	m := codec.TalkRequest{RequestID: requestID(n), Protocol: []byte("bench"), Payload: make([]byte, 32)}
	return m.Append(nil)
}

// Requests seals one request for each session, in random order: neighbors in memory are not asked
// one after another.
func (c *Client) Requests(list []Session, message func(n uint64) []byte) *Requests {
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(list))
	at, n := 0, uint64(0)
	return newRequests(len(list), func(dst []byte) []byte {
		dst = c.Seal(dst, &list[order[at]], message(n))
		at, n = (at+1)%len(list), n+1
		return dst
	})
}

// Answer describes what a server answers a request with.
type Answer struct {
	Type    codec.MessageType
	Sizes   []int // of the datagrams
	Records int
}

// ErrAnswer: an answer is not what it should be.
var ErrAnswer = errors.New("unexpected answer")

// Ask sends one message and opens what answers it.
func (c *Client) Ask(s *Session, message []byte) (a Answer, err error) {
	if err := c.Drain(20 * time.Millisecond); err != nil {
		return a, err
	}
	packet := c.Seal(nil, s, message)
	if err := c.Send(packet, len(packet)); err != nil {
		return a, err
	}
	decoder := codec.NewDecoder(&s.id, codec.DefaultProtocol)
	for total := 1; len(a.Sizes) < total; {
		n, err := c.Receive(2 * time.Second)
		if err != nil {
			return a, err
		}
		if n == 0 {
			return a, ErrSilent
		}
		for i := range n {
			var p codec.Packet
			b := c.Packet(i)
			if decoder.Decode(b, &p) != nil {
				continue
			}
			if p.Flag != codec.FlagMessage {
				return a, fmt.Errorf("%w: packet of kind %d", ErrAnswer, p.Flag)
			}
			t, body, err := open(s, &p)
			if err != nil {
				return a, fmt.Errorf("%w: %w", ErrAnswer, err)
			}
			if t != codec.TypePong && t != codec.TypeNodes && t != codec.TypeTalkResponse {
				continue // a request of the server's own
			}
			a.Type = t
			a.Sizes = append(a.Sizes, len(b))
			if t == codec.TypeNodes {
				var m codec.Nodes
				if err := m.Decode(body); err != nil {
					return a, fmt.Errorf("%w: %w", ErrAnswer, err)
				}
				total = int(m.Total)
				for rest := m.Records; len(rest) > 0; a.Records++ {
					if _, rest, err = codec.SplitRecord(rest); err != nil {
						return a, fmt.Errorf("%w: %w", ErrAnswer, err)
					}
				}
			}
		}
	}
	return a, nil
}
