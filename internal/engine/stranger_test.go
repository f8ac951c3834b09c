package engine

import (
	"bytes"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// stranger is a scripted peer on a network.
type stranger struct {
	*wiretest.Peer
	nw  *network
	got [][]byte // datagrams that arrived, oldest first
}

func (nw *network) stranger(addr string, seed uint64) *stranger {
	return &stranger{Peer: wiretest.NewPeer(nw.t, seed, netip.MustParseAddrPort(addr)), nw: nw}
}

// remote is the node as a scripted peer knows it.
func (n *node) remote() wiretest.Remote {
	return wiretest.Remote{ID: n.e.ID(), PublicKey: n.key.PublicKey()}
}

// listen collects what is sent to the stranger from now on.
func (s *stranger) listen() *stranger {
	next := s.nw.Tap
	s.nw.Tap = func(from, to netip.AddrPort, b []byte) {
		if to == s.Addr {
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
	nw.Send(from, n.addr, b)
	nw.deliver()
}

// take returns the oldest datagram that arrived and decodes it.
func (s *stranger) take() (p codec.Packet, ok bool) {
	if len(s.got) == 0 {
		return p, false
	}
	packet, err := s.Decode(s.got[0])
	s.got = s.got[1:]
	if err != nil {
		s.nw.t.Fatalf("stranger cannot decode what it got: %v", err)
	}
	return *packet, true
}

// message makes an ordinary packet from the given ID: sealed with keys, or with random content.
func (s *stranger) message(id enr.ID, to *node, keys *session.Keys, plaintext []byte) []byte {
	if keys == nil {
		return s.Unopenable(id, to.remote(), nil)
	}
	return s.MessageFrom(id, to.remote(), keys, plaintext)
}

// answer starts the handshake for a WHOAREYOU.
func (s *stranger) answer(ch codec.Packet, to *node, plain []byte) wiretest.Handshake {
	return s.Answer(&ch, to.remote(), plain)
}

func (s *stranger) encode(h wiretest.Handshake, to *node) []byte { return s.Encode(h, to.remote()) }

// challenge makes n challenge the stranger.
func (s *stranger) challenge(n *node) codec.Packet {
	s.got = nil
	s.nw.inject(s.Addr, n, s.message(s.Key.ID(), n, nil, nil))
	p, ok := s.take()
	if !ok || p.Flag != codec.FlagWhoareyou {
		s.nw.t.Fatal("no WHOAREYOU for an undecryptable message")
	}
	return p
}

// connect makes a session with n.
func (s *stranger) connect(n *node) {
	h := s.answer(s.challenge(n), n, ping(1))
	s.nw.inject(s.Addr, n, s.encode(h, n))
	s.Keys = h.Keys
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
	m, err := s.Open(&p)
	if err != nil {
		s.nw.t.Fatalf("stranger cannot open the answer: %v", err)
	}
	return m
}

func ping(seq uint64) []byte { return wiretest.Ping(seq) }

// tableNode is the stranger as an entry of a table.
func tableNode(s *stranger) table.Node { return table.NewNode(s.Record, s.Addr, false) }
