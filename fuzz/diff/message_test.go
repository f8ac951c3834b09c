package diff

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	gethenr "github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/fastdisc/discv5/codec"
)

// message is one of our message types.
type message interface {
	Append([]byte) []byte
	Decode([]byte) error
}

func decodeOurs(b []byte) (message, error) {
	t, body, err := codec.SplitMessage(b)
	if err != nil {
		return nil, err
	}
	m := map[codec.MessageType]message{
		codec.TypePing: new(codec.Ping), codec.TypePong: new(codec.Pong), codec.TypeFindNode: new(codec.FindNode), codec.TypeNodes: new(codec.Nodes),
		codec.TypeTalkRequest: new(codec.TalkRequest), codec.TypeTalkResponse: new(codec.TalkResponse), codec.TypeRegTopic: new(codec.RegTopic),
		codec.TypeRegConfirmation: new(codec.RegConfirmation), codec.TypeTopicQuery: new(codec.TopicQuery), codec.TypeTopicNodes: new(codec.TopicNodes),
	}[t]
	return m, m.Decode(body)
}

func decodeTheirs(b []byte) (v5wire.Packet, error) {
	if len(b) == 0 {
		return nil, rlp.EOL
	}
	return v5wire.DecodeMessage(b[0], b[1:])
}

func messageVerdict(b []byte) (ours, theirs error) {
	_, ours = decodeOurs(b)
	_, theirs = decodeTheirs(b)
	return ours, theirs
}

func FuzzMessage(f *testing.F) {
	for _, m := range sampleMessages() {
		f.Add(m)
	}
	for _, d := range differences {
		if d.target == "message" {
			f.Add([]byte(d.sample))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !agree(t, "message", b) {
			return
		}
		ours, _ := decodeOurs(b)
		theirs, _ := decodeTheirs(b)
		compareMessages(t, ours, theirs)

		// Each side decodes what the other encodes.
		back, err := decodeTheirs(ours.Append(nil))
		if err != nil {
			t.Fatalf("theirs does not decode %x: %v", ours.Append(nil), err)
		}
		compareMessages(t, ours, back)
		enc, err := rlp.EncodeToBytes(theirs)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeOurs(append([]byte{theirs.Kind()}, enc...))
		if err != nil {
			t.Fatalf("ours does not decode %x: %v", enc, err)
		}
		compareMessages(t, again, theirs)
	})
}

// sampleMessages returns one message of each type.
func sampleMessages() (list [][]byte) {
	id, _ := codec.NewRequestID([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	d, _, _ := codec.NewDistances(nil, []uint{0, 1, 127, 128, 255, 256})
	records := append(signed(), signed(pair{"ip", "\x84\x01\x02\x03\x04"})...)
	for _, m := range []message{
		&codec.Ping{RequestID: id, RecordSeq: 1 << 40},
		&codec.Pong{RequestID: id, RecordSeq: 1, Recipient: netip.MustParseAddrPort("1.2.3.4:9000")},
		&codec.Pong{RequestID: id, RecordSeq: 1, Recipient: netip.MustParseAddrPort("[2001:db8::1]:9000")},
		&codec.FindNode{RequestID: id, Distances: d},
		&codec.Nodes{RequestID: id, Total: 1}, &codec.Nodes{RequestID: id, Total: 2, Records: records},
		&codec.TalkRequest{RequestID: id, Protocol: []byte("eth2"), Payload: []byte("hello")},
		&codec.TalkResponse{RequestID: id, Payload: []byte("hello")}, &codec.TalkResponse{},
	} {
		list = append(list, m.Append(nil))
	}
	return list
}

// compareMessages compares the decoded messages.
func compareMessages(t *testing.T, ours message, theirs v5wire.Packet) {
	t.Helper()
	var id codec.RequestID
	same := false
	switch o := ours.(type) {
	case *codec.Ping:
		p, ok := theirs.(*v5wire.Ping)
		id, same = o.RequestID, ok && o.RecordSeq == p.ENRSeq
	case *codec.Pong:
		p, ok := theirs.(*v5wire.Pong)
		id, same = o.RequestID, ok
		if ok {
			// Ours treats an IPv4-mapped address as the IPv4 address.
			a, fits := netip.AddrFromSlice(p.ToIP)
			same = fits && o.RecordSeq == p.ENRSeq && o.Recipient == netip.AddrPortFrom(a.Unmap(), p.ToPort)
		}
	case *codec.FindNode:
		p, ok := theirs.(*v5wire.Findnode)
		id = o.RequestID
		var list []uint
		for d, more := o.Distances.Next(); more; d, more = o.Distances.Next() {
			list = append(list, uint(d))
		}
		same = ok && slices.Equal(list, p.Distances)
	case *codec.Nodes:
		p, ok := theirs.(*v5wire.Nodes)
		id, same = o.RequestID, ok && o.Total == uint64(p.RespCount) && bytes.Equal(o.Records, encodeRecords(t, p.Nodes))
	case *codec.TalkRequest:
		p, ok := theirs.(*v5wire.TalkRequest)
		id, same = o.RequestID, ok && string(o.Protocol) == p.Protocol && bytes.Equal(o.Payload, p.Message)
	case *codec.TalkResponse:
		p, ok := theirs.(*v5wire.TalkResponse)
		id, same = o.RequestID, ok && bytes.Equal(o.Payload, p.Message)
	}
	if !same || !bytes.Equal(id.Bytes(), theirs.RequestID()) {
		t.Fatalf("%+v, theirs %+v", ours, theirs)
	}
}

func encodeRecords(t *testing.T, list []*gethenr.Record) (b []byte) {
	for _, r := range list {
		one, err := rlp.EncodeToBytes(r)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, one...)
	}
	return b
}

// badRecord reports whether a NODES message has a record whose form theirs rejects.
func badRecord(b []byte) bool {
	m, err := decodeOurs(b)
	n, ok := m.(*codec.Nodes)
	if err != nil || !ok {
		return false
	}
	for rest := n.Records; len(rest) > 0; {
		var one []byte
		if one, rest, err = codec.SplitRecord(rest); err != nil {
			return false
		}
		if rlp.DecodeBytes(one, new(gethenr.Record)) != nil {
			return true
		}
	}
	return false
}
