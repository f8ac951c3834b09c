package codec_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

type message interface {
	Append(dst []byte) []byte
	Decode(body []byte) error
}

// newMessage returns an empty message of type t.
func newMessage(t codec.MessageType) message {
	return [...]func() message{
		codec.TypePing:            func() message { return new(codec.Ping) },
		codec.TypePong:            func() message { return new(codec.Pong) },
		codec.TypeFindNode:        func() message { return new(codec.FindNode) },
		codec.TypeNodes:           func() message { return new(codec.Nodes) },
		codec.TypeTalkRequest:     func() message { return new(codec.TalkRequest) },
		codec.TypeTalkResponse:    func() message { return new(codec.TalkResponse) },
		codec.TypeRegTopic:        func() message { return new(codec.RegTopic) },
		codec.TypeRegConfirmation: func() message { return new(codec.RegConfirmation) },
		codec.TypeTopicQuery:      func() message { return new(codec.TopicQuery) },
		codec.TypeTopicNodes:      func() message { return new(codec.TopicNodes) },
	}[t]()
}

// decode decodes a whole message.
func decode(plaintext []byte) (message, error) {
	t, body, err := codec.SplitMessage(plaintext)
	if err != nil {
		return nil, err
	}
	m := newMessage(t)
	return m, m.Decode(body)
}

func requestID(s string) codec.RequestID {
	id, err := codec.NewRequestID(unhex(s))
	if err != nil {
		panic(err)
	}
	return id
}

func distances(list ...uint) codec.Distances {
	d, _, err := codec.NewDistances(make([]byte, 0, 8), list)
	if err != nil {
		panic(err)
	}
	return d
}

var (
	id4   = requestID("00000001")
	id8   = requestID("0102030405060708")
	topic = [codec.TopicSize]byte(bytes.Repeat([]byte{0x11}, codec.TopicSize))

	topicHex = "a0" + strings.Repeat("11", codec.TopicSize)
	long     = bytes.Repeat([]byte{0xaa}, 56)
)

// The record of EIP-778, and the topic that the vectors use with it.
const (
	eip778Hex = "f884b8407098ad865b00a582051940cb9cf36836572411a47278783077011599ed5cd16b76f2635f4e234738f30813a89eb9137e3e3df5266e3a1f11df72ecf1145ccb" +
		"9c01826964827634826970847f00000189736563703235366b31a103ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31388375647082765f"
	countingHex = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
)

func regTopic(id, ticket string, ticketFirst bool, list ...uint) *codec.RegTopic {
	return &codec.RegTopic{RequestID: requestID(id), Topic: [32]byte(unhex(countingHex)), Record: unhex(eip778Hex),
		Ticket: unhex(ticket), Distances: distances(list...), TicketFirst: ticketFirst}
}

