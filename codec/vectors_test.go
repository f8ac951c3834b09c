package codec_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// vector is one of the published packets (testdata/wire.json).
type vector struct {
	Name   string            `json:"name"`
	Fields map[string]string `json:"fields"`
	Packet string            `json:"packet"`
}

func loadVectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Packets []vector `json:"packets"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Packets) != 4 {
		t.Fatalf("%d vectors, want 4", len(file.Packets))
	}
	return file.Packets
}

// unhex decodes hexadecimal text. It ignores a 0x prefix and spaces.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(s, "0x"), " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func (v *vector) datagram() []byte { return unhex(v.Packet) }

func (v *vector) bytes(t testing.TB, name string) []byte {
	t.Helper()
	s, ok := v.Fields[name]
	if !ok {
		t.Fatalf("%s: no field %s", v.Name, name)
	}
	return unhex(s)
}

func (v *vector) id(t testing.TB, name string) *[32]byte { return (*[32]byte)(v.bytes(t, name)) }

// seq reads a field that is a decimal digit in the file.
func (v *vector) seq(t testing.TB, name string) uint64 {
	t.Helper()
	s := v.Fields[name]
	if len(s) != 1 || s[0] < '0' || s[0] > '9' {
		t.Fatalf("%s: %s = %q", v.Name, name, s)
	}
	return uint64(s[0] - '0')
}

func (v *vector) decode(t testing.TB, b []byte) *codec.Packet {
	t.Helper()
	p := new(codec.Packet)
	if err := codec.NewDecoder(v.id(t, "dest-node-id"), codec.DefaultProtocol).Decode(b, p); err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return p
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

// TestVectorsDecode: each published packet decodes to the published fields, and its message
// decrypts with the published key.
func TestVectorsDecode(t *testing.T) {
	flags := []codec.Flag{codec.FlagMessage, codec.FlagWhoareyou, codec.FlagHandshake, codec.FlagHandshake}
	for i, v := range loadVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			b := v.datagram()
			p := v.decode(t, b)
			if p.Flag != flags[i] {
				t.Fatalf("flag %d, want %d", p.Flag, flags[i])
			}
			if &p.AD[0] != &b[0] {
				t.Error("AD is not a view of the datagram")
			}
			if p.Flag == codec.FlagWhoareyou {
				same(t, "nonce", p.Nonce[:], v.bytes(t, "whoareyou.request-nonce"))
				same(t, "ID nonce", p.IDNonce[:], v.bytes(t, "whoareyou.id-nonce"))
				same(t, "challenge data", p.AD, v.bytes(t, "whoareyou.challenge-data"))
				if p.RecordSeq != v.seq(t, "whoareyou.enr-seq") {
					t.Errorf("record seq %d", p.RecordSeq)
				}
				return
			}
			same(t, "nonce", p.Nonce[:], v.bytes(t, "nonce"))
			same(t, "source ID", p.SourceID[:], v.bytes(t, "src-node-id"))
			if p.Flag == codec.FlagHandshake {
				same(t, "ephemeral key", p.EphemeralKey, v.bytes(t, "ephemeral-pubkey"))
				if len(p.Signature) != codec.SignatureSize {
					t.Errorf("signature of %d bytes", len(p.Signature))
				}
				if (len(p.Record) > 0) != strings.Contains(v.Name, "with ENR") {
					t.Errorf("record of %d bytes", len(p.Record))
				}
			}
			plaintext, err := v.cipher(t).Open(nil, &p.Nonce, p.Message, p.AD)
			if err != nil {
				t.Fatal(err)
			}
			typ, body, err := codec.SplitMessage(plaintext)
			if err != nil || typ != codec.TypePing {
				t.Fatalf("message %v, %v", typ, err)
			}
			var m codec.Ping
			if err := m.Decode(body); err != nil {
				t.Fatal(err)
			}
			same(t, "request ID", m.RequestID.Bytes(), v.bytes(t, "ping.req-id"))
			if m.RecordSeq != v.seq(t, "ping.enr-seq") {
				t.Errorf("record seq %d", m.RecordSeq)
			}
		})
	}
}

func (v *vector) cipher(t testing.TB) aead.Cipher {
	return aead.NewCipher((*[aead.KeySize]byte)(v.bytes(t, "read-key")))
}

// TestVectorsEncode: the published fields encode to each published packet, byte for byte. The
// handshakes use the signature and record of the packet; package session makes them from the keys.
func TestVectorsEncode(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			p := v.decode(t, v.datagram())
			var iv [codec.IVSize]byte // zero in all of them
			source, dest := v.id(t, "src-node-id"), v.id(t, "dest-node-id")
			b := make([]byte, 0, codec.MaxPacketSize)
			switch p.Flag {
			case codec.FlagMessage:
				b = codec.AppendMessageHeader(b, codec.DefaultProtocol, &iv, (*codec.Nonce)(v.bytes(t, "nonce")), source)
				if len(b) != codec.MessageHeaderSize {
					t.Errorf("header of %d bytes", len(b))
				}
			case codec.FlagWhoareyou:
				b = codec.AppendWhoareyou(b, codec.DefaultProtocol, &iv, (*codec.Nonce)(v.bytes(t, "whoareyou.request-nonce")),
					(*[codec.IDNonceSize]byte)(v.bytes(t, "whoareyou.id-nonce")), v.seq(t, "whoareyou.enr-seq"))
				if len(b) != codec.WhoareyouSize {
					t.Errorf("packet of %d bytes", len(b))
				}
				same(t, "challenge data", b, v.bytes(t, "whoareyou.challenge-data"))
			case codec.FlagHandshake:
				b = codec.AppendHandshakeHeader(b, codec.DefaultProtocol, &iv, (*codec.Nonce)(v.bytes(t, "nonce")), source,
					(*[codec.SignatureSize]byte)(p.Signature), (*[codec.EphemeralKeySize]byte)(v.bytes(t, "ephemeral-pubkey")), p.Record)
				if len(b) != codec.HandshakeHeaderSize+len(p.Record) {
					t.Errorf("header of %d bytes", len(b))
				}
			}
			head := len(b)
			if p.Flag != codec.FlagWhoareyou {
				id, err := codec.NewRequestID(v.bytes(t, "ping.req-id"))
				if err != nil {
					t.Fatal(err)
				}
				m := codec.Ping{RequestID: id, RecordSeq: v.seq(t, "ping.enr-seq")}
				b = m.Append(b)
				b = v.cipher(t).Seal(b[:head], &p.Nonce, b[head:], b[:head])
			}
			codec.MaskHeader(b, head, dest)
			same(t, "packet", b, v.datagram())
		})
	}
}

// TestVectorChallengeData: the challenge data of the handshake vectors is also a WHOAREYOU packet.
func TestVectorChallengeData(t *testing.T) {
	for _, v := range loadVectors(t)[1:] {
		want := v.bytes(t, "whoareyou.challenge-data")
		b := codec.AppendWhoareyou(nil, codec.DefaultProtocol, new([codec.IVSize]byte), (*codec.Nonce)(v.bytes(t, "whoareyou.request-nonce")),
			(*[codec.IDNonceSize]byte)(v.bytes(t, "whoareyou.id-nonce")), v.seq(t, "whoareyou.enr-seq"))
		same(t, v.Name, b, want)
		codec.MaskHeader(b, len(b), v.id(t, "dest-node-id"))
		p := v.decode(t, b)
		if p.RecordSeq != binary.BigEndian.Uint64(want[len(want)-8:]) {
			t.Errorf("%s: record seq %d", v.Name, p.RecordSeq)
		}
	}
}
