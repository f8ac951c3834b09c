package codec_test

import (
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// zeroAllocs fails the test if f allocates.
func zeroAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

func TestPacketAllocs(t *testing.T) {
	var p, dst codec.Packet
	buf, room := make([]byte, codec.MaxPacketSize), make([]byte, codec.MaxPacketSize)
	for _, v := range loadVectors(t) {
		in := v.datagram()
		d := codec.NewDecoder(v.id(t, "dest-node-id"), codec.DefaultProtocol)
		zeroAllocs(t, v.Name+", decode", func() {
			if err := d.Decode(buf[:copy(buf, in)], &p); err != nil {
				t.Fatal(err)
			}
		})
		p := p
		if p.Flag != codec.FlagWhoareyou {
			zeroAllocs(t, v.Name+", copy", func() { p.CopyTo(&dst, room) })
		}
		dest, iv := v.id(t, "dest-node-id"), new([codec.IVSize]byte)
		out := make([]byte, 0, codec.MaxPacketSize)
		zeroAllocs(t, v.Name+", encode", func() {
			var b []byte
			switch p.Flag {
			case codec.FlagMessage:
				b = codec.AppendMessageHeader(out, codec.DefaultProtocol, iv, &p.Nonce, &p.SourceID)
			case codec.FlagWhoareyou:
				b = codec.AppendWhoareyou(out, codec.DefaultProtocol, iv, &p.Nonce, &p.IDNonce, p.RecordSeq)
			case codec.FlagHandshake:
				b = codec.AppendHandshakeHeader(out, codec.DefaultProtocol, iv, &p.Nonce, &p.SourceID,
					(*[codec.SignatureSize]byte)(p.Signature), (*[codec.EphemeralKeySize]byte)(p.EphemeralKey), p.Record)
			}
			codec.MaskHeader(b, len(b), dest)
		})
	}
	d := codec.NewDecoder(&self, codec.DefaultProtocol)
	for _, n := range []int{10, 63, 200, 1280, 1281} {
		foreign := make([]byte, n)
		zeroAllocs(t, "rejected datagram", func() {
			if d.Decode(foreign, &p) == nil {
				t.Fatal("accepted")
			}
		})
	}
}

// TestMessageAllocs decodes and encodes each message of the table, also truncated.
func TestMessageAllocs(t *testing.T) {
	buf := make([]byte, 0, codec.MaxPacketSize)
	for _, tt := range messageTests {
		b := unhex(tt.hex)
		m := newMessage(codec.MessageType(b[0]))
		zeroAllocs(t, tt.name, func() {
			_, body, err := codec.SplitMessage(b)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Decode(body); err != nil {
				t.Fatal(err)
			}
			if got := m.Append(buf); len(got) != len(b) {
				t.Fatal("encoded to another size")
			}
			if m.Decode(body[:len(body)-1]) == nil {
				t.Fatal("accepted when cut")
			}
		})
	}
	list := []uint{256, 255, 254}
	zeroAllocs(t, "distances", func() {
		d, _, _ := codec.NewDistances(buf, list)
		for _, ok := d.Next(); ok; {
			_, ok = d.Next()
		}
	})
	records := unhex("c0c101c20102")
	zeroAllocs(t, "records", func() {
		for rest := records; len(rest) > 0; {
			_, rest, _ = codec.SplitRecord(rest)
		}
	})
}
