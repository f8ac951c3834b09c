package session

import (
	"bytes"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// countingCurve counts the expensive operations.
type countingCurve struct {
	curve.Curve
	verified atomic.Int32
}

func (c *countingCurve) Verify(pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	c.verified.Add(1)
	return c.Curve.Verify(pub, digest, sig)
}

func (c *countingCurve) VerifyPoint(xy *[64]byte, digest *[32]byte, sig *[64]byte) bool {
	c.verified.Add(1)
	return c.Curve.VerifyPoint(xy, digest, sig)
}

// node is one end of a handshake.
type node struct {
	Handshaker
	curve  *countingCurve
	record *enr.Record
	random *aead.Random
}

func newNode(t testing.TB, n byte) *node {
	t.Helper()
	key, err := enr.GenerateKey(seeded(n))
	if err != nil {
		t.Fatal(err)
	}
	c := &countingCurve{Curve: curve.Default()}
	return &node{
		Handshaker: Handshaker{Key: key, Curve: c, Records: enr.NewCache(64, 1), Protocol: codec.DefaultProtocol},
		curve:      c, record: signed(t, key, 5, 9000), random: testRandom(t, n),
	}
}

func signed(t testing.TB, key *enr.PrivateKey, seq uint64, port uint16) *enr.Record {
	t.Helper()
	r, err := enr.NewBuilder().SetSeq(seq).SetIP(netip.MustParseAddr("127.0.0.1")).SetUDP(port).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (n *node) id() *[32]byte { id := [32]byte(n.Key.ID()); return &id }

// handshake is a handshake packet before encoding. Tests change its parts.
type handshake struct {
	source    [32]byte
	signature [codec.SignatureSize]byte
	ephemeral [codec.EphemeralKeySize]byte
	record    []byte
	keys      *Keys
}

// answer returns the answer of n to a challenge of peer.
func (n *node) answer(t testing.TB, ch *Challenge, peer *node, record []byte) *handshake {
	t.Helper()
	in, err := n.Initiate(ch.Append(nil, n.Protocol), peer.Key.ID(), ptr(peer.Key.PublicKey()), n.random)
	if err != nil {
		t.Fatal(err)
	}
	return &handshake{*n.id(), in.Signature, in.Ephemeral, record, in.Keys}
}

func ptr[T any](v T) *T { return &v }

// encode returns the datagram to dest, with message text.
func (hs *handshake) encode(t testing.TB, r *aead.Random, text string, dest *[32]byte) []byte {
	t.Helper()
	h := Header{Protocol: codec.DefaultProtocol, Source: hs.source}
	r.Block(&h.IV)
	if !hs.keys.NextNonce(&h.Nonce, r) {
		t.Fatal("keys are used up")
	}
	in := Initiation{hs.keys, hs.signature, hs.ephemeral}
	return h.AppendHandshake(nil, dest, &in, hs.record, []byte(text))
}

func (n *node) decode(t testing.TB, datagram []byte) *codec.Packet {
	t.Helper()
	p := new(codec.Packet)
	if err := codec.NewDecoder(n.id(), n.Protocol).Decode(bytes.Clone(datagram), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// newChallenge returns a challenge like those of Map.
func newChallenge(r *aead.Random, recordSeq uint64) *Challenge {
	ch := &Challenge{RecordSeq: recordSeq}
	r.Read(ch.IV[:])
	r.Read(ch.Nonce[:])
	r.Read(ch.IDNonce[:])
	return ch
}

// TestHandshake: a handshake gives both sides matching keys, and the recipient the message and the
// record.
func TestHandshake(t *testing.T) {
	a, b := newNode(t, 1), newNode(t, 2)
	newer, older := signed(t, a.Key, 6, 9001), signed(t, a.Key, 4, 9002)
	sameSeq := signed(t, a.Key, 5, 9003)
	for _, tt := range []struct {
		name         string
		sent         *enr.Record
		known, want  *enr.Record
		verifyRecord bool
	}{
		{"record sent, none known", a.record, nil, a.record, true},
		{"none sent, record known", nil, a.record, a.record, false},
		{"newer sent", newer, a.record, newer, true},
		{"older sent", older, a.record, a.record, false},
		{"the known one sent", a.record, a.record, a.record, false},
		{"another of the same seq sent", sameSeq, a.record, a.record, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newNode(t, 2)
			ch := newChallenge(b.random, 0)
			var record []byte
			if tt.sent != nil {
				record = tt.sent.Bytes()
			}
			hs := a.answer(t, ch, b, record)
			p := b.decode(t, hs.encode(t, a.random, "hello", b.id()))
			got, err := b.Accept(ch, p, tt.known)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Plaintext) != "hello" || !got.Record.Equal(tt.want.View()) || got.Keys.RecordSeq() != tt.want.Seq() {
				t.Errorf("message %q, record seq %d", got.Plaintext, got.Record.Seq())
			}
			if tt.known == tt.want && got.Record != tt.known {
				t.Error("the known record has been copied")
			}
			if n := b.Records.Stats().Verified; (n == 1) != tt.verifyRecord {
				t.Errorf("%d records verified", n)
			}
			if !seal(t, got.Keys, b.random, "back").opens(hs.keys) || !seal(t, hs.keys, a.random, "forth").opens(got.Keys) {
				t.Error("the keys do not fit")
			}
			for i := range p.Record {
				p.Record[i] = 0 // the buffer is reused
			}
			if err := got.Record.View().Verify(); err != nil {
				t.Errorf("the record has gone with the packet: %v", err)
			}
		})
	}
	ch := newChallenge(b.random, 0)
	if x, y := a.answer(t, ch, b, nil), a.answer(t, ch, b, nil); x.ephemeral == y.ephemeral {
		t.Error("the same ephemeral key twice")
	}
}

// offCurve returns a compressed key whose x belongs to no point.
func offCurve(t *testing.T) (pub [33]byte) {
	pub[0] = 2
	for pub[32] = 1; pub[32] < 100; pub[32]++ {
		if _, err := curve.Default().Decompress(&pub); err != nil {
			return pub
		}
	}
	t.Fatal("all on the curve")
	return pub
}

// negateS returns the other signature over the same digest: s becomes n-s.
func negateS(sig [64]byte) [64]byte {
	order := fromHex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	borrow := 0
	for i := 31; i >= 0; i-- {
		d := int(order[i]) - int(sig[32+i]) - borrow
		borrow = 0
		if d < 0 {
			d, borrow = d+256, 1
		}
		sig[32+i] = byte(d)
	}
	return sig
}

// badHandshake is a handshake that the recipient must refuse.
type badHandshake struct {
	name     string
	known    *enr.Record
	change   func(hs *handshake, ch *Challenge, b *node)
	want     error
	verified int32 // verified ID signatures
	records  uint64
}

// badHandshakes returns changes of a's handshake. mallory is another node.
func badHandshakes(t *testing.T, a, mallory *node) []badHandshake {
	resign := func(hs *handshake, ch *Challenge, key *enr.PrivateKey, recipient *[32]byte) {
		digest := aead.IDSignatureDigest(ch.Append(nil, codec.DefaultProtocol), &hs.ephemeral, recipient)
		sig, err := key.Sign(&digest)
		if err != nil {
			t.Fatal(err)
		}
		hs.signature = sig
	}
	badRecord := bytes.Clone(a.record.Bytes())
	badRecord[10] ^= 1 // in its signature
	noScheme := bytes.Replace(bytes.Clone(a.record.Bytes()), []byte("\x82id\x82v4"), []byte("\x82id\x82v5"), 1)
	return []badHandshake{
		{"no record, none known", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.record = nil }, ErrNoRecord, 0, 0},
		{"S2: record of another node, its key signs", nil, func(hs *handshake, ch *Challenge, b *node) {
			hs.record = mallory.record.Bytes()
			resign(hs, ch, mallory.Key, b.id())
		}, ErrRecordOwner, 0, 0},
		{"S2: newer record of another node than the known one", a.record, func(hs *handshake, ch *Challenge, b *node) {
			hs.record = signed(t, mallory.Key, 99, 1).Bytes()
			resign(hs, ch, mallory.Key, b.id())
		}, ErrRecordOwner, 0, 0},
		{"S2: older record of another node, its key signs", a.record, func(hs *handshake, ch *Challenge, b *node) {
			hs.record = signed(t, mallory.Key, 1, 1).Bytes()
			resign(hs, ch, mallory.Key, b.id())
		}, ErrIDSignature, 1, 0},
		{"S2: record of the victim, another key signs", nil, func(hs *handshake, ch *Challenge, b *node) {
			resign(hs, ch, mallory.Key, b.id())
		}, ErrIDSignature, 1, 0},
		{"S2: source ID of another node", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.source = *mallory.id() }, ErrRecordOwner, 0, 0},
		{"S3: signature of zeros", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.signature = [64]byte{} }, ErrIDSignature, 1, 0},
		{"S3: one bit of the signature", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.signature[40] ^= 4 }, ErrIDSignature, 1, 0},
		{"S3: signature with high s", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.signature = negateS(hs.signature) }, ErrIDSignature, 1, 0},
		{"S3: signature for another recipient", nil, func(hs *handshake, ch *Challenge, _ *node) { resign(hs, ch, a.Key, mallory.id()) }, ErrIDSignature, 1, 0},
		{"S3: signature for another challenge", nil, func(hs *handshake, ch *Challenge, b *node) {
			other := *ch
			other.IDNonce[0] ^= 1
			resign(hs, &other, a.Key, b.id())
		}, ErrIDSignature, 1, 0},
		{"S3: signature for another ephemeral key", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.ephemeral = mallory.Key.PublicKey() }, ErrMessage, 0, 0},
		{"S3: ephemeral key not on the curve", nil, func(hs *handshake, ch *Challenge, b *node) {
			hs.ephemeral = offCurve(t)
			resign(hs, ch, a.Key, b.id())
		}, ErrEphemeral, 0, 0},
		{"S3: ephemeral key of zeros", nil, func(hs *handshake, ch *Challenge, b *node) {
			hs.ephemeral = [33]byte{}
			resign(hs, ch, a.Key, b.id())
		}, ErrEphemeral, 0, 0},
		{"S3: ephemeral key with prefix of an uncompressed one", nil, func(hs *handshake, ch *Challenge, b *node) {
			hs.ephemeral[0] = 4
			resign(hs, ch, a.Key, b.id())
		}, ErrEphemeral, 0, 0},
		{"S3: message with other keys", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.keys, _ = pair(1) }, ErrMessage, 0, 0},
		{"S3: ephemeral key of another", nil, func(hs *handshake, ch *Challenge, b *node) {
			hs.ephemeral = mallory.Key.PublicKey()
			resign(hs, ch, a.Key, b.id())
		}, ErrMessage, 0, 0},
		{"record cut", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.record = hs.record[:len(hs.record)-1] }, ErrRecord, 0, 0},
		{"record with a byte behind it", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.record = append(bytes.Clone(hs.record), 0) }, ErrRecord, 0, 0},
		{"record of garbage", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.record = []byte("garbage") }, ErrRecord, 0, 0},
		{"record of garbage, one known", a.record, func(hs *handshake, _ *Challenge, _ *node) { hs.record = []byte("garbage") }, ErrRecord, 0, 0},
		{"record of an unknown scheme", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.record = noScheme }, ErrRecord, 0, 0},
		{"record with a bad signature", nil, func(hs *handshake, _ *Challenge, _ *node) { hs.record = badRecord }, ErrRecord, 1, 1},
	}
}