// messageTests were computed by hand from the definition of RLP.
var messageTests = []struct {
	name string
	m    message
	hex  string
}{
	{"PING", &codec.Ping{RequestID: id4, RecordSeq: 2}, "01 c6 8400000001 02"},
	{"PING, empty request ID, seq 0", &codec.Ping{}, "01 c2 80 80"},
	{"PING, ID of one small byte, seq 128", &codec.Ping{RequestID: requestID("00"), RecordSeq: 128}, "01 c3 00 8180"},
	{"PING, ID of one large byte", &codec.Ping{RequestID: requestID("80"), RecordSeq: 127}, "01 c3 8180 7f"},
	{"PING, largest", &codec.Ping{RequestID: id8, RecordSeq: math.MaxUint64}, "01 d2 880102030405060708 88ffffffffffffffff"},
	{"PONG, IPv4", &codec.Pong{RequestID: id4, RecordSeq: 1, Recipient: netip.MustParseAddrPort("127.0.0.1:5000")},
		"02 ce 8400000001 01 847f000001 821388"},
	{"PONG, IPv6", &codec.Pong{Recipient: netip.MustParseAddrPort("[2001:db8::1]:9000")},
		"02 d6 80 80 9020010db8000000000000000000000001 822328"},
	{"PONG, port 0", &codec.Pong{Recipient: netip.MustParseAddrPort("0.0.0.0:0")}, "02 c8 80 80 8400000000 80"},
	{"PONG, port 65535", &codec.Pong{RequestID: id8, Recipient: netip.MustParseAddrPort("1.2.3.4:65535")},
		"02 d2 880102030405060708 80 8401020304 82ffff"},
	{"FINDNODE", &codec.FindNode{RequestID: requestID("01"), Distances: distances(256, 255, 0)}, "03 c8 01 c6 820100 81ff 80"},
	{"FINDNODE, no distance", &codec.FindNode{RequestID: requestID("80"), Distances: distances()}, "03 c3 8180 c0"},
	{"NODES, no records", &codec.Nodes{RequestID: id8, Total: 1, Records: []byte{}}, "04 cb 880102030405060708 01 c0"},
	{"NODES, two lists", &codec.Nodes{Total: 128, Records: unhex("c0c101")}, "04 c7 80 8180 c3 c0 c101"},
	{"NODES, total 0", &codec.Nodes{RequestID: requestID("01"), Records: []byte{}}, "04 c3 01 80 c0"},
	{"NODES, total huge", &codec.Nodes{RequestID: requestID("01"), Total: math.MaxUint64, Records: []byte{}},
		"04 cb 01 88ffffffffffffffff c0"},
	{"TALKREQ", &codec.TalkRequest{RequestID: requestID("01"), Protocol: []byte("eth2"), Payload: []byte("abc")},
		"05 ca 01 8465746832 83616263"},
	{"TALKREQ, long payload", &codec.TalkRequest{RequestID: requestID("00"), Protocol: []byte{}, Payload: long},
		"05 f83c 00 80 b838" + hex.EncodeToString(long)},
	{"TALKREQ, single bytes", &codec.TalkRequest{RequestID: requestID("7f"), Protocol: []byte{0x7f}, Payload: []byte{0x80}},
		"05 c4 7f 7f 8180"},
	{"TALKRESP", &codec.TalkResponse{RequestID: id4, Payload: []byte("ok")}, "06 c8 8400000001 826f6b"},
	{"TALKRESP, empty", &codec.TalkResponse{RequestID: requestID("01"), Payload: []byte{}}, "06 c2 01 80"},
	{"REGTOPIC", &codec.RegTopic{RequestID: requestID("01"), Topic: topic, Record: unhex("c0"), Ticket: []byte{}, Distances: distances(1)},
		"07 e6 01" + topicHex + "c0 80 c101"},
	{"REGTOPIC, long", &codec.RegTopic{RequestID: requestID("01"), Topic: topic, Record: unhex("c20102"), Ticket: long, Distances: distances()},
		"07 f860 01" + topicHex + "c20102 b838" + hex.EncodeToString(long) + "c0"},
	{"REGTOPIC, ticket first", &codec.RegTopic{RequestID: requestID("01"), Topic: topic, Record: unhex("c20102"), Ticket: unhex("aabb"),
		Distances: distances(1), TicketFirst: true}, "07 ea 01" + topicHex + "82aabb c20102 c101"},
	{"REGTOPIC, ticket first, empty", &codec.RegTopic{RequestID: requestID("01"), Topic: topic, Record: unhex("c0"), Ticket: []byte{},
		Distances: distances(), TicketFirst: true}, "07 e5 01" + topicHex + "80 c0 c0"},
	{"REGTOPIC, published record, first", regTopic("00000001", "", false, 256, 255, 254),
		"07 f8b5 8400000001 a0" + countingHex + eip778Hex + "80 c7 820100 81ff 81fe"},
	{"REGTOPIC, published record, ticket", regTopic("010203", "0909", false, 250, 251),
		"07 f8b3 83010203 a0" + countingHex + eip778Hex + "820909 c4 81fa 81fb"},
	{"REGTOPIC, published record, ticket first", regTopic("010203", "0909", true, 250, 251),
		"07 f8b3 83010203 a0" + countingHex + "820909" + eip778Hex + "c4 81fa 81fb"},
	{"REGCONFIRMATION, published", &codec.RegConfirmation{RequestID: requestID("04"), Total: 2, Ticket: unhex("0707"), WaitTime: 1500},
		"08 c8 04 02 820707 8205dc"},
	{"REGCONFIRMATION, admitted, published", &codec.RegConfirmation{RequestID: requestID("04"), Total: 1, Ticket: []byte{}, WaitTime: 900000},
		"08 c7 04 01 80 830dbba0"},
	{"TOPICQUERY, published", &codec.TopicQuery{RequestID: requestID("05"), Topic: [32]byte(unhex(countingHex)), Distances: distances(248)},
		"09 e5 05 a0" + countingHex + "c2 81f8"},
	{"TOPICQUERY, no distance", &codec.TopicQuery{RequestID: requestID("05"), Topic: [32]byte(unhex(countingHex)), Distances: distances()},
		"09 e3 05 a0" + countingHex + "c0"},
	{"TOPICNODES, published record", &codec.TopicNodes{Nodes: codec.Nodes{RequestID: requestID("06"), Total: 3, Records: unhex(eip778Hex)}},
		"0a f88a 06 03 f886" + eip778Hex},
	{"TOPICNODES, empty", &codec.TopicNodes{Nodes: codec.Nodes{RequestID: requestID("06"), Total: 1, Records: []byte{}}}, "0a c3 06 01 c0"},
	{"REGCONFIRMATION", &codec.RegConfirmation{RequestID: requestID("01"), Total: 1, Ticket: unhex("aabb"), WaitTime: 60000},
		"08 c8 01 01 82aabb 82ea60"},
	{"REGCONFIRMATION, admitted", &codec.RegConfirmation{RequestID: id4, Total: 4, Ticket: []byte{}, WaitTime: 900000},
		"08 cb 8400000001 04 80 830dbba0"},
	{"TOPICQUERY", &codec.TopicQuery{RequestID: requestID("01"), Topic: topic, Distances: distances(254, 3)},
		"09 e6 01" + topicHex + "c3 81fe 03"},
	{"TOPICNODES", &codec.TopicNodes{Nodes: codec.Nodes{RequestID: requestID("01"), Total: 2, Records: unhex("c101")}},
		"0a c5 01 02 c2 c101"},
	{"TOPICNODES, no records", &codec.TopicNodes{Nodes: codec.Nodes{RequestID: requestID("01"), Total: 2, Records: []byte{}}},
		"0a c3 01 02 c0"},
}

