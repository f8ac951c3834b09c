package session

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// packetVectors reads the reference packets of the codec (discv5-wire-test-vectors.md).
func packetVectors(t *testing.T) (list []map[string]string) {
	t.Helper()
	b, err := os.ReadFile("../../codec/testdata/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Packets []struct {
			Fields map[string]string `json:"fields"`
			Packet string            `json:"packet"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, p := range file.Packets {
		p.Fields["packet"] = p.Packet
		list = append(list, p.Fields)
	}
	return list
}

// The builder makes the packets of the specification byte by byte, wherever in a buffer it puts
// them, and whether or not the message already stands at its place.
func TestHeaderVectors(t *testing.T) {
	vectors := packetVectors(t)
	if len(vectors) != 4 {
		t.Fatalf("%d vectors, want 4", len(vectors))
	}
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	build := func(v map[string]string, dst []byte, inPlace bool) []byte {
		to := [32]byte(fromHex(v["dest-node-id"]))
		h := Header{Protocol: codec.DefaultProtocol}
		if s := v["src-node-id"]; s != "" {
			h.Source = [32]byte(fromHex(s))
		}
		if s := v["nonce"]; s != "" {
			h.Nonce = codec.Nonce(fromHex(s))
		}
		if s := v["whoareyou.id-nonce"]; s != "" && v["read-key"] == "" {
			ch := Challenge{Nonce: codec.Nonce(fromHex(v["whoareyou.request-nonce"])), IDNonce: [16]byte(fromHex(s)),
				RecordSeq: number(v["whoareyou.enr-seq"])}
			return ch.AppendPacket(dst, codec.DefaultProtocol, &to)
		}
		key := [16]byte(fromHex(v["read-key"]))
		id, err := codec.NewRequestID(fromHex(v["ping.req-id"]))
		if err != nil {
			t.Fatal(err)
		}
		ping := codec.Ping{RequestID: id, RecordSeq: number(v["ping.enr-seq"])}
		message, keys := ping.Append(nil), NewKeys(&key, &key)
		var p codec.Packet
		if err := codec.NewDecoder(&to, codec.DefaultProtocol).Decode(fromHex(v["packet"]), &p); err != nil {
			t.Fatal(err)
		}
		at := len(dst) + len(p.AD)
		if inPlace {
			message = append(dst[at:at], message...)
		}
		if p.Flag == codec.FlagMessage {
			return h.AppendMessage(dst, &to, keys, message)
		}
		in := Initiation{keys, [64]byte(p.Signature), [33]byte(p.EphemeralKey)}
		if want, got := len(p.AD)+len(p.Message), HandshakeSize(len(p.Record), len(message)); got != want {
			t.Errorf("HandshakeSize = %d, want %d", got, want)
		}
		return h.AppendHandshake(dst, &to, &in, p.Record, message)
	}
	for i, v := range vectors {
		want := fromHex(v["packet"])
		for _, c := range []struct {
			name    string
			dst     []byte
			inPlace bool
		}{
			{"nil", nil, false},
			{"with capacity", make([]byte, 0, codec.MaxPacketSize), false},
			{"in place", make([]byte, 0, codec.MaxPacketSize), true},
			{"behind another packet", append(make([]byte, 0, 2*codec.MaxPacketSize), make([]byte, 100)...), false},
			{"behind another packet, in place", append(make([]byte, 0, 2*codec.MaxPacketSize), make([]byte, 100)...), true},
			{"behind another packet, without capacity", make([]byte, 100), false},
		} {
			t.Run(strconv.Itoa(i)+"/"+c.name, func(t *testing.T) {
				got := build(v, c.dst, c.inPlace)
				if !bytes.Equal(got[len(c.dst):], want) {
					t.Errorf("packet %x, want %x", got[len(c.dst):], want)
				}
				if !bytes.Equal(got[:len(c.dst)], make([]byte, len(c.dst))) {
					t.Error("bytes in front of the packet have changed")
				}
			})
		}
	}
}

// An unopenable packet decodes as a message of its sender that no keys open.
func TestAppendUnopenable(t *testing.T) {
	r := testRandom(t, 3)
	h := Header{Protocol: codec.DefaultProtocol, Source: [32]byte{7}}
	h.Randomize(r)
	to := [32]byte{9}
	noise := make([]byte, 44)
	r.Read(noise)
	buf := make([]byte, 0, codec.MaxPacketSize)
	inPlace := append(buf[codec.MessageHeaderSize:codec.MessageHeaderSize], noise...)
	for _, c := range []struct {
		name       string
		dst, noise []byte
	}{{"copied", nil, noise}, {"in place", buf, inPlace}} {
		t.Run(c.name, func(t *testing.T) {
			b := h.AppendUnopenable(c.dst, &to, c.noise)
			var p codec.Packet
			if err := codec.NewDecoder(&to, codec.DefaultProtocol).Decode(b, &p); err != nil {
				t.Fatal(err)
			}
			if p.Flag != codec.FlagMessage || p.Nonce != h.Nonce || p.SourceID != h.Source || !bytes.Equal(p.Message, noise) {
				t.Errorf("decoded %+v", p)
			}
			key := [16]byte{1}
			if _, err := NewKeys(&key, &key).Open(&p.Nonce, p.Message, p.AD); err == nil {
				t.Error("it opens")
			}
		})
	}
}

// Packets are built without allocating. The Header is on the heap, as in a worker.
func TestHeaderAllocs(t *testing.T) {
	key, to := [16]byte{1}, &[32]byte{2}
	keys := NewKeys(&key, &key)
	in := &Initiation{Keys: keys}
	h := &Header{Protocol: codec.DefaultProtocol}
	ch := new(Challenge)
	buf, message, record := make([]byte, 0, codec.MaxPacketSize), make([]byte, 40), make([]byte, 300)
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"message", func() { h.AppendMessage(buf, to, keys, message) }},
		{"unopenable", func() { h.AppendUnopenable(buf, to, message) }},
		{"handshake", func() { h.AppendHandshake(buf, to, in, record, message) }},
		{"challenge", func() { ch.AppendPacket(buf, codec.DefaultProtocol, to) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, c.do); n != 0 {
				t.Errorf("%v allocations per packet", n)
			}
		})
	}
}
