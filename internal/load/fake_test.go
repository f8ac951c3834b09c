package load

import (
	"crypto/rand"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/session"
)

// fake is a target written by hand, which a test can make behave as badly as it likes. One
// goroutine does all.
type fake struct {
	t        *testing.T
	conn     *net.UDPConn
	key      *enr.PrivateKey
	self     [32]byte
	decoder  *codec.Decoder
	sessions map[[32]byte]*fakeSession
	// answer is what a message is answered with; nil is silence.
	answer func(r *fakeRequest)
	// seen, if not nil, is called with every packet.
	seen func(p *codec.Packet)
	// loses, if not nil, tells which packets are lost on their way.
	loses func(p *codec.Packet) bool
	// late, if not nil, is given each challenge, and sends it when it likes.
	late func(challenge func())
	// forms counts handshakes by what is wrong with them.
	good, badProof, badRecord atomic.Int64
	// acceptAll takes bad handshakes too.
	acceptAll bool
	requests  atomic.Int64
}

type fakeSession struct {
	challenge *session.Challenge
	keys      *session.Keys
	wrong     *session.Keys // that write with the key that the fake reads with
}

// fakeRequest is a message to a fake.
type fakeRequest struct {
	*fake
	from netip.AddrPort
	id   [32]byte
	kind codec.MessageType
	req  codec.RequestID
	n    int64 // how many there were before
}

func newFake(t *testing.T, addr string, answer func(*fakeRequest)) (*fake, Target) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadBuffer(4 << 20)
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, conn: conn, key: key, self: [32]byte(key.ID()), sessions: map[[32]byte]*fakeSession{}, answer: answer}
	f.decoder = codec.NewDecoder(&f.self, codec.DefaultProtocol)
	return f, Target{ID: key.ID(), PublicKey: key.PublicKey(), Addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// serve starts the goroutine.
func (f *fake) serve() {
	done := make(chan struct{})
	f.t.Cleanup(func() { f.conn.Close(); <-done })
	go func() {
		defer close(done)
		var p codec.Packet
		b := make([]byte, codec.MaxPacketSize)
		for {
			n, from, err := f.conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if f.decoder.Decode(b[:n], &p) == nil {
				f.packet(&p, netaddr.UnmapPort(from))
			}
		}
	}()
}

func (f *fake) packet(p *codec.Packet, from netip.AddrPort) {
	if f.seen != nil {
		f.seen(p)
	}
	if f.loses != nil && f.loses(p) {
		return
	}
	s := f.sessions[p.SourceID]
	if s == nil {
		s = new(fakeSession)
		f.sessions[p.SourceID] = s
	}
	if p.Flag == codec.FlagHandshake && s.challenge != nil {
		if f.handshake(p, s) {
			f.message(p, s, from)
		}
		return
	}
	if s.keys != nil && f.message(p, s, from) {
		return
	}
	if s.challenge == nil { // a live one is resent
		s.challenge = &session.Challenge{Nonce: p.Nonce}
		rand.Read(s.challenge.IV[:])
		rand.Read(s.challenge.IDNonce[:])
	}
	b := s.challenge.AppendPacket(nil, codec.DefaultProtocol, &p.SourceID)
	send := func() { f.conn.WriteToUDPAddrPort(b, from) }
	if f.late != nil {
		f.late(send)
		return
	}
	send()
}

// handshake checks what a target has to check.
func (f *fake) handshake(p *codec.Packet, s *fakeSession) bool {
	challenge := s.challenge.Append(nil, codec.DefaultProtocol)
	record, err := enr.Parse(p.Record)
	if err != nil {
		f.badRecord.Add(1)
		if !f.acceptAll {
			return false
		}
	} else {
		ephemeral := [33]byte(p.EphemeralKey)
		pub, _ := record.PublicKey()
		digest := aead.IDSignatureDigest(challenge, &ephemeral, &f.self)
		if !verify(&pub, &digest, p.Signature) {
			f.badProof.Add(1)
			if !f.acceptAll {
				return false
			}
		} else {
			f.good.Add(1)
		}
	}
	ephemeral := [33]byte(p.EphemeralKey)
	secret, err := f.key.ECDH(&ephemeral)
	if err != nil {
		f.t.Error(err)
		return false
	}
	read, write := aead.DeriveKeys(&secret, challenge, &p.SourceID, &f.self)
	s.keys, s.wrong, s.challenge = session.NewKeys(&read, &write), session.NewKeys(&read, &read), nil
	return true
}

func (f *fake) message(p *codec.Packet, s *fakeSession, from netip.AddrPort) bool {
	plain, err := s.keys.Open(&p.Nonce, p.Message, p.AD)
	if err != nil {
		return false
	}
	r := &fakeRequest{fake: f, from: from, id: p.SourceID, n: f.requests.Add(1) - 1}
	t, body, err := codec.SplitMessage(plain)
	if r.kind = t; err == nil {
		switch t {
		case codec.TypePing:
			var m codec.Ping
			err = m.Decode(body)
			r.req = m.RequestID
		case codec.TypeFindNode:
			var m codec.FindNode
			err = m.Decode(body)
			r.req = m.RequestID
		case codec.TypeTalkRequest:
			var m codec.TalkRequest
			err = m.Decode(body)
			r.req = m.RequestID
		case codec.TypeRegTopic:
			var m codec.RegTopic
			err = m.Decode(body)
			r.req = m.RequestID
		case codec.TypeTopicQuery:
			var m codec.TopicQuery
			err = m.Decode(body)
			r.req = m.RequestID
		}
	}
	if err != nil {
		f.t.Errorf("the generator sent a bad message: %v", err)
	}
	f.answer(r)
	return true
}

// send sends a message within the session.
func (r *fakeRequest) send(message []byte) { r.conn.WriteToUDPAddrPort(r.seal(message), r.from) }

// seal makes the packet of a message within the session.
func (r *fakeRequest) seal(message []byte) []byte {
	h := session.Header{Protocol: codec.DefaultProtocol, Source: r.self}
	rand.Read(h.IV[:])
	rand.Read(h.Nonce[:])
	return h.AppendMessage(nil, &r.id, r.sessions[r.id].keys, message)
}

// forget ends the session.
func (r *fakeRequest) forget() { delete(r.sessions, r.id) }

// pong answers a PING.
func (r *fakeRequest) pong() {
	m := codec.Pong{RequestID: r.req, RecordSeq: 1, Recipient: r.from}
	r.send(m.Append(nil))
}

// nodes sends one NODES packet.
func (r *fakeRequest) nodes(total uint64, records ...[]byte) {
	m := codec.Nodes{RequestID: r.req, Total: total}
	for _, b := range records {
		m.Records = append(m.Records, b...)
	}
	r.send(m.Append(nil))
}

// talk answers a TALKREQ.
func (r *fakeRequest) talk() {
	m := codec.TalkResponse{RequestID: r.req}
	r.send(m.Append(nil))
}

// otherSocket opens a socket on loopback that is not the target's.
func otherSocket(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// usual answers as a good target does.
func usual(r *fakeRequest) {
	switch r.kind {
	case codec.TypePing:
		r.pong()
	case codec.TypeFindNode:
		r.nodes(1)
	case codec.TypeTalkRequest:
		r.talk()
	}
}

func verify(pub *[33]byte, digest *[32]byte, signature []byte) bool {
	key, err := secp256k1.ParsePubKey(pub[:])
	if err != nil {
		return false
	}
	var r, s secp256k1.ModNScalar
	r.SetByteSlice(signature[:32])
	s.SetByteSlice(signature[32:])
	return ecdsa.NewSignature(&r, &s).Verify(digest[:], key)
}