func TestMessages(t *testing.T) {
	seen := make(map[codec.MessageType]bool)
	for _, tt := range messageTests {
		want := unhex(tt.hex)
		seen[codec.MessageType(want[0])] = true
		got := tt.m.Append([]byte{0xee})
		if got[0] != 0xee {
			t.Errorf("%s: Append has not appended", tt.name)
		}
		same(t, tt.name, got[1:], want)
		back, err := decode(want)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		same(t, tt.name+", again", back.Append(nil), want)
		if !equal(back, tt.m) {
			t.Errorf("%s: decoded %+v, want %+v", tt.name, back, tt.m)
		}
	}
	for typ := codec.TypePing; typ <= codec.TypeTopicNodes; typ++ {
		if !seen[typ] {
			t.Errorf("%v is not tested", typ)
		}
	}
}

// equal compares field by field. Empty and nil slices are equal.
func equal(a, b message) bool {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	if x.Type() != y.Type() {
		return false
	}
	return equalFields(x, y)
}

func equalFields(x, y reflect.Value) bool {
	for i := range x.NumField() {
		f, g := x.Field(i), y.Field(i)
		switch {
		case f.Kind() == reflect.Slice:
			if !bytes.Equal(f.Bytes(), g.Bytes()) {
				return false
			}
		case f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[netip.AddrPort]():
			if !equalFields(f, g) {
				return false
			}
		case !f.Equal(g):
			return false
		}
	}
	return true
}

// TestMessageViews: slices of a decoded message point into the plaintext.
func TestMessageViews(t *testing.T) {
	b := unhex("05 ca 01 8465746832 83616263")
	m, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	r := m.(*codec.TalkRequest)
	if &r.Protocol[0] != &b[4] || &r.Payload[0] != &b[9] {
		t.Error("TALKREQ has been copied")
	}
	if cap(r.Protocol) != len(r.Protocol) {
		t.Error("appending to the protocol would write into the payload")
	}
}

