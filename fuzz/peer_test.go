package fuzz

import (
	"bytes"
	"net/netip"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/session"
)

// peer is a node that does what the script says.
type peer struct {
	identity
	w      *world
	at     netip.AddrPort // where it is; its record says addr
	random *aead.Random

	challenge *codec.Packet     // WHOAREYOU that it got last
	opening   *codec.Packet     // message that it could not open last: it may challenge that
	openingAt netip.AddrPort    // where that came to
	mine      session.Challenge // its own WHOAREYOU, sent last
	shaken    *codec.Packet     // handshake that it got last
	keys      *session.Keys
	request   []byte // message that it opened last
}

// receive notes what a datagram is good for.
func (p *peer) receive(b []byte) {
	self := p.id()
	packet := new(codec.Packet)
	if codec.NewDecoder(&self, codec.DefaultProtocol).Decode(b, packet) != nil {
		return // for another node ID at this address
	}
	switch packet.Flag {
	case codec.FlagWhoareyou:
		p.challenge = packet
	case codec.FlagHandshake:
		p.shaken = packet
	case codec.FlagMessage:
		if p.keys != nil {
			if m, err := p.keys.Open(&packet.Nonce, bytes.Clone(packet.Message), packet.AD); err == nil {
				p.request = m
				return
			}
		}
		p.opening, p.openingAt = packet, p.at
	}
}

// handshaker does arithmetic without a cache: records are verified each time.
func (p *peer) handshaker() *session.Handshaker {
	return &session.Handshaker{Key: p.key, Curve: curve.Default(), Records: enr.NewCache(4, 1), Protocol: codec.DefaultProtocol}
}

// header returns a header of a packet from source with random IV and nonce.
func (p *peer) header(source [32]byte) *session.Header {
	h := &session.Header{Protocol: codec.DefaultProtocol, Source: source}
	h.Randomize(p.random)
	return h
}

// unknown is a message from any ID that nobody can open.
func (p *peer) unknown(source [32]byte, content []byte) []byte {
	return p.header(source).AppendUnopenable(nil, &p.w.self, content)
}

// message is one within the session. Without one it cannot be opened.
func (p *peer) message(plaintext []byte) []byte {
	source := p.id()
	if len(plaintext) > codec.MaxMessageSize {
		plaintext = plaintext[:codec.MaxMessageSize]
	}
	h := p.header(source)
	if p.keys == nil || !p.keys.NextNonce(&h.Nonce, p.random) {
		return p.unknown(source, append(plaintext, make([]byte, codec.TagSize)...))
	}
	return h.AppendMessage(nil, &p.w.self, p.keys, plaintext)
}

// answer makes the handshake for the last challenge, honest or not. how: 1 leaves the record out, 2
// shows that of another node, 4 spoils the signature, 8 the ephemeral key, 16 signs with the key of
// another node.
func (p *peer) answer(plaintext []byte, how byte) []byte {
	if p.challenge == nil {
		return nil
	}
	other := p.w.peers[1]
	signer := p
	if how&16 != 0 {
		signer = other
	}
	me := p.w.peers[0]
	pub := me.key.PublicKey()
	in, err := signer.handshaker().Initiate(p.challenge.AD, me.key.ID(), &pub, p.random)
	if err != nil {
		p.w.t.Fatal(err)
	}
	record := p.rec.Bytes()
	switch {
	case how&1 != 0:
		record = nil
	case how&2 != 0:
		record = other.rec.Bytes()
	}
	if how&4 != 0 {
		in.Signature[p.w.s.choose(64)] ^= 1
	}
	if how&8 != 0 {
		in.Ephemeral[p.w.s.choose(33)] ^= 1
	}
	h := p.header(p.id())
	in.Keys.NextNonce(&h.Nonce, p.random)
	plaintext = plaintext[:min(len(plaintext), codec.MaxPacketSize-session.HandshakeSize(len(record), 0))]
	b := h.AppendHandshake(nil, &p.w.self, &in, record, plaintext)
	signed := how&(4|8) == 0 && signer == p
	shown := bytes.Equal(record, p.rec.Bytes()) || record == nil && p.challenge.RecordSeq > 0
	if signed && shown {
		p.keys = in.Keys
		p.w.proved[pair{p.at, p.key.ID()}] = true
		p.w.shaken++
	}
	return b
}

// challengeNode answers the last message that did not open with WHOAREYOU.
func (p *peer) challengeNode(seq uint64) []byte {
	if p.opening == nil {
		return nil
	}
	p.mine = session.Challenge{Nonce: p.opening.Nonce, RecordSeq: seq}
	p.random.Read(p.mine.IV[:])
	p.random.Read(p.mine.IDNonce[:])
	return p.mine.AppendPacket(nil, codec.DefaultProtocol, &p.w.self)
}

// accept examines the last handshake that came. From then on the peer has its keys.
func (p *peer) accept() bool {
	if p.shaken == nil {
		return false
	}
	shaken := *p.shaken
	shaken.Message = bytes.Clone(shaken.Message)
	a, err := p.handshaker().Accept(&p.mine, &shaken, p.w.e.Record())
	if err != nil {
		return false
	}
	p.keys, p.request, p.shaken = a.Keys, a.Plaintext, nil
	p.w.proved[pair{p.at, p.key.ID()}] = true
	return true
}
