package fuzz

import (
	"bytes"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// peer is a node that does what the script says.
type peer struct {
	*wiretest.Peer
	w  *world
	at netip.AddrPort // where it is; its record says Addr

	challenge *codec.Packet     // WHOAREYOU that it got last
	opening   *codec.Packet     // message that it could not open last: it may challenge that
	openingAt netip.AddrPort    // where that came to
	mine      session.Challenge // its own WHOAREYOU, sent last
	shaken    *codec.Packet     // handshake that it got last
	request   []byte            // message that it opened last
}

// receive notes what a datagram is good for.
func (p *peer) receive(b []byte) {
	packet, err := p.Decode(b)
	if err != nil {
		return // for another node ID at this address
	}
	switch packet.Flag {
	case codec.FlagWhoareyou:
		p.challenge = packet
	case codec.FlagHandshake:
		p.shaken = packet
	case codec.FlagMessage:
		if p.Keys != nil {
			if m, err := p.Open(packet); err == nil {
				p.request = m
				return
			}
		}
		p.opening, p.openingAt = packet, p.at
	}
}

// unknown is a message from any ID that nobody can open.
func (p *peer) unknown(source [32]byte, content []byte) []byte {
	return p.Unopenable(source, p.w.remote, content)
}

// message is one within the session. Without one it cannot be opened.
func (p *peer) message(plaintext []byte) []byte {
	plaintext = plaintext[:min(len(plaintext), codec.MaxMessageSize)]
	if p.Keys == nil {
		return p.unknown(p.ID(), append(plaintext, make([]byte, codec.TagSize)...))
	}
	return p.Message(p.w.remote, plaintext)
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
	h := signer.Answer(p.challenge, p.w.remote, nil)
	h.Source, h.Record = p.ID(), p.Record.Bytes()
	switch {
	case how&1 != 0:
		h.Record = nil
	case how&2 != 0:
		h.Record = other.Record.Bytes()
	}
	if how&4 != 0 {
		h.Signature[p.w.s.choose(64)] ^= 1
	}
	if how&8 != 0 {
		h.Ephemeral[p.w.s.choose(33)] ^= 1
	}
	h.Plaintext = plaintext[:min(len(plaintext), codec.MaxPacketSize-session.HandshakeSize(len(h.Record), 0))]
	b := p.Encode(h, p.w.remote)
	signed := how&(4|8) == 0 && signer == p
	shown := bytes.Equal(h.Record, p.Record.Bytes()) || h.Record == nil && p.challenge.RecordSeq > 0
	if signed && shown {
		p.Keys = h.Keys
		p.w.proved[pair{p.at, p.ID()}] = true
		p.w.shaken++
	}
	return b
}

// challengeNode answers the last message that did not open with WHOAREYOU.
func (p *peer) challengeNode(seq uint64) (b []byte) {
	if p.opening == nil {
		return nil
	}
	p.mine, b = p.Challenge(p.opening, p.w.remote, seq)
	return b
}

// accept examines the last handshake that came. From then on the peer has its keys.
func (p *peer) accept() bool {
	if p.shaken == nil {
		return false
	}
	a, err := p.Accept(&p.mine, p.shaken, p.w.e.Record())
	if err != nil {
		return false
	}
	p.request, p.shaken = a.Plaintext, nil
	p.w.proved[pair{p.at, p.ID()}] = true
	return true
}
