package session

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// TestVectors makes both published handshake packets from the private keys, and accepts them
// (testdata/wire.json).
func TestVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/wire.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Keys    map[string]string `json:"keys"`
		Packets []struct {
			Name   string            `json:"name"`
			Fields map[string]string `json:"fields"`
			Packet string            `json:"packet"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	handshaker := func(name string) *Handshaker {
		key, err := enr.ParsePrivateKeyHex(file.Keys[name])
		if err != nil {
			t.Fatal(err)
		}
		return &Handshaker{Key: key, Curve: curve.Default(), Records: enr.NewCache(4, 1), Protocol: codec.DefaultProtocol}
	}
	nodeA, nodeB := handshaker("node_a"), handshaker("node_b")
	idA, idB := [32]byte(nodeA.Key.ID()), [32]byte(nodeB.Key.ID())
	decode := func(s string) *codec.Packet {
		p := new(codec.Packet)
		if err := codec.NewDecoder(&idB, codec.DefaultProtocol).Decode(fromHex(s), p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	record, err := enr.Parse(decode(file.Packets[3].Packet).Record)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range file.Packets[2:] {
		t.Run(v.Name, func(t *testing.T) {
			field := func(name string) []byte {
				s, ok := v.Fields[name]
				if !ok {
					t.Fatalf("no field %s", name)
				}
				return fromHex(s)
			}
			if !bytes.Equal(idA[:], field("src-node-id")) || !bytes.Equal(idB[:], field("dest-node-id")) {
				t.Fatalf("node IDs %x, %x", idA, idB)
			}
			known, sent := record, []byte(nil)
			ch := &Challenge{Nonce: codec.Nonce(field("whoareyou.request-nonce")), IDNonce: [16]byte(field("whoareyou.id-nonce")), RecordSeq: 1}
			if i == 1 { // with record
				known, sent, ch.RecordSeq = nil, record.Bytes(), 0
			}
			data := ch.Append(nil, codec.DefaultProtocol)
			if !bytes.Equal(data, field("whoareyou.challenge-data")) {
				t.Fatalf("challenge data %x", data)
			}

			pub := nodeB.Key.PublicKey()
			in, err := nodeA.Initiate(data, nodeB.Key.ID(), &pub, bytes.NewReader(field("ephemeral-key")))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(in.Ephemeral[:], field("ephemeral-pubkey")) {
				t.Errorf("ephemeral key %x", in.Ephemeral)
			}
			id, err := codec.NewRequestID(field("ping.req-id"))
			if err != nil {
				t.Fatal(err)
			}
			ping := codec.Ping{RequestID: id, RecordSeq: 1}
			nonce := codec.Nonce(field("nonce"))
			h := Header{Protocol: codec.DefaultProtocol, Source: idA, Nonce: nonce}
			packet := h.AppendHandshake(nil, &idB, &in, sent, ping.Append(nil))
			if want := fromHex(v.Packet); !bytes.Equal(packet, want) {
				t.Errorf("packet %x, want %x", packet, want)
			}

			got, err := nodeB.Accept(ch, decode(v.Packet), known)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Plaintext, ping.Append(nil)) || !got.Record.Equal(record.View()) || got.Record.ID() != nodeA.Key.ID() {
				t.Errorf("message %x, record %v", got.Plaintext, got.Record)
			}
			key := [16]byte(field("read-key"))
			published := NewKeys(&key, &key)
			r := testRandom(t, 1)
			if !seal(t, published, r, "x").opens(got.Keys) || !seal(t, in.Keys, r, "x").opens(published) {
				t.Error("the keys are not the published one")
			}
			if !seal(t, got.Keys, r, "x").opens(in.Keys) {
				t.Error("the other direction does not open")
			}
		})
	}
}
