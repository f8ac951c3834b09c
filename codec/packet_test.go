package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// Offsets in an unmasked packet.
const (
	atVersion  = 22
	atFlag     = 24
	atAuthSize = 37
	atAuth     = 39
	atSigSize  = 71
	atKeySize  = 72
)

var self = [32]byte{0: 0xbb, 15: 0x7f, 31: 1}

// clearPacket returns an unmasked packet of the given kind with n bytes after its header. record
// matters for handshakes only.
func clearPacket(f codec.Flag, record, n int) []byte {
	iv, nonce, source := [codec.IVSize]byte{1, 2, 3}, codec.Nonce{4, 5, 6}, [32]byte{7, 8, 9}
	var b []byte
	switch f {
	case codec.FlagMessage:
		b = codec.AppendMessageHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source)
	case codec.FlagWhoareyou:
		b = codec.AppendWhoareyou(nil, codec.DefaultProtocol, &iv, &nonce, &[codec.IDNonceSize]byte{0xaa}, 1<<63+5)
	case codec.FlagHandshake:
		b = codec.AppendHandshakeHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source,
			&[codec.SignatureSize]byte{0: 0x51, 63: 0x52}, &[codec.EphemeralKeySize]byte{0: 2, 32: 0xee}, bytes.Repeat([]byte{0xc5}, record))
	}
	return append(b, bytes.Repeat([]byte{0x99}, n)...)
}

// masked masks the header of b, as long as b says it is and as far as b has bytes.
func masked(clear []byte, dest *[32]byte) []byte {
	b := bytes.Clone(clear)
	if len(b) < codec.IVSize {
		return b
	}
	end := len(b)
	if len(b) >= atAuth {
		end = min(end, atAuth+int(binary.BigEndian.Uint16(b[atAuthSize:])))
	}
	codec.MaskHeader(b, end, dest)
	return b
}

func TestDecodeRejects(t *testing.T) {
	const tag = codec.TagSize
	edit := func(b []byte, at int, v ...byte) []byte { copy(b[at:], v); return b }
	size := func(b []byte, n int) []byte { binary.BigEndian.PutUint16(b[atAuthSize:], uint16(n)); return b }
	message := func(n int) []byte { return clearPacket(codec.FlagMessage, 0, n) }
	challenge := func(n int) []byte { return clearPacket(codec.FlagWhoareyou, 0, n) }
	handshake := func(record, n int) []byte { return clearPacket(codec.FlagHandshake, record, n) }
	tests := []struct {
		name  string
		clear []byte
		want  error
	}{
		{"empty", nil, codec.ErrSize},
		{"62 bytes", challenge(0)[:62], codec.ErrSize},
		{"63 bytes", challenge(0), nil},
		{"1280 bytes", message(1280 - codec.MessageHeaderSize), nil},
		{"1281 bytes", message(1281 - codec.MessageHeaderSize), codec.ErrSize},
		{"protocol ID", edit(message(17), codec.IVSize, []byte("discv4")...), codec.ErrProtocol},
		{"protocol ID, first byte", edit(message(17), codec.IVSize, 'D'), codec.ErrProtocol},
		{"version 0", edit(message(17), atVersion, 0, 0), codec.ErrProtocol},
		{"version 2", edit(message(17), atVersion, 0, 2), codec.ErrProtocol},
		{"version 0x0101", edit(message(17), atVersion, 1, 1), codec.ErrProtocol},
		{"flag 3", edit(message(17), atFlag, 3), codec.ErrFlag},
		{"flag 255", edit(message(17), atFlag, 0xff), codec.ErrFlag},

		{"message, authdata 31", size(message(17), 31), codec.ErrAuthSize},
		{"message, authdata 33", size(message(17), 33), codec.ErrAuthSize},
		{"message, authdata 0", size(message(17), 0), codec.ErrAuthSize},
		{"message, authdata 65535", size(message(17), 0xffff), codec.ErrAuthSize},
		{"message, authdata one byte over the end", size(message(17), 32+17+1), codec.ErrAuthSize},
		{"message with WHOAREYOU flag", edit(message(17), atFlag, 1), codec.ErrAuthSize},
		{"message with handshake flag", edit(message(17), atFlag, 2), codec.ErrAuthSize},
		{"message without message", message(0), codec.ErrNoMessage},
		{"message shorter than a tag", message(tag - 1), codec.ErrNoMessage},
		{"message that is a tag", message(tag), codec.ErrNoMessage},
		{"message of one byte", message(tag + 1), nil},

		{"WHOAREYOU, authdata 23", size(challenge(0), 23), codec.ErrAuthSize},
		{"WHOAREYOU, authdata 25", size(challenge(1), 25), codec.ErrAuthSize},
		{"WHOAREYOU, one byte after it", challenge(1), codec.ErrTrailing},
		{"WHOAREYOU, a message after it", challenge(100), codec.ErrTrailing},

		{"handshake, authdata 33", size(handshake(0, 17), 33), codec.ErrAuthSize},
		{"handshake, authdata 34", size(handshake(0, 17), 34), codec.ErrAuthSize},
		{"handshake, authdata cut in the signature", size(handshake(0, 17), 34+63), codec.ErrAuthSize},
		{"handshake, authdata cut in the key", size(handshake(0, 17), 34+64+32), codec.ErrAuthSize},
		{"handshake, authdata over the end", size(handshake(0, 17), 34+64+33+18), codec.ErrAuthSize},
		{"handshake, signature of 63", edit(handshake(0, 17), atSigSize, 63), codec.ErrKeySizes},
		{"handshake, signature of 65", edit(handshake(0, 17), atSigSize, 65), codec.ErrKeySizes},
		{"handshake, signature of 0", edit(handshake(0, 17), atSigSize, 0), codec.ErrKeySizes},
		{"handshake, key of 32", edit(handshake(0, 17), atKeySize, 32), codec.ErrKeySizes},
		{"handshake, key of 65", edit(handshake(0, 17), atKeySize, 65), codec.ErrKeySizes},
		{"handshake, sizes swapped", edit(handshake(0, 17), atSigSize, 33, 64), codec.ErrKeySizes},
		{"handshake, record of 300", handshake(300, 17), nil},
		{"handshake, record of 301", handshake(301, 17), codec.ErrRecordSize},
		{"handshake, record of 1000", handshake(1000, 17), codec.ErrRecordSize},
		{"handshake without message", handshake(0, 0), codec.ErrNoMessage},
		{"handshake, message that is a tag", handshake(10, tag), codec.ErrNoMessage},
	}
	d := codec.NewDecoder(&self, codec.DefaultProtocol)
	for _, tt := range tests {
		b := masked(tt.clear, &self)
		in := bytes.Clone(b)
		if err := d.Decode(b, new(codec.Packet)); err != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		// S9: a datagram of another protocol is unchanged, so it can be passed on.
		if (tt.want == codec.ErrSize || tt.want == codec.ErrProtocol) && !bytes.Equal(b, in) {
			t.Errorf("%s: the datagram has changed", tt.name)
		}
	}
}

