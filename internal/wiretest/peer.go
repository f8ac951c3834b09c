package wiretest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/session"
)

// Peer is a node that does what a test says, packet by packet, and not what the protocol demands.
// It makes packets and reads them, and leaves it to the test to carry them. All of it follows from
// the seed.
type Peer struct {
	Key    *enr.PrivateKey
	Record *enr.Record
	Addr   netip.AddrPort // that the record names
	Random *aead.Random
	Keys   *session.Keys // of its session; nil without one

	t testing.TB
}

// Reader returns a source of random bytes that gives the same ones for the same seed.
func Reader(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	binary.LittleEndian.PutUint64(s[:], seed)
	return rand.NewChaCha8(s)
}

// NewPeer returns a peer with a key of its own, whose record names addr, or no address if addr is
// the zero value.
func NewPeer(t testing.TB, seed uint64, addr netip.AddrPort) *Peer {
	t.Helper()
	r := Reader(seed)
	key, err := enr.GenerateKey(r)
	if err != nil {
		t.Fatal(err)
	}
	b := enr.NewBuilder()
	if addr.IsValid() {
		b.SetIP(addr.Addr()).SetUDP(addr.Port()) // which stands for both families
	}
	rec, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return PeerOf(t, key, rec, r)
}

// PeerOf returns a peer with a given identity. random seeds its generator.
func PeerOf(t testing.TB, key *enr.PrivateKey, rec *enr.Record, random *rand.ChaCha8) *Peer {
	t.Helper()
	r, err := aead.NewRandom(random)
	if err != nil {
		t.Fatal(err)
	}
	addr, ok := rec.UDPEndpoint4()
	if !ok {
		addr, _ = rec.UDPEndpoint6()
	}
	return &Peer{Key: key, Record: rec, Addr: addr, Random: r, t: t}
}

// ID returns the peer's node ID.
func (p *Peer) ID() [32]byte { return p.Key.ID() }

// Remote is the node that a peer talks to.
type Remote struct {
	ID        [32]byte
	PublicKey [33]byte
}

// RemoteOf returns the node that has signed a record.
func RemoteOf(r *enr.Record) Remote {
	pub, _ := r.PublicKey() // a record of scheme v4 has one
	return Remote{r.ID(), pub}
}

// Header returns a header of a packet from source with random IV and nonce.
func (p *Peer) Header(source [32]byte) *session.Header {
	h := &session.Header{Protocol: codec.DefaultProtocol, Source: source}
	h.Randomize(p.Random)
	return h
}

// Unopenable returns a message packet from source that nobody can open. ciphertext is its content;
// nil stands for 40 random bytes.
func (p *Peer) Unopenable(source [32]byte, to Remote, ciphertext []byte) []byte {
	if ciphertext == nil {
		ciphertext = make([]byte, 40)
		p.Random.Read(ciphertext)
	}
	return p.Header(source).AppendUnopenable(nil, &to.ID, ciphertext)
}

// Message returns a message packet within the session.
func (p *Peer) Message(to Remote, plaintext []byte) []byte {
	return p.MessageFrom(p.ID(), to, p.Keys, plaintext)
}

// MessageFrom returns a message packet from source, sealed with the given keys.
func (p *Peer) MessageFrom(source [32]byte, to Remote, keys *session.Keys, plaintext []byte) []byte {
	h := p.Header(source)
	if !keys.NextNonce(&h.Nonce, p.Random) {
		p.t.Fatal("wiretest: the keys are used up")
	}
	return h.AppendMessage(nil, &to.ID, keys, plaintext)
}

// Handshaker returns what makes and examines the peer's handshakes. It has no cache: each record is
// verified.
func (p *Peer) Handshaker() *session.Handshaker {
	return &session.Handshaker{Key: p.Key, Curve: curve.Default(), Records: enr.NewCache(4, 1), Protocol: codec.DefaultProtocol}
}

// Handshake is a handshake packet before it is encoded. Tests change its parts.
type Handshake struct {
	session.Initiation
	Source    [32]byte
	Record    []byte
	Plaintext []byte
}

// Answer returns the handshake that answers a WHOAREYOU packet.
func (p *Peer) Answer(challenge *codec.Packet, to Remote, plaintext []byte) Handshake {
	in, err := p.Handshaker().Initiate(challenge.AD, to.ID, &to.PublicKey, p.Random)
	if err != nil {
		p.t.Fatalf("wiretest: handshake: %v", err)
	}
	return Handshake{in, p.ID(), p.Record.Bytes(), plaintext}
}

// Encode returns the packet of a handshake.
func (p *Peer) Encode(h Handshake, to Remote) []byte {
	header := p.Header(h.Source)
	h.Keys.NextNonce(&header.Nonce, p.Random)
	return header.AppendHandshake(nil, &to.ID, &h.Initiation, h.Record, h.Plaintext)
}

// Challenge returns a WHOAREYOU packet for a packet of the other node, and the challenge that it
// carries, for Accept. recordSeq is the sequence number of the record that the peer says it knows.
func (p *Peer) Challenge(packet *codec.Packet, to Remote, recordSeq uint64) (session.Challenge, []byte) {
	ch := session.Challenge{Nonce: packet.Nonce, RecordSeq: recordSeq}
	p.Random.Read(ch.IV[:])
	p.Random.Read(ch.IDNonce[:])
	return ch, ch.AppendPacket(nil, codec.DefaultProtocol, &to.ID)
}

// Accept examines a handshake packet that answers a challenge. The peer has its keys then. known is
// the sender's record if the peer knows it.
func (p *Peer) Accept(ch *session.Challenge, packet *codec.Packet, known *enr.Record) (session.Accepted, error) {
	shaken := *packet
	shaken.Message = bytes.Clone(packet.Message)
	a, err := p.Handshaker().Accept(ch, &shaken, known)
	if err == nil {
		p.Keys = a.Keys
	}
	return a, err
}

// Decode decodes a datagram to the peer, which stays as it is.
func (p *Peer) Decode(datagram []byte) (*codec.Packet, error) {
	packet, self := new(codec.Packet), p.ID()
	return packet, codec.NewDecoder(&self, codec.DefaultProtocol).Decode(bytes.Clone(datagram), packet)
}

// Open opens a message packet of the session, which stays as it is.
func (p *Peer) Open(packet *codec.Packet) ([]byte, error) {
	return p.Keys.Open(&packet.Nonce, bytes.Clone(packet.Message), packet.AD)
}

// Ping returns a PING message with request ID 1, 2, 3.
func Ping(recordSeq uint64) []byte {
	id, _ := codec.NewRequestID([]byte{1, 2, 3}) // not too long
	return (&codec.Ping{RequestID: id, RecordSeq: recordSeq}).Append(nil)
}