// TestS02S03BadHandshakes: each bad handshake fails with its own error, before any state changes,
// and for no more work than it takes to detect it. The honest handshake then still completes.
func TestS02S03BadHandshakes(t *testing.T) {
	a, mallory := newNode(t, 1), newNode(t, 3)
	for _, tt := range badHandshakes(t, a, mallory) {
		t.Run(tt.name, func(t *testing.T) {
			b := newNode(t, 2)
			m := NewMap(Config{Seed: 1})
			key := testKey(1)
			h := m.Hash(&key)
			var ch, again Challenge
			challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &ch)
			honest := a.answer(t, &ch, b, a.record.Bytes())

			bad := *honest
			tt.change(&bad, &ch, b)
			p := b.decode(t, bad.encode(t, a.random, "bad", b.id()))
			if !attempt(m, 0, &key, h, &again) || again != ch {
				t.Fatal("no challenge")
			}
			got, err := b.Accept(&again, p, tt.known)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if got.Keys != nil && got.Record != nil {
				t.Error("keys and record for a bad handshake")
			}
			if n := b.curve.verified.Load(); n != tt.verified {
				t.Errorf("%d ID signatures verified, want %d", n, tt.verified)
			}
			if st := b.Records.Stats(); st.Verified != 0 || st.Failed != tt.records {
				t.Errorf("records verified: %+v", st)
			}
			if !challenged(m, 0, &key, h) {
				t.Fatal("the challenge is gone")
			}
			attempt(m, 0, &key, h, &again)
			got, err = b.Accept(&again, b.decode(t, honest.encode(t, a.random, "good", b.id())), nil)
			if err != nil || !m.Establish(0, &key, h, &again, got.Keys) {
				t.Fatalf("the honest handshake: %v", err)
			}
			if k, ok := m.Sender(&key, h); !ok || !seal(t, k, b.random, "x").opens(honest.keys) {
				t.Error("no session")
			}
		})
	}
}

