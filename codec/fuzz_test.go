package codec_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// reencode returns the datagram to dest with the content of p.
func reencode(p *codec.Packet, dest *[32]byte) []byte {
	iv := (*[codec.IVSize]byte)(p.AD)
	var b []byte
	switch p.Flag {
	case codec.FlagMessage:
		b = codec.AppendMessageHeader(b, codec.DefaultProtocol, iv, &p.Nonce, &p.SourceID)
	case codec.FlagWhoareyou:
		b = codec.AppendWhoareyou(b, codec.DefaultProtocol, iv, &p.Nonce, &p.IDNonce, p.RecordSeq)
	case codec.FlagHandshake:
		b = codec.AppendHandshakeHeader(b, codec.DefaultProtocol, iv, &p.Nonce, &p.SourceID,
			(*[codec.SignatureSize]byte)(p.Signature), (*[codec.EphemeralKeySize]byte)(p.EphemeralKey), p.Record)
	}
	head := len(b)
	b = append(b, p.Message...)
	codec.MaskHeader(b, head, dest)
	return b
}

// FuzzDecodePacket decodes its input as a datagram, and as an unmasked packet that it masks first.
// Only the latter gets past the protocol ID. A decoded packet encodes to the same bytes.
func FuzzDecodePacket(f *testing.F) {
	dest := [32]byte(unhex("bbbb9d047f0488c0b5a93c1c3f2d8bafc7c8ff337024a55434a0d0555de64db9"))
	for _, v := range loadVectors(f) {
		b := v.datagram()
		f.Add(bytes.Clone(b))
		p := v.decode(f, b)
		f.Add(append(bytes.Clone(p.AD), p.Message...))
	}
	f.Add(clearPacket(codec.FlagHandshake, 301, 17))
	f.Add(clearPacket(codec.FlagWhoareyou, 0, 1))
	f.Add(clearPacket(codec.FlagMessage, 0, 16))
	check := func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		p := new(codec.Packet)
		err := codec.NewDecoder(&dest, codec.DefaultProtocol).Decode(b, p)
		switch err {
		case nil:
			if len(p.AD)+len(p.Message) != len(b) {
				t.Fatalf("%d bytes of header and %d of message in a datagram of %d", len(p.AD), len(p.Message), len(b))
			}
			if p.Flag != codec.FlagWhoareyou && len(p.Message) <= codec.TagSize {
				t.Fatalf("message of %d bytes", len(p.Message))
			}
			if len(p.Record) > codec.MaxRecordSize {
				t.Fatalf("record of %d bytes", len(p.Record))
			}
			if out := reencode(p, &dest); !bytes.Equal(out, in) {
				t.Fatalf("encodes to %x, was %x", out, in)
			}
			if p.Flag != codec.FlagWhoareyou {
				var c codec.Packet
				p.CopyTo(&c, make([]byte, len(b)))
				if out := reencode(&c, &dest); !bytes.Equal(out, in) {
					t.Fatalf("copy encodes to %x, was %x", out, in)
				}
			}
		case codec.ErrSize, codec.ErrProtocol:
			if !bytes.Equal(b, in) {
				t.Fatalf("%v, and changed", err)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := masked(b, &dest)
		check(t, bytes.Clone(b))
		check(t, m)
	})
}

// FuzzDecodeMessage: an accepted message encodes to the same bytes, so no two encodings have the
// same meaning. The exception is PONG with an IPv4-mapped address, which becomes shorter.
func FuzzDecodeMessage(f *testing.F) {
	for _, tt := range messageTests {
		f.Add(unhex(tt.hex))
	}
	f.Add(unhex("02 d6 80 80 9000000000000000000000ffff01020304 822328"))
	f.Add(unhex("03 c5 80 c3 820101"))
	f.Add(unhex("04 c6 80 01 c3 c0 80 c0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.Clone(b)
		m, err := decode(b)
		if !bytes.Equal(b, in) {
			t.Fatal("decoding has changed the message")
		}
		if err != nil {
			return
		}
		out := m.Append(nil)
		if pong, ok := m.(*codec.Pong); ok {
			if !pong.Recipient.IsValid() || pong.Recipient.Addr().Is4In6() {
				t.Fatalf("recipient %v", pong.Recipient)
			}
			if len(out) != len(in) { // shortened: compare the meaning
				again, err := decode(out)
				if err != nil || *again.(*codec.Pong) != *pong || !bytes.Contains(in, mapped(pong.Recipient)) {
					t.Fatalf("%x encodes to %x", in, out)
				}
				return
			}
		}
		if !bytes.Equal(out, in) {
			t.Fatalf("%x encodes to %x", in, out)
		}
		checkMeaning(t, m)
	})
}

func mapped(a netip.AddrPort) []byte {
	b := a.Addr().As16()
	return b[:]
}

// checkMeaning walks an accepted message to its end.
func checkMeaning(t *testing.T, m message) {
	walk := func(d codec.Distances) {
		for n, ok := d.Next(); ok; n, ok = d.Next() {
			if n < 0 || n > codec.MaxDistance {
				t.Fatalf("distance %d", n)
			}
		}
	}
	split := func(records []byte) {
		for len(records) > 0 {
			r, rest, err := codec.SplitRecord(records)
			if err != nil || len(r) == 0 || len(r)+len(rest) != len(records) {
				t.Fatalf("records do not split: %v", err)
			}
			records = rest
		}
	}
	switch m := m.(type) {
	case *codec.FindNode:
		walk(m.Distances)
	case *codec.TopicQuery:
		walk(m.Distances)
	case *codec.RegTopic:
		walk(m.Distances)
		if len(m.Record) > codec.MaxRecordSize {
			t.Fatalf("record of %d bytes", len(m.Record))
		}
	case *codec.Nodes:
		split(m.Records)
	case *codec.TopicNodes:
		split(m.Records)
	}
}