// TestDecodeForeign (S9): Decode leaves datagrams of other protocols unchanged, whatever they
// contain.
func TestDecodeForeign(t *testing.T) {
	d := codec.NewDecoder(&self, codec.DefaultProtocol)
	for n := range 1400 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(n*31 + i*i)
		}
		in := bytes.Clone(b)
		err := d.Decode(b, new(codec.Packet))
		want := codec.ErrProtocol
		if n < 63 || n > 1280 {
			want = codec.ErrSize
		}
		if !errors.Is(err, want) || !bytes.Equal(b, in) {
			t.Fatalf("%d bytes: %v, changed: %v", n, err, !bytes.Equal(b, in))
		}
	}
}

// TestDecodeForOther: a packet to another node, or of another network, is not of this protocol.
func TestDecodeForOther(t *testing.T) {
	for f := codec.FlagMessage; f <= codec.FlagHandshake; f++ {
		n := 17
		if f == codec.FlagWhoareyou {
			n = 0
		}
		other := self
		other[0]++
		b := masked(clearPacket(f, 0, n), &other)
		if err := codec.NewDecoder(&self, codec.DefaultProtocol).Decode(b, new(codec.Packet)); err != codec.ErrProtocol {
			t.Errorf("flag %d for another node: %v", f, err)
		}
		network := codec.Protocol{ID: [6]byte{'d', 'i', 's', 'c', 'x', 'y'}, Version: 0x0203}
		b = clearPacket(f, 0, n)
		copy(b[codec.IVSize:], network.ID[:])
		binary.BigEndian.PutUint16(b[atVersion:], network.Version)
		b = masked(b, &self)
		if err := codec.NewDecoder(&self, codec.DefaultProtocol).Decode(b, new(codec.Packet)); err != codec.ErrProtocol {
			t.Errorf("flag %d of another network: %v", f, err)
		}
		if err := codec.NewDecoder(&self, network).Decode(b, new(codec.Packet)); err != nil {
			t.Errorf("flag %d of its own network: %v", f, err)
		}
	}
}

// TestDecodeViews: the capacity of a packet's slice ends with its part, so that an append does not
// overwrite the next part.
func TestDecodeViews(t *testing.T) {
	b := masked(clearPacket(codec.FlagHandshake, 40, 30), &self)
	p := new(codec.Packet)
	if err := codec.NewDecoder(&self, codec.DefaultProtocol).Decode(b, p); err != nil {
		t.Fatal(err)
	}
	clear := clearPacket(codec.FlagHandshake, 40, 30)
	same(t, "AD", p.AD, clear[:codec.HandshakeHeaderSize+40])
	same(t, "message", p.Message, clear[codec.HandshakeHeaderSize+40:])
	same(t, "signature", p.Signature, clear[73:137])
	same(t, "ephemeral key", p.EphemeralKey, clear[137:170])
	same(t, "record", p.Record, clear[170:210])
	for _, s := range [][]byte{p.AD, p.Signature, p.EphemeralKey, p.Record} {
		if len(s) != cap(s) {
			t.Errorf("view of %d bytes has room for %d", len(s), cap(s))
		}
	}
}

func TestCopyTo(t *testing.T) {
	for _, c := range []struct {
		f      codec.Flag
		record int
	}{{codec.FlagMessage, 0}, {codec.FlagHandshake, 0}, {codec.FlagHandshake, 300}} {
		n := codec.MaxPacketSize - len(clearPacket(c.f, c.record, 0))
		b := masked(clearPacket(c.f, c.record, n), &self)
		var p, dst codec.Packet
		if err := codec.NewDecoder(&self, codec.DefaultProtocol).Decode(b, &p); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, codec.MaxPacketSize)
		p.CopyTo(&dst, buf)
		for i := range b {
			b[i] = 0 // the buffer is reused
		}
		clear := clearPacket(c.f, c.record, n)
		head := len(clear) - n
		same(t, "AD", dst.AD, clear[:head])
		same(t, "message", dst.Message, clear[head:])
		if dst.Flag != c.f || dst.Nonce != p.Nonce || dst.SourceID != p.SourceID {
			t.Error("fixed fields are not copied")
		}
		if c.f == codec.FlagHandshake {
			same(t, "signature", dst.Signature, clear[73:137])
			same(t, "ephemeral key", dst.EphemeralKey, clear[137:170])
			same(t, "record", dst.Record, clear[170:head])
		}
	}
}
