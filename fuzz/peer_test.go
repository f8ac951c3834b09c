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

func (p *peer) ivAndNonce() (iv [codec.IVSize]byte, nonce codec.Nonce) {
	p.random.Read(iv[:])
	p.random.Read(nonce[:])
	return iv, nonce
}

// unknown is a message from any ID that nobody can open.
func (p *peer) unknown(source [32]byte, content []byte) []byte {
	iv, nonce := p.ivAndNonce()
	b := codec.AppendMessageHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source)
	head := len(b)
	return masked(append(b, content...), head, p.w.self)
}

// message is one within the session. Without one it cannot be opened.
func (p *peer) message(plaintext []byte) []byte {
	source := p.id()
	if len(plaintext) > codec.MaxMessageSize {
		plaintext = plaintext[:codec.MaxMessageSize]
	}
	iv, nonce := p.ivAndNonce()
	if p.keys == nil || !p.keys.NextNonce(&nonce, p.random) {
		return p.unknown(source, append(plaintext, make([]byte, codec.TagSize)...))
	}
	head := codec.AppendMessageHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source)
	return masked(p.keys.Seal(bytes.Clone(head), &nonce, plaintext, head), len(head), p.w.self)
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
	iv, nonce := p.ivAndNonce()
	in.Keys.NextNonce(&nonce, p.random)
	source := p.id()
	head := codec.AppendHandshakeHeader(nil, codec.DefaultProtocol, &iv, &nonce, &source, &in.Signature, &in.Ephemeral, record)
	plaintext = plaintext[:min(len(plaintext), codec.MaxPacketSize-len(head)-codec.TagSize)]
	b := in.Keys.Seal(bytes.Clone(head), &nonce, plaintext, head)
	signed := how&(4|8) == 0 && signer == p
	shown := bytes.Equal(record, p.rec.Bytes()) || record == nil && p.challenge.RecordSeq > 0
	if signed && shown {
		p.keys = in.Keys
		p.w.proved[pair{p.at, p.key.ID()}] = true
		p.w.shaken++
	}
	return masked(b, len(head), p.w.self)
}

// challengeNode answers the last message that did not open with WHOAREYOU.
func (p *peer) challengeNode(seq uint64) []byte {
	if p.opening == nil {
		return nil
	}
	p.mine = session.Challenge{Nonce: p.opening.Nonce, RecordSeq: seq}
	p.random.Read(p.mine.IV[:])
	p.random.Read(p.mine.IDNonce[:])
	b := p.mine.Append(nil, codec.DefaultProtocol)
	return masked(b, len(b), p.w.self)
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
