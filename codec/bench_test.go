package codec_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// benchMessages returns one message of each type, of the usual size on the network.
func benchMessages() []message {
	id, _ := codec.NewRequestID([]byte{0x8f, 2, 3, 4, 5, 6, 7, 8})
	three, _, _ := codec.NewDistances(nil, []uint{254, 255, 256})
	var records []byte // seven lists of the size of a record
	for range 7 {
		records = append(append(records, 0xf8, 158), bytes.Repeat([]byte{0x11}, 158)...)
	}
	return []message{
		&codec.Ping{RequestID: id, RecordSeq: 1_700_000_000_000},
		&codec.Pong{RequestID: id, RecordSeq: 1_700_000_000_000, Recipient: netip.MustParseAddrPort("192.0.2.1:9000")},
		&codec.FindNode{RequestID: id, Distances: three},
		&codec.Nodes{RequestID: id, Total: 3, Records: records},
		&codec.TalkRequest{RequestID: id, Protocol: []byte("utp"), Payload: make([]byte, 500)},
		&codec.TalkResponse{RequestID: id, Payload: make([]byte, 500)},
		&codec.RegTopic{RequestID: id, Record: records[:160], Ticket: make([]byte, 100), Distances: three},
		&codec.RegTopic{RequestID: id, Record: records[:160], Ticket: make([]byte, 100), Distances: three, TicketFirst: true},
		&codec.RegConfirmation{RequestID: id, Total: 3, Ticket: make([]byte, 100), WaitTime: 60_000},
		&codec.TopicQuery{RequestID: id, Distances: three},
		&codec.TopicNodes{Nodes: codec.Nodes{RequestID: id, Total: 3, Records: records}},
	}
}

func BenchmarkMessage(b *testing.B) {
	for _, m := range benchMessages() {
		wire := m.Append(nil)
		name := codec.MessageType(wire[0]).String()
		b.Run("encode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, codec.MaxPacketSize)
			for b.Loop() {
				if got := m.Append(buf); len(got) != len(wire) {
					b.Fatal("encoded to another size")
				}
			}
		})
		b.Run("decode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, body, err := codec.SplitMessage(wire)
				if err == nil {
					err = m.Decode(body)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPacket measures the outer layer of each kind of packet: header, mask and parts, without
// the session's cipher.
func BenchmarkPacket(b *testing.B) {
	dest, source := [32]byte{1, 2, 3}, [32]byte{4, 5, 6}
	var nonce codec.Nonce
	iv := new([codec.IVSize]byte)
	record := make([]byte, 160)
	for _, c := range []struct {
		name string
		head func(dst []byte) []byte
		tail int // message and tag
	}{
		{"message", func(dst []byte) []byte {
			return codec.AppendMessageHeader(dst, codec.DefaultProtocol, iv, &nonce, &source)
		}, 28},
		{"WHOAREYOU", func(dst []byte) []byte {
			return codec.AppendWhoareyou(dst, codec.DefaultProtocol, iv, &nonce, new([codec.IDNonceSize]byte), 7)
		}, 0},
		{"handshake", func(dst []byte) []byte {
			return codec.AppendHandshakeHeader(dst, codec.DefaultProtocol, iv, &nonce, &source,
				new([codec.SignatureSize]byte), new([codec.EphemeralKeySize]byte), record)
		}, 28},
	} {
		encode := func(dst []byte) []byte {
			dst = c.head(dst)
			codec.MaskHeader(dst, len(dst), &dest)
			return dst[:len(dst)+c.tail]
		}
		wire := encode(make([]byte, 0, codec.MaxPacketSize))
		b.Run("encode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, codec.MaxPacketSize)
			for b.Loop() {
				if got := encode(buf); len(got) != len(wire) {
					b.Fatal("encoded to another size")
				}
			}
		})
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			d := codec.NewDecoder(&dest, codec.DefaultProtocol)
			buf := make([]byte, codec.MaxPacketSize)
			var p codec.Packet
			for b.Loop() {
				if err := d.Decode(buf[:copy(buf, wire)], &p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("decode/foreign", func(b *testing.B) {
		b.ReportAllocs()
		d := codec.NewDecoder(&dest, codec.DefaultProtocol)
		buf := make([]byte, 100)
		var p codec.Packet
		for b.Loop() {
			if err := d.Decode(buf, &p); err != codec.ErrProtocol {
				b.Fatal(err)
			}
		}
	})
}
