package codec_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// fields returns a message of the given kind with arbitrary content inside the documented bounds.
func fields(kind byte, id, a, b []byte, n, k uint64) message {
	req, err := codec.NewRequestID(id[:min(len(id), codec.MaxRequestID)])
	if err != nil {
		panic(err)
	}
	// Here, node records are RLP lists with any content.
	list := func(b []byte) []byte {
		b = b[:min(len(b), 50)]
		return append([]byte{0xc0 + byte(len(b))}, b...)
	}
	var far []uint
	for _, d := range b[:min(len(b), 100)] {
		far = append(far, uint(d)+uint(k&1)) // up to 256
	}
	at, _, err := codec.NewDistances(nil, far)
	if err != nil {
		panic(err)
	}
	var topic [codec.TopicSize]byte
	copy(topic[:], a)
	a, b = a[:min(len(a), 500)], b[:min(len(b), 500)]
	nodes := codec.Nodes{RequestID: req, Total: n, Records: append(list(a), list(b)...)}
	switch codec.MessageType(kind%10 + 1) {
	case codec.TypePing:
		return &codec.Ping{RequestID: req, RecordSeq: n}
	case codec.TypePong:
		var ip [16]byte
		binary.BigEndian.PutUint64(ip[:], n)
		copy(ip[8:], a)
		addr := netip.AddrFrom16(ip)
		if k&1 == 0 {
			addr = netip.AddrFrom4([4]byte(ip[:4]))
		}
		return &codec.Pong{RequestID: req, RecordSeq: n, Recipient: netip.AddrPortFrom(addr.Unmap(), uint16(k))}
	case codec.TypeFindNode:
		return &codec.FindNode{RequestID: req, Distances: at}
	case codec.TypeNodes:
		return &nodes
	case codec.TypeTalkRequest:
		return &codec.TalkRequest{RequestID: req, Protocol: a, Payload: b}
	case codec.TypeTalkResponse:
		return &codec.TalkResponse{RequestID: req, Payload: b}
	case codec.TypeRegTopic:
		return &codec.RegTopic{RequestID: req, Topic: topic, Record: list(a), Ticket: b, Distances: at, TicketFirst: k&2 != 0}
	case codec.TypeRegConfirmation:
		return &codec.RegConfirmation{RequestID: req, Total: k >> 8, Ticket: a[:min(len(a), codec.MaxTicketSize)], WaitTime: k}
	case codec.TypeTopicQuery:
		return &codec.TopicQuery{RequestID: req, Topic: topic, Distances: at}
	default:
		return &codec.TopicNodes{Nodes: nodes}
	}
}

// FuzzEncode: a message decodes to what was encoded, and the slice keeps its earlier content.
func FuzzEncode(f *testing.F) {
	for kind := range byte(10) {
		f.Add(kind, []byte{1, 2, 3}, []byte("topic"), []byte{0, 1, 255}, uint64(7), uint64(30303))
		f.Add(kind, []byte{}, []byte{}, []byte{}, uint64(0), uint64(1))
		f.Add(kind, bytes.Repeat([]byte{0xff}, 9), bytes.Repeat([]byte{0xc0}, 55), bytes.Repeat([]byte{0x80}, 56), ^uint64(0), ^uint64(0))
	}
	f.Fuzz(func(t *testing.T, kind byte, id, a, b []byte, n, k uint64) {
		m := fields(kind, id, a, b, n, k)
		out := m.Append([]byte("before"))
		if !bytes.HasPrefix(out, []byte("before")) {
			t.Fatalf("%x is not appended", out)
		}
		got, err := decode(out[len("before"):])
		if err != nil {
			t.Fatalf("%+v encodes to %x: %v", m, out, err)
		}
		// An empty slice may be nil.
		if again := got.Append(nil); !bytes.Equal(again, out[len("before"):]) || reflect.TypeOf(got) != reflect.TypeOf(m) {
			t.Fatalf("%+v encodes to %x, %+v to %x", m, out, got, again)
		}
		want, have := reflect.ValueOf(m).Elem(), reflect.ValueOf(got).Elem()
		for i := range want.NumField() {
			x, y := want.Field(i).Interface(), have.Field(i).Interface()
			if s, ok := x.([]byte); ok {
				if !bytes.Equal(s, y.([]byte)) {
					t.Fatalf("%s: %x, want %x", want.Type().Field(i).Name, y, x)
				}
			} else if !reflect.DeepEqual(x, y) && !empty(x, y) {
				t.Fatalf("%s: %+v, want %+v", want.Type().Field(i).Name, y, x)
			}
		}
	})
}

// empty reports whether both are empty distances.
func empty(x, y any) bool {
	a, ok := x.(codec.Distances)
	b, both := y.(codec.Distances)
	if !ok || !both {
		return false
	}
	_, more := a.Next()
	_, and := b.Next()
	return !more && !and
}
