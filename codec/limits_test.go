package codec_test

import (
	"bytes"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/rlp"
)

// inMessage returns the size of the packet that carries a message.
func inMessage(m message) int {
	return len(clearPacket(codec.FlagMessage, 0, 0)) + len(m.Append(nil)) + codec.TagSize
}

// checkLimit: size returns the size of the packet with n bytes. All n up to limit fit, for any
// split of the bytes, and limit+1 does not fit in the worst case. So the limit wastes nothing.
func checkLimit(t *testing.T, limit int, size func(n, split int) int) {
	t.Helper()
	worst := 0
	for split := 0; split <= limit; split++ {
		for _, n := range []int{limit, limit - 1, 57, 56, 1, 0} {
			if s := size(n, min(split, n)); s > codec.MaxPacketSize {
				t.Fatalf("%d bytes, split at %d: packet of %d bytes", n, split, s)
			}
		}
		worst = max(worst, size(limit, split))
	}
	if worst != codec.MaxPacketSize {
		t.Errorf("largest packet has %d bytes: the limit could be higher", worst)
	}
}

// full returns bytes that need an RLP header even if there is only one.
func full(n int) []byte { return bytes.Repeat([]byte{0xff}, n) }

func TestMaxTalkRequest(t *testing.T) {
	checkLimit(t, codec.MaxTalkRequest, func(n, split int) int {
		return inMessage(&codec.TalkRequest{RequestID: id8, Protocol: full(split), Payload: full(n - split)})
	})
}

func TestMaxTalkResponse(t *testing.T) {
	checkLimit(t, codec.MaxTalkResponse, func(n, _ int) int {
		return inMessage(&codec.TalkResponse{RequestID: id8, Payload: full(n)})
	})
}

func TestMaxNodesPayload(t *testing.T) {
	checkLimit(t, codec.MaxNodesPayload, func(n, split int) int {
		m := codec.Nodes{RequestID: id8, Total: 255, Records: full(n)}
		packet := m.Append(nil)
		if head := codec.AppendNodesHeader(nil, codec.TypeNodes, &id8, 255, n); !bytes.Equal(append(head, m.Records...), packet) {
			t.Fatal("AppendNodesHeader and Append differ")
		}
		if split == 0 {
			topics := codec.TopicNodes{Nodes: m}
			if b := topics.Append(nil); b[0] != byte(codec.TypeTopicNodes) || !bytes.Equal(b[1:], packet[1:]) {
				t.Fatal("TOPICNODES and NODES differ in more than their type")
			}
		}
		return inMessage(&m)
	})
}

// TestLargestNodes: the largest NODES packet with real record sizes decodes to its records.
func TestLargestNodes(t *testing.T) {
	record := func(n int) []byte {
		size := n - 1
		for rlp.HeaderSize(size)+size > n {
			size--
		}
		return append(rlp.AppendListHeader(nil, size), bytes.Repeat([]byte{1}, size)...)
	}
	var records []byte
	var sizes []int
	for left := codec.MaxNodesPayload; left > 0; {
		r := record(min(left, codec.MaxRecordSize))
		records, left = append(records, r...), left-len(r)
		sizes = append(sizes, len(r))
	}
	m := codec.Nodes{RequestID: id8, Total: 255, Records: records}
	b := m.Append(nil)
	if len(b) != codec.MaxMessageSize {
		t.Errorf("message of %d bytes, want %d", len(b), codec.MaxMessageSize)
	}
	back, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	rest := back.(*codec.Nodes).Records
	for _, n := range sizes {
		var r []byte
		if r, rest, err = codec.SplitRecord(rest); err != nil || len(r) != n {
			t.Fatalf("record of %d bytes, want %d: %v", len(r), n, err)
		}
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes left", len(rest))
	}
}