// TestS03Mutations: a truncated handshake, or one with a flipped bit, is never accepted.
func TestS03Mutations(t *testing.T) {
	a, b := newNode(t, 1), newNode(t, 2)
	ch := newChallenge(b.random, 0)
	good := a.answer(t, ch, b, a.record.Bytes()).encode(t, a.random, "hello", b.id())
	refused := func(what string, at int, datagram []byte) {
		var p codec.Packet
		if codec.NewDecoder(b.id(), b.Protocol).Decode(datagram, &p) != nil || p.Flag != codec.FlagHandshake {
			return
		}
		if _, err := b.Accept(ch, &p, nil); err == nil {
			t.Errorf("%s %d: accepted", what, at)
		}
	}
	for n := 0; n < len(good); n += 1 + n/40 {
		refused("cut to", n, bytes.Clone(good[:n]))
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		refused("changed byte", i, bad)
	}
	if _, err := b.Accept(ch, b.decode(t, good), nil); err != nil {
		t.Error(err)
	}
}

// TestS14Replay: a replayed handshake makes no second session, neither for the same challenge, nor
// for a later one, nor with another node.
func TestS14Replay(t *testing.T) {
	a, b, c := newNode(t, 1), newNode(t, 2), newNode(t, 3)
	m := NewMap(Config{Seed: 1})
	key := testKey(1)
	h := m.Hash(&key)
	var ch Challenge
	challenge(m, 0, &key, h, &codec.Nonce{1}, 0, &ch)
	recorded := a.answer(t, &ch, b, a.record.Bytes()).encode(t, a.random, "hello", b.id())
	got, err := b.Accept(&ch, b.decode(t, recorded), nil)
	if err != nil || !m.Establish(0, &key, h, &ch, got.Keys) {
		t.Fatal(err)
	}
	if challenged(m, 0, &key, h) {
		t.Error("the challenge lives on: arithmetic would be done for the replay")
	}
	again, err := b.Accept(&ch, b.decode(t, recorded), nil) // both were examined at the same time
	if err != nil || m.Establish(0, &key, h, &ch, again.Keys) {
		t.Errorf("replay established, %v", err)
	}
	var later Challenge
	challenge(m, second, &key, h, &codec.Nonce{1}, 0, &later)
	if _, err := b.Accept(&later, b.decode(t, recorded), nil); !errors.Is(err, ErrMessage) {
		t.Errorf("replay for a later challenge: %v", err)
	}
	if f, _ := m.Lookup(&key, h); f.Current != got.Keys {
		t.Error("the session has other keys")
	}
	if _, err := c.Accept(&ch, b.decode(t, recorded), nil); !errors.Is(err, ErrMessage) {
		t.Errorf("replay at another node: %v", err)
	}
}

