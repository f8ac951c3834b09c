package interop

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	gethrlp "github.com/ethereum/go-ethereum/rlp"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// The topic messages as go-ethereum's rlp package would read and write them: a second codec, made
// of the field lists in discv5-wire.md. No released implementation speaks them.
type (
	gethRegTopic struct {
		ID        []byte
		Topic     [32]byte
		Record    gethrlp.RawValue
		Ticket    []byte
		Distances []uint
	}
	// The order of the reference fork.
	gethRegTopicFork struct {
		ID        []byte
		Topic     [32]byte
		Ticket    []byte
		Record    gethrlp.RawValue
		Distances []uint
	}
	gethRegConfirmation struct {
		ID     []byte
		Total  uint64
		Ticket []byte
		Wait   uint64
	}
	gethTopicQuery struct {
		ID        []byte
		Topic     [32]byte
		Distances []uint
	}
	gethTopicNodes struct {
		ID      []byte
		Total   uint64
		Records []gethrlp.RawValue
	}
)

func encodeGeth(t *testing.T, kind codec.MessageType, v any) []byte {
	t.Helper()
	b, err := gethrlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{byte(kind)}, b...)
}

// isList reports whether a value is a list, as the rules of both codecs ask of records.
func isList(b []byte) bool { return len(b) > 0 && b[0] >= 0xc0 }

var errRule = errors.New("breaks a rule of the specification that RLP does not know")

// decodeGeth decodes a message with go-ethereum's rlp package, applies the rules that are not those
// of RLP, and encodes it.
func decodeGeth(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, errRule
	}
	var v any
	var check func() bool
	distancesOK := func(list []uint) bool {
		for _, d := range list {
			if d > 256 {
				return false
			}
		}
		return true
	}
	record := func(r gethrlp.RawValue) bool { return isList(r) && len(r) <= enr.MaxSize }
	switch codec.MessageType(b[0]) {
	case codec.TypeRegTopic:
		first, fork := new(gethRegTopic), new(gethRegTopicFork)
		if gethrlp.DecodeBytes(b[1:], first) == nil && isList(first.Record) {
			v, check = first, func() bool { return len(first.ID) <= 8 && record(first.Record) && distancesOK(first.Distances) }
			break
		}
		v, check = fork, func() bool { return len(fork.ID) <= 8 && record(fork.Record) && distancesOK(fork.Distances) }
	case codec.TypeRegConfirmation:
		m := new(gethRegConfirmation)
		v, check = m, func() bool { return len(m.ID) <= 8 && len(m.Ticket) <= codec.MaxTicketSize }
	case codec.TypeTopicQuery:
		m := new(gethTopicQuery)
		v, check = m, func() bool { return len(m.ID) <= 8 && distancesOK(m.Distances) }
	case codec.TypeTopicNodes:
		m := new(gethTopicNodes)
		v, check = m, func() bool {
			for _, r := range m.Records {
				if !isList(r) {
					return false
				}
			}
			return len(m.ID) <= 8
		}
	default:
		return nil, errRule
	}
	if err := gethrlp.DecodeBytes(b[1:], v); err != nil {
		return nil, err
	}
	if !check() {
		return nil, errRule
	}
	out, err := gethrlp.EncodeToBytes(v)
	return append([]byte{b[0]}, out...), err
}

// decodeOwn decodes a message with this module's codec and encodes it.
func decodeOwn(b []byte) ([]byte, error) {
	kind, body, err := codec.SplitMessage(b)
	if err != nil {
		return nil, err
	}
	var m interface {
		Decode([]byte) error
		Append([]byte) []byte
	}
	switch kind {
	case codec.TypeRegTopic:
		m = new(codec.RegTopic)
	case codec.TypeRegConfirmation:
		m = new(codec.RegConfirmation)
	case codec.TypeTopicQuery:
		m = new(codec.TopicQuery)
	case codec.TypeTopicNodes:
		m = new(codec.TopicNodes)
	default:
		return nil, errRule
	}
	if err := m.Decode(body); err != nil {
		return nil, err
	}
	return m.Append(nil), nil
}

const topicRecord = "f884b8407098ad865b00a582051940cb9cf36836572411a47278783077011599ed5cd16b76f2635f4e234738f308" +
	"13a89eb9137e3e3df5266e3a1f11df72ecf1145ccb9c01826964827634826970847f00000189736563703235366b31a103ca634cae0d" +
	"49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31388375647082765f"