// TestPongMapped: an IPv4-mapped address decodes to the IPv4 address.
func TestPongMapped(t *testing.T) {
	m, err := decode(unhex("02 d6 80 80 9000000000000000000000ffff01020304 822328"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.(*codec.Pong).Recipient, netip.MustParseAddrPort("1.2.3.4:9000"); got != want {
		t.Errorf("recipient %v, want %v", got, want)
	}
	same(t, "encoded", m.Append(nil), unhex("02 ca 80 80 8401020304 822328"))
}

// TestPongAppendMapped: a mapped address, as a dual-stack socket reports it, is sent as 4 bytes.
func TestPongAppendMapped(t *testing.T) {
	m := codec.Pong{Recipient: netip.MustParseAddrPort("[::ffff:1.2.3.4]:9000")}
	same(t, "encoded", m.Append(nil), unhex("02 ca 80 80 8401020304 822328"))
}

func TestPongZone(t *testing.T) {
	m := codec.Pong{Recipient: netip.MustParseAddrPort("[fe80::1%eth0]:9000")}
	same(t, "encoded", m.Append(nil), unhex("02 d6 80 80 90fe800000000000000000000000000001 822328"))
}

func TestDistances(t *testing.T) {
	want := []uint{0, 1, 127, 128, 255, 256, 256}
	d, buf, err := codec.NewDistances([]byte{9}, want)
	if err != nil || buf[0] != 9 {
		t.Fatalf("%x, %v", buf, err)
	}
	m := codec.FindNode{Distances: d}
	back, err := decode(m.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	d = back.(*codec.FindNode).Distances
	for _, w := range want {
		if got, ok := d.Next(); !ok || uint(got) != w {
			t.Errorf("%d, %v, want %d", got, ok, w)
		}
	}
	for range 2 {
		if got, ok := d.Next(); ok {
			t.Errorf("%d after the end", got)
		}
	}
	if _, buf, err := codec.NewDistances([]byte{9}, []uint{1, 257}); err != codec.ErrDistance || len(buf) != 1 {
		t.Errorf("257: %x, %v", buf, err)
	}
	if _, _, err := codec.NewDistances(nil, []uint{math.MaxUint}); err != codec.ErrDistance {
		t.Errorf("MaxUint: %v", err)
	}
}

func TestRequestID(t *testing.T) {
	a, b := requestID("00"), requestID("0000")
	if a == b || a == requestID("") || a != requestID("00") {
		t.Error("request IDs that differ in length only are the same")
	}
	if _, err := codec.NewRequestID(make([]byte, 9)); err != codec.ErrRequestID {
		t.Errorf("9 bytes: %v", err)
	}
	in := []byte{1, 2}
	id, _ := codec.NewRequestID(in)
	in[0] = 9
	same(t, "request ID", id.Bytes(), []byte{1, 2})
}

func TestSplitRecord(t *testing.T) {
	in := unhex("c0 c20102 f838" + strings.Repeat("01", 56))
	var got [][]byte
	for rest := in; len(rest) > 0; {
		var r []byte
		var err error
		if r, rest, err = codec.SplitRecord(rest); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if len(got) != 3 || len(got[0]) != 1 || len(got[1]) != 3 || len(got[2]) != 58 || !bytes.Equal(bytes.Join(got, nil), in) {
		t.Errorf("%x", got)
	}
	for _, s := range []string{"", "80", "c1", "f837" + strings.Repeat("01", 55)} {
		if r, rest, err := codec.SplitRecord(unhex(s)); err == nil || r != nil || rest != nil {
			t.Errorf("%s: %x, %x, %v", s, r, rest, err)
		}
	}
}

func TestMessageTypeString(t *testing.T) {
	for typ, want := range map[codec.MessageType]string{0: "unknown", 1: "PING", 4: "NODES", 10: "TOPICNODES", 11: "unknown", 255: "unknown"} {
		if typ.String() != want {
			t.Errorf("%d: %s, want %s", typ, typ, want)
		}
	}
}
