package diff

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
)

// side is our node in a session with theirs.
type side struct {
	*wiretest.Peer
	t      *testing.T
	theirs *v5wire.Codec
	remote wiretest.Remote // their node
}

func newSide(t *testing.T, seed uint64) *side {
	rec, err := enr.Parse(signed(pair{"ip", "\x84\x01\x01\x01\x01"}, pair{"udp", "\x01"}))
	if err != nil {
		t.Fatal(err)
	}
	pub := [33]byte(crypto.CompressPubkey(theirNode().node.Node().Pubkey()))
	return &side{
		Peer: wiretest.PeerOf(t, key, rec, wiretest.Reader(seed)), t: t, theirs: theirNode().codec(),
		remote: wiretest.Remote{ID: theirNode().id(), PublicKey: pub},
	}
}

// change applies changes of three bytes each, position and mask, to b. It reports whether b is
// different afterwards.
func change(b, changes []byte) bool {
	was := bytes.Clone(b)
	for ; len(changes) >= 3; changes = changes[3:] {
		b[(int(changes[0])<<8|int(changes[1]))%len(b)] ^= changes[2]
	}
	return !bytes.Equal(b, was)
}

// FuzzHandshake: in flags, 1 means that ours starts, otherwise theirs; 2 means that the recipient
// knows the record. seq and payload go into the messages; changes apply to the handshake packet on
// the wire.
func FuzzHandshake(f *testing.F) {
	for flags := range byte(4) {
		f.Add(flags, []byte("payload"), uint64(5), []byte{}, uint64(flags))
		f.Add(flags, []byte{}, uint64(0), []byte{0, 120, 1}, uint64(flags))
	}
	f.Fuzz(func(t *testing.T, flags byte, payload []byte, seq uint64, changes []byte, seed uint64) {
		if len(payload) > 700 {
			return
		}
		s := newSide(t, seed)
		if flags&1 != 0 {
			s.start(flags&2 != 0, payload, changes)
		} else {
			s.answer(flags&2 != 0, payload, changes)
		}
		if s.Keys == nil {
			return
		}
		// Messages in both directions.
		id := [32]byte(key.ID())
		b, _, err := s.theirs.Encode(enode.ID(id), theirAddr, &v5wire.Ping{ReqID: []byte{1, 2}, ENRSeq: seq}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		ping, err := decodeOurs(m)
		if err != nil || ping.(*codec.Ping).RecordSeq != seq {
			t.Fatalf("%+v, %v", ping, err)
		}
		s.send((&codec.TalkResponse{Payload: payload}).Append(nil))
	})
}

// send sends one of our messages in the session.
func (s *side) send(plaintext []byte) {
	s.expect(s.Message(s.remote, plaintext), plaintext)
}

// expect passes a valid packet to theirs.
func (s *side) expect(b, plaintext []byte) {
	src, _, p, err := s.theirs.Decode(b, theirAddr)
	if err != nil || src != enode.ID(key.ID()) {
		s.t.Fatalf("from %v: %v", src, err)
	}
	ours, err := decodeOurs(plaintext)
	if err != nil {
		s.t.Fatal(err)
	}
	compareMessages(s.t, ours, p)
}

// start makes our handshake for their challenge.
func (s *side) start(known bool, payload, changes []byte) {
	nonce := s.Header(s.ID()).Nonce
	ch := &v5wire.Whoareyou{Nonce: nonce}
	if known {
		n, err := gethRecord(s.Record.Bytes())
		if err != nil {
			s.t.Fatal(err)
		}
		ch.Node, ch.RecordSeq = n, n.Seq()
	}
	s.Random.Read(ch.IDNonce[:])
	b, _, err := s.theirs.Encode(enode.ID(s.ID()), theirAddr, ch, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := s.Decode(b)
	if err != nil || p.Nonce != nonce || p.RecordSeq != ch.RecordSeq {
		s.t.Fatalf("%+v, %v", p, err)
	}
	plaintext := (&codec.TalkRequest{Protocol: []byte("p"), Payload: payload}).Append(nil)
	h := s.Answer(p, s.remote, plaintext)
	if p.RecordSeq >= s.Record.Seq() {
		h.Record = nil
	}
	packet := s.Encode(h, s.remote)
	if change(packet, changes) {
		if _, _, m, err := s.theirs.Decode(packet, theirAddr); err == nil && m.Kind() < v5wire.WhoareyouPacket {
			s.t.Fatalf("theirs takes a changed handshake: %+v", m)
		}
		return
	}
	s.expect(packet, plaintext)
	s.Keys = h.Keys
}

// answer examines their handshake for our challenge.
func (s *side) answer(known bool, payload, changes []byte) {
	theirs, err := enr.ParseText(theirNode().node.Node().String())
	if err != nil {
		s.t.Fatal(err)
	}
	var have *enr.Record
	seq := uint64(0)
	if known {
		have, seq = theirs, theirs.Seq()
	}
	ch, b := s.Challenge(&codec.Packet{Nonce: s.Header(s.ID()).Nonce}, s.remote, seq)
	_, _, p, err := s.theirs.Decode(b, theirAddr)
	w, ok := p.(*v5wire.Whoareyou)
	if err != nil || !ok {
		s.t.Fatalf("%+v, %v", p, err)
	}
	if w.Node, err = gethRecord(s.Record.Bytes()); err != nil {
		s.t.Fatal(err)
	}
	request := &v5wire.TalkRequest{ReqID: []byte{1}, Protocol: "p", Message: payload}
	packet, _, err := s.theirs.Encode(enode.ID(s.ID()), theirAddr, request, w)
	if err != nil {
		s.t.Fatal(err)
	}
	packet = bytes.Clone(packet)
	changed := change(packet, changes)
	q, err := s.Decode(packet)
	if err != nil || q.Flag != codec.FlagHandshake {
		if !changed {
			s.t.Fatalf("%+v, %v", q, err)
		}
		return
	}
	got, err := s.Accept(&ch, q, have)
	if (err == nil) == changed {
		s.t.Fatalf("changed %v: %v", changed, err)
	}
	if err != nil {
		return
	}
	m, err := decodeOurs(got.Plaintext)
	if err != nil || got.Record.ID() != theirs.ID() {
		s.t.Fatal(err)
	}
	compareMessages(s.t, m, request)
}
