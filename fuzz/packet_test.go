package fuzz

import (
	"bytes"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/session"
)

// change applies changes of two bytes each, position and mask, to b and reports whether anything is
// different now.
func change(b, changes []byte) bool {
	was := bytes.Clone(b)
	for ; len(changes) >= 3; changes = changes[3:] {
		at := (int(changes[0])<<8 | int(changes[1])) % len(b)
		b[at] ^= changes[2]
	}
	return !bytes.Equal(b, was)
}

// FuzzMessage seals a message, changes the packet in clear, masks it, and opens it on the other
// side.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("\x01\xc2\x01\x01"), []byte{}, uint64(1))
	f.Add([]byte("\x01\xc2\x01\x01"), []byte{0, 0, 1}, uint64(1))
	f.Add(bytes.Repeat([]byte{7}, codec.MaxMessageSize), []byte{4, 255, 0x80}, uint64(2))
	f.Fuzz(func(t *testing.T, plaintext, changes []byte, seed uint64) {
		if len(plaintext) == 0 || len(plaintext) > codec.MaxMessageSize {
			return
		}
		r := random(t, seed)
		var k1, k2 [16]byte
		var dest [32]byte
		h := session.Header{Protocol: codec.DefaultProtocol}
		for _, b := range [][]byte{k1[:], k2[:], h.IV[:], h.Source[:], dest[:]} {
			r.Read(b)
		}
		a, b := session.NewKeys(&k1, &k2), session.NewKeys(&k2, &k1)
		a.NextNonce(&h.Nonce, r)
		datagram := h.AppendMessage(nil, &dest, a, plaintext)
		changed := tampered(datagram, len(plaintext), dest, changes)

		p, ok := decoded(t, &dest, datagram, changed, codec.FlagMessage)
		if !ok {
			return
		}
		got, err := b.Open(&p.Nonce, p.Message, p.AD)
		if (err == nil) == changed {
			t.Fatalf("changed %v, opened with error %v", changed, err)
		}
		if err == nil && (!bytes.Equal(got, plaintext) || p.SourceID != h.Source || p.Nonce != h.Nonce) {
			t.Fatal("something else came out")
		}
	})
}

// decoded decodes a datagram. It reports whether that has the flag; one that is not changed must
// not be refused.
func decoded(t *testing.T, dest *[32]byte, datagram []byte, changed bool, flag codec.Flag) (p codec.Packet, ok bool) {
	t.Helper()
	if err := codec.NewDecoder(dest, codec.DefaultProtocol).Decode(datagram, &p); err != nil {
		if !changed {
			t.Fatal(err)
		}
		return p, false
	}
	return p, p.Flag == flag
}

// FuzzHandshake answers a challenge, changes the packet in clear, masks it and lets the other side
// examine it. flags: 1 and 2 choose what the recipient knows of the record (nothing, the record, an
// older one, a newer one), 4 leaves it out.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte("\x01\xc2\x01\x01"), []byte{}, byte(0), uint64(1))
	f.Add([]byte("\x01\xc2\x01\x01"), []byte{}, byte(5), uint64(1))
	f.Add([]byte("\x01\xc2\x01\x01"), []byte{0, 100, 1}, byte(2), uint64(2))
	f.Add([]byte{0}, []byte{0, 180, 255}, byte(3), uint64(3))
	a, b := identities()[0], identities()[1]
	newer, err := a.rec.Edit().Sign(a.key)
	if err != nil {
		f.Fatal(err)
	}
	newest, err := newer.Edit().Sign(a.key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, plaintext, changes []byte, flags byte, seed uint64) {
		if len(plaintext) == 0 || len(plaintext) > 800 {
			return
		}
		r := random(t, seed)
		var ch session.Challenge
		for _, b := range [][]byte{ch.IV[:], ch.Nonce[:], ch.IDNonce[:]} {
			r.Read(b)
		}
		known := [...]*enr.Record{nil, newer, a.rec, newest}[flags&3]
		if known != nil {
			ch.RecordSeq = known.Seq()
		}
		hands := func(i identity) *session.Handshaker {
			return &session.Handshaker{Key: i.key, Curve: curve.Default(), Records: enr.NewCache(16, 1), Protocol: codec.DefaultProtocol}
		}
		pub := b.key.PublicKey()
		in, err := hands(a).Initiate(ch.Append(nil, codec.DefaultProtocol), b.key.ID(), &pub, r)
		if err != nil {
			t.Fatal(err)
		}
		record := newer.Bytes()
		if flags&4 != 0 {
			record = nil
		}
		h, dest := session.Header{Protocol: codec.DefaultProtocol, Source: a.id()}, b.id()
		r.Read(h.IV[:])
		in.Keys.NextNonce(&h.Nonce, r)
		datagram := h.AppendHandshake(nil, &dest, &in, record, plaintext)
		changed := tampered(datagram, len(plaintext), dest, changes)
		p, ok := decoded(t, &dest, datagram, changed, codec.FlagHandshake)
		if !ok {
			return
		}
		got, err := hands(b).Accept(&ch, &p, known)
		good := !changed && (record != nil || known != nil)
		if (err == nil) != good {
			t.Fatalf("changed %v, record %v, known %v: %v", changed, record != nil, known != nil, err)
		}
		if err != nil {
			return
		}
		want := newer
		if record == nil || known == newest {
			want = known
		}
		if !bytes.Equal(got.Plaintext, plaintext) || got.Record.ID() != a.key.ID() || got.Record.Seq() != want.Seq() {
			t.Fatalf("plaintext %x, record %d, want %d", got.Plaintext, got.Record.Seq(), want.Seq())
		}
		// The keys fit those of the initiator in both directions.
		answer := got.Keys.Seal(nil, &h.Nonce, []byte("answer"), nil)
		if text, err := in.Keys.Open(&h.Nonce, answer, nil); err != nil || string(text) != "answer" {
			t.Fatal("the keys do not fit")
		}
	})
}