// failing is a source that returns no randomness.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestInitiateErrors(t *testing.T) {
	a, b := newNode(t, 1), newNode(t, 2)
	data := newChallenge(b.random, 0).Append(nil, codec.DefaultProtocol)
	pub := b.Key.PublicKey()
	if _, err := a.Initiate(data, b.Key.ID(), ptr(offCurve(t)), a.random); !errors.Is(err, curve.ErrPublicKey) {
		t.Errorf("public key not on the curve: %v", err)
	}
	broken := errors.New("broken")
	if _, err := a.Initiate(data, b.Key.ID(), &pub, failing{broken}); !errors.Is(err, broken) {
		t.Errorf("no randomness: %v", err)
	}
	if _, err := a.Initiate(data, b.Key.ID(), &pub, bytes.NewReader(make([]byte, 1000))); !errors.Is(err, curve.ErrPrivateKey) {
		t.Errorf("randomness of zeros: %v", err)
	}
	once := append(make([]byte, 32), bytes.Repeat([]byte{7}, 32)...)
	if _, err := a.Initiate(data, b.Key.ID(), &pub, bytes.NewReader(once)); err != nil {
		t.Errorf("one string that is no key: %v", err)
	}
}

// strangeCurve inverts its results, so a handshake that uses another curve for one step fails.
type strangeCurve struct{ curve.Curve }

