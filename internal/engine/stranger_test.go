package engine

import (
	"bytes"
	"net/netip"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

// stranger is a peer that does what a test tells it, byte by byte, and not what the protocol
// demands.
type stranger struct {
	nw     *network
	addr   netip.AddrPort
	key    *enr.PrivateKey
	rec    *enr.Record
	random *aead.Random
	got    [][]byte // datagrams that arrived, oldest first
	keys   *session.Keys
}

func (nw *network) stranger(addr string, seed uint64) *stranger {
	ap := netip.MustParseAddrPort(addr)
	r := newReader(seed)
	key, err := enr.GenerateKey(r)
	if err != nil {
		nw.t.Fatal(err)
	}
	rec, err := enr.NewBuilder().SetIP(ap.Addr()).SetUDP(ap.Port()).Sign(key)
	if err != nil {
		nw.t.Fatal(err)
	}
	random, err := aead.NewRandom(r)
	if err != nil {
		nw.t.Fatal(err)
	}
	return &stranger{nw: nw, addr: ap, key: key, rec: rec, random: random}
}

// listen collects what is sent to the stranger from now on.
func (s *stranger) listen() *stranger {
	next := s.nw.tap
	s.nw.tap = func(from, to netip.AddrPort, b []byte) {
		if to == s.addr {
			s.got = append(s.got, bytes.Clone(b))
		}
		if next != nil {
			next(from, to, b)
		}
	}
	return s
}

// inject delivers a datagram to n as if it came from an address, and all that follows.
func (nw *network) inject(from netip.AddrPort, n *node, b []byte) {
	nw.queue = append(nw.queue, datagram{from, n.addr, bytes.Clone(b)})
	nw.deliver()
}

// take returns the oldest datagram that arrived and decodes it.
func (s *stranger) take() (p codec.Packet, ok bool) {
	if len(s.got) == 0 {
		return p, false
	}
	b := s.got[0]
	s.got = s.got[1:]
	self := [32]byte(s.key.ID())
	if err := codec.NewDecoder(&self, codec.DefaultProtocol).Decode(b, &p); err != nil {
		s.nw.t.Fatalf("stranger cannot decode what it got: %v", err)
	}
	return p, true
}

// message makes an ordinary packet from the given ID: sealed with keys, or with random content.
func (s *stranger) message(id enr.ID, to *node, keys *session.Keys, plaintext []byte) []byte {
	h := session.Header{Protocol: codec.DefaultProtocol, Source: id}
	h.Randomize(s.random)
	dest := [32]byte(to.e.ID())
	if keys != nil {
		keys.NextNonce(&h.Nonce, s.random)
		return h.AppendMessage(nil, &dest, keys, plaintext)
	}
	junk := make([]byte, 40)
	s.random.Read(junk)
	return h.AppendUnopenable(nil, &dest, junk)
}

// shake is a handshake packet in the making; change it before send.
type shake struct {
	source enr.ID
	sig    [64]byte
	eph    [33]byte
	record []byte
	keys   *session.Keys
	plain  []byte
}

// answer starts the handshake for a WHOAREYOU.
func (s *stranger) answer(ch codec.Packet, to *node, plain []byte) shake {
	h := session.Handshaker{Key: s.key, Curve: curve.Default(), Protocol: codec.DefaultProtocol}
	pub := to.key.PublicKey()
	in, err := h.Initiate(ch.AD, to.e.ID(), &pub, s.random)
	if err != nil {
		s.nw.t.Fatal(err)
	}
	return shake{s.key.ID(), in.Signature, in.Ephemeral, s.rec.Bytes(), in.Keys, plain}
}

func (s *stranger) encode(h shake, to *node) []byte {
	header := session.Header{Protocol: codec.DefaultProtocol, Source: h.source}
	header.Randomize(s.random)
	h.keys.NextNonce(&header.Nonce, s.random)
	in := session.Initiation{Keys: h.keys, Signature: h.sig, Ephemeral: h.eph}
	dest := [32]byte(to.e.ID())
	return header.AppendHandshake(nil, &dest, &in, h.record, h.plain)
}

// challenge makes n challenge the stranger.
func (s *stranger) challenge(n *node) codec.Packet {
	s.got = nil
	s.nw.inject(s.addr, n, s.message(s.key.ID(), n, nil, nil))
	p, ok := s.take()
	if !ok || p.Flag != codec.FlagWhoareyou {
		s.nw.t.Fatal("no WHOAREYOU for an undecryptable message")
	}
	return p
}

// connect makes a session with n.
func (s *stranger) connect(n *node) {
	h := s.answer(s.challenge(n), n, ping(1))
	s.nw.inject(s.addr, n, s.encode(h, n))
	s.keys = h.keys
	if m := s.reply(); len(m) == 0 || m[0] != byte(codec.TypePong) {
		s.nw.t.Fatal("no PONG after the handshake")
	}
}

// reply opens the oldest datagram that arrived with the stranger's keys. nil if there is none.
func (s *stranger) reply() []byte {
	p, ok := s.take()
	if !ok {
		return nil
	}
	if p.Flag != codec.FlagMessage {
		s.nw.t.Fatalf("got a packet with flag %d where a message was expected", p.Flag)
	}
	m, err := s.keys.Open(&p.Nonce, p.Message, p.AD)
	if err != nil {
		s.nw.t.Fatalf("stranger cannot open the answer: %v", err)
	}
	return m
}

func ping(seq uint64) []byte {
	id, _ := codec.NewRequestID([]byte{1, 2, 3})
	return (&codec.Ping{RequestID: id, RecordSeq: seq}).Append(nil)
}

// tableNode is the stranger as an entry of a table.
func tableNode(s *stranger) table.Node { return table.NewNode(s.rec, s.addr, false) }