// Both codecs write the same bytes for the same fields.
func TestTopicCodecsEncodeAlike(t *testing.T) {
	record, err := hex.DecodeString(topicRecord)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	text := func(most int) []byte {
		b := make([]byte, rnd.IntN(most+1))
		for i := range b {
			b[i] = byte(rnd.Uint32() >> rnd.IntN(8))
		}
		return b
	}
	for range 3000 {
		raw, ticket := text(8), text(120)
		id, err := codec.NewRequestID(raw)
		if err != nil {
			t.Fatal(err)
		}
		var topic [32]byte
		copy(topic[:], text(32))
		list := make([]uint, rnd.IntN(70))
		for i := range list {
			list[i] = uint(rnd.IntN(257))
		}
		distances, _, err := codec.NewDistances(nil, list)
		if err != nil {
			t.Fatal(err)
		}
		total, wait := rnd.Uint64()>>rnd.IntN(64), rnd.Uint64()>>rnd.IntN(64)
		var records []byte
		var raws []gethrlp.RawValue
		for range rnd.IntN(4) {
			records, raws = append(records, record...), append(raws, record)
		}
		for _, tt := range []struct {
			own  interface{ Append([]byte) []byte }
			kind codec.MessageType
			geth any
		}{
			{&codec.RegTopic{RequestID: id, Topic: topic, Record: record, Ticket: ticket, Distances: distances},
				codec.TypeRegTopic, &gethRegTopic{raw, topic, record, ticket, list}},
			{&codec.RegTopic{RequestID: id, Topic: topic, Record: record, Ticket: ticket, Distances: distances, TicketFirst: true},
				codec.TypeRegTopic, &gethRegTopicFork{raw, topic, ticket, record, list}},
			{&codec.RegConfirmation{RequestID: id, Total: total, Ticket: ticket, WaitTime: wait},
				codec.TypeRegConfirmation, &gethRegConfirmation{raw, total, ticket, wait}},
			{&codec.TopicQuery{RequestID: id, Topic: topic, Distances: distances},
				codec.TypeTopicQuery, &gethTopicQuery{raw, topic, list}},
			{&codec.TopicNodes{Nodes: codec.Nodes{RequestID: id, Total: total, Records: records}},
				codec.TypeTopicNodes, &gethTopicNodes{raw, total, raws}},
		} {
			got, want := tt.own.Append(nil), encodeGeth(t, tt.kind, tt.geth)
			if !bytes.Equal(got, want) {
				t.Fatalf("%T: %x, want %x", tt.own, got, want)
			}
			for name, decode := range map[string]func([]byte) ([]byte, error){"own": decodeOwn, "geth": decodeGeth} {
				if again, err := decode(got); err != nil || !bytes.Equal(again, got) {
					t.Fatalf("%s decodes %x to %x, %v", name, got, again, err)
				}
			}
		}
	}
}

// Both codecs accept and refuse the same messages.
func TestTopicCodecsJudgeAlike(t *testing.T) {
	record, err := hex.DecodeString(topicRecord)
	if err != nil {
		t.Fatal(err)
	}
	topic := [32]byte{1, 2, 3}
	seeds := [][]byte{
		encodeGeth(t, codec.TypeRegTopic, &gethRegTopic{[]byte{1, 2}, topic, record, []byte{9, 9}, []uint{256, 1, 0}}),
		encodeGeth(t, codec.TypeRegTopic, &gethRegTopicFork{[]byte{1}, topic, nil, record, []uint{250}}),
		encodeGeth(t, codec.TypeRegTopic, &gethRegTopicFork{[]byte{1}, topic, []byte{7, 7, 7}, gethrlp.RawValue{0xc0}, nil}),
		encodeGeth(t, codec.TypeRegConfirmation, &gethRegConfirmation{[]byte{4}, 2, []byte{7, 7}, 1500}),
		encodeGeth(t, codec.TypeTopicQuery, &gethTopicQuery{[]byte{5}, topic, []uint{248, 3}}),
		encodeGeth(t, codec.TypeTopicNodes, &gethTopicNodes{[]byte{6}, 3, []gethrlp.RawValue{{0xc1, 1}, {0xc0}}}),
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	var accepted, refused int
	for range 60_000 {
		b := bytes.Clone(seeds[rnd.IntN(len(seeds))])
		for range rnd.IntN(3) {
			switch i := rnd.IntN(len(b)); rnd.IntN(4) {
			case 0:
				b[i] = byte(rnd.Uint32())
			case 1:
				b[i] ^= 1 << rnd.IntN(8)
			case 2:
				b = append(b[:i], b[i+1:]...)
			case 3:
				b = append(b[:i:i], append([]byte{byte(rnd.Uint32())}, b[i:]...)...)
			}
			if len(b) == 0 {
				b = []byte{7}
			}
		}
		if b[0] < byte(codec.TypeRegTopic) || b[0] > byte(codec.TypeTopicNodes) {
			continue
		}
		own, ownErr := decodeOwn(b)
		geth, gethErr := decodeGeth(b)
		if (ownErr == nil) != (gethErr == nil) || ownErr == nil && !reflect.DeepEqual(own, geth) {
			t.Fatalf("%x: %x %v, go-ethereum's %x %v", b, own, ownErr, geth, gethErr)
		}
		if ownErr == nil {
			accepted++
		} else {
			refused++
		}
	}
	if accepted < 1000 || refused < 1000 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}
