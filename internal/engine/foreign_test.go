package engine

import (
	"bytes"
	"testing"

	"github.com/fastdisc/discv5/codec"
)

// S09: what does not carry the protocol's mark is counted and left for others, as it came. What
// carries it and is malformed is counted under its cause, and is nobody else's: it has been
// unmasked.
func TestS09MalformedIsNotForeign(t *testing.T) {
	nw := newNetwork(t)
	b, s := nw.add("10.0.0.2:9000", nil), nw.stranger("10.0.0.9:9", 7)
	good := s.message(s.Key.ID(), b, nil, nil)
	id := [32]byte(b.e.ID())
	// header alters bytes of the header, which begins behind the IV and the mask.
	header := func(change func(h []byte)) []byte {
		d := bytes.Clone(good)
		codec.MaskHeader(d, codec.MessageHeaderSize, &id)
		change(d[codec.IVSize:])
		codec.MaskHeader(d, codec.MessageHeaderSize, &id)
		return d
	}
	for _, c := range []struct {
		name    string
		d       []byte
		want    Counter
		foreign bool
	}{
		{"junk", bytes.Repeat([]byte{7}, 100), DropProtocol, true},
		{"too short", good[:20], DropSize, true},
		{"too long", append(bytes.Clone(good), make([]byte, codec.MaxPacketSize)...), DropSize, true},
		{"other version", header(func(h []byte) { h[7] ^= 1 }), DropProtocol, true},
		{"unknown flag", header(func(h []byte) { h[8] = 9 }), DropFlag, false},
		{"authdata size", header(func(h []byte) { h[21], h[22] = 0, 31 }), DropAuthSize, false},
		{"no message", good[:codec.MessageHeaderSize], DropNoMessage, false},
	} {
		came := bytes.Clone(c.d)
		before := b.e.Counters()
		ours := b.w.Receive(nw.now, s.Addr, c.d)
		after := b.e.Counters()
		if ours == c.foreign || after[c.want] != before[c.want]+1 || after[PacketsOut] != before[PacketsOut] {
			t.Errorf("%s: taken for a packet of this protocol %v, counted %d under its cause", c.name, ours, after[c.want]-before[c.want])
		}
		if c.foreign && !bytes.Equal(c.d, came) {
			t.Errorf("%s: was altered", c.name)
		}
	}
}