func (c strangeCurve) ECDH(priv *[32]byte, pub *[33]byte) (s [33]byte, err error) {
	s, err = c.Curve.ECDH(priv, pub)
	s[32] ^= 1
	return s, err
}

func (c strangeCurve) Sign(priv, digest *[32]byte) (sig [64]byte, err error) {
	other := *digest
	other[0] ^= 1
	return c.Curve.Sign(priv, &other)
}

func (c strangeCurve) Verify(pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	other := *digest
	other[0] ^= 1
	return c.Curve.Verify(pub, &other, sig)
}

func (c strangeCurve) VerifyPoint(xy *[64]byte, digest *[32]byte, sig *[64]byte) bool {
	other := *digest
	other[0] ^= 1
	return c.Curve.VerifyPoint(xy, &other, sig)
}

// TestHandshakerCurve: both sides use Handshaker.Curve for all arithmetic.
func TestHandshakerCurve(t *testing.T) {
	for _, c := range []struct {
		name   string
		a, b   bool
		agrees bool
	}{{"both", true, true, true}, {"initiator", true, false, false}, {"recipient", false, true, false}} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newNode(t, 1), newNode(t, 2)
			if c.a {
				a.Curve = strangeCurve{a.Curve}
			}
			if c.b {
				b.Curve = strangeCurve{b.Curve}
			}
			r := testRandom(t, 3)
			ch := newChallenge(r, 0)
			hs := a.answer(t, ch, b, a.record.Bytes())
			p := b.decode(t, hs.encode(t, r, "hello", b.id()))
			if _, err := b.Accept(ch, p, nil); (err == nil) != c.agrees {
				t.Errorf("accept: %v", err)
			}
		})
	}
}
