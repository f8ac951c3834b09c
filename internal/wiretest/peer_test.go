package wiretest

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// Two peers make a session with each other, in which messages pass both ways; a third one opens
// nothing. The same seed makes the same peer and the same packets.
func TestPeers(t *testing.T) {
	addr := netip.MustParseAddrPort("10.0.0.1:9000")
	run := func() (sent [][]byte) {
		a, b, c := NewPeer(t, 1, addr), NewPeer(t, 2, netip.MustParseAddrPort("[2a00::1]:9000")), NewPeer(t, 3, netip.AddrPort{})
		toA, toB := RemoteOf(a.Record), RemoteOf(b.Record)
		decode := func(p *Peer, b []byte, want codec.Flag) *codec.Packet {
			t.Helper()
			sent = append(sent, b)
			packet, err := p.Decode(b)
			if err != nil || packet.Flag != want {
				t.Fatalf("flag %d, %v; want %d", packet.Flag, err, want)
			}
			return packet
		}
		first := decode(b, a.Unopenable(a.ID(), toB, nil), codec.FlagMessage)
		ch, whoareyou := b.Challenge(first, toA, 0)
		h := a.Answer(decode(a, whoareyou, codec.FlagWhoareyou), toB, Ping(5))
		a.Keys = h.Keys
		bad := h
		bad.Signature[3] ^= 1
		if _, err := b.Accept(&ch, decode(b, a.Encode(bad, toB), codec.FlagHandshake), nil); err == nil || b.Keys != nil {
			t.Fatalf("a wrong signature: %v", err)
		}
		if got, err := b.Accept(&ch, decode(b, a.Encode(h, toB), codec.FlagHandshake), nil); err != nil || !bytes.Equal(got.Plaintext, Ping(5)) {
			t.Fatalf("%x, %v", got.Plaintext, err)
		}
		for _, x := range []struct {
			from, to *Peer
			remote   Remote
		}{{a, b, toB}, {b, a, toA}} {
			packet := decode(x.to, x.from.Message(x.remote, Ping(6)), codec.FlagMessage)
			if m, err := x.to.Open(packet); err != nil || !bytes.Equal(m, Ping(6)) {
				t.Errorf("%x, %v", m, err)
			}
			if m, err := x.to.Open(packet); err != nil || !bytes.Equal(m, Ping(6)) {
				t.Errorf("opened a second time: %x, %v", m, err)
			}
		}
		c.Keys = a.Keys
		if _, err := c.Decode(a.Message(toB, Ping(6))); err == nil {
			t.Error("a packet to another node is decoded")
		}
		if a.Addr != addr || c.Addr.IsValid() {
			t.Errorf("addresses %v and %v", a.Addr, c.Addr)
		}
		return sent
	}
	if x, y := run(), run(); len(x) == 0 || !bytes.Equal(bytes.Join(x, nil), bytes.Join(y, nil)) {
		t.Error("one seed, two runs")
	}
}
