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

// scriptedPeer is a peer on a network whose packets the test makes.
type scriptedPeer struct {
	*wiretest.Peer
	nw  *network
	got [][]byte // datagrams that arrived, oldest first
}

func (nw *network) scriptedPeer(addr string, seed uint64) *scriptedPeer {
	return &scriptedPeer{Peer: wiretest.NewPeer(nw.t, seed, netip.MustParseAddrPort(addr)), nw: nw}
}

// remote is the node as a scripted peer knows it.
func (n *node) remote() wiretest.Remote {
	return wiretest.Remote{ID: n.e.ID(), PublicKey: n.key.PublicKey()}
}

// listen collects the datagrams that are sent to the peer from now on.
func (s *scriptedPeer) listen() *scriptedPeer {
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
func (s *scriptedPeer) take() (p codec.Packet, ok bool) {
	if len(s.got) == 0 {
		return p, false
	}
	packet, err := s.Decode(s.got[0])
	s.got = s.got[1:]
	if err != nil {
		s.nw.t.Fatalf("the scripted peer cannot decode a datagram: %v", err)
	}
	return *packet, true
}

// message makes an ordinary packet from the given ID: sealed with keys, or with random content.
func (s *scriptedPeer) message(id enr.ID, to *node, keys *session.Keys, plaintext []byte) []byte {
	if keys == nil {
		return s.Unopenable(id, to.remote(), nil)
	}
	return s.MessageFrom(id, to.remote(), keys, plaintext)
}

// answer starts the handshake for a WHOAREYOU.
func (s *scriptedPeer) answer(ch codec.Packet, to *node, plain []byte) wiretest.Handshake {
	return s.Answer(&ch, to.remote(), plain)
}

func (s *scriptedPeer) encode(h wiretest.Handshake, to *node) []byte { return s.Encode(h, to.remote()) }

// challenge makes n challenge the peer.
func (s *scriptedPeer) challenge(n *node) codec.Packet {
	s.got = nil
	s.nw.inject(s.Addr, n, s.message(s.Key.ID(), n, nil, nil))
	p, ok := s.take()
	if !ok || p.Flag != codec.FlagWhoareyou {
		s.nw.t.Fatal("no WHOAREYOU for an undecryptable message")
	}
	return p
}

// connect makes a session with n.
func (s *scriptedPeer) connect(n *node) {
	h := s.answer(s.challenge(n), n, ping(1))
	s.nw.inject(s.Addr, n, s.encode(h, n))
	s.Keys = h.Keys
	if m := s.reply(); len(m) == 0 || m[0] != byte(codec.TypePong) {
		s.nw.t.Fatal("no PONG after the handshake")
	}
}

// reply opens the oldest datagram that arrived, with the peer's keys. It is nil if there is none.
func (s *scriptedPeer) reply() []byte {
	p, ok := s.take()
	if !ok {
		return nil
	}
	if p.Flag != codec.FlagMessage {
		s.nw.t.Fatalf("got a packet with flag %d where a message was expected", p.Flag)
	}
	m, err := s.Open(&p)
	if err != nil {
		s.nw.t.Fatalf("the scripted peer cannot open the response: %v", err)
	}
	return m
}

func ping(seq uint64) []byte { return wiretest.Ping(seq) }

// tableNode returns the peer as an entry of a table.
func tableNode(s *scriptedPeer) table.Node { return table.NewNode(s.Record, s.Addr, false) }
