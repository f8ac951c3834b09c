package engine

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// sentPacket is a datagram that a worker has sent.
type sentPacket struct {
	b   []byte
	to  netip.AddrPort
	via Via
}

// recordingWriter keeps what a worker sends.
type recordingWriter struct {
	buf  [codec.MaxPacketSize]byte
	sent []sentPacket
}

func (r *recordingWriter) Buffer() []byte { return r.buf[:] }
func (r *recordingWriter) Commit(n int, to netip.AddrPort, via Via) {
	r.sent = append(r.sent, sentPacket{bytes.Clone(r.buf[:n]), to, via})
}

// A full batch of REGTOPIC, with other messages in between: each peer gets its own answer, from the
// address at which its request arrived, and what cannot be answered is counted or queued.
func TestTopicBatch(t *testing.T) {
	const malformed, unknown, other = 7, 11, 13
	f := newBenchEngineWith(t, BatchSize, eagerRegistrar())
	var out recordingWriter
	w, err := f.e.NewWorker(&out, 1)
	if err != nil {
		t.Fatal(err)
	}
	w.Begin(f.now)
	for i := range BatchSize {
		r := f.regTopic(i, 5)
		switch i {
		case malformed:
			m := codec.RegTopic{RequestID: benchID(i), Topic: topic.Of("x"), Record: f.peers[i].rec.Bytes()}
			r = f.seal(i, append(m.Append(nil), 0))
		case unknown:
			key, err := enr.GenerateKey(f.source)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := enr.NewBuilder().SetIP(r.from.Addr()).SetUDP(9000).Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			m := codec.RegTopic{RequestID: benchID(i), Topic: topic.Of("x"), Record: rec.Bytes()}
			r = f.seal(i, m.Append(nil))
		case other:
			r = f.ping(i)
		}
		w.AddVia(Via(i+2), r.from, bytes.Clone(r.b))
	}
	w.Flush()
	answered := map[int]codec.MessageType{}
	for _, s := range out.sent {
		i := int(s.via) - 2
		if i < 0 || i >= BatchSize || s.to != f.peers[i].addr {
			t.Fatalf("a packet to %v leaves from address %d", s.to, s.via)
		}
		var p codec.Packet
		if err := codec.NewDecoder(&f.peers[i].id, codec.DefaultProtocol).Decode(s.b, &p); err != nil {
			t.Fatal(err)
		}
		plain, err := f.peers[i].keys.Open(&p.Nonce, p.Message, p.AD)
		if err != nil {
			t.Fatal(err)
		}
		kind, body, err := codec.SplitMessage(plain)
		if err != nil || answered[i] != 0 {
			t.Fatalf("peer %d: %v after %v, %v", i, kind, answered[i], err)
		}
		answered[i] = kind
		var c codec.RegConfirmation
		if i == other {
			continue
		}
		if err := c.Decode(body); err != nil {
			t.Fatal(err)
		}
		if c.RequestID != benchID(i) || len(c.Ticket) > 0 || time.Duration(c.WaitTime)*time.Millisecond != topic.DefaultLifetime {
			t.Errorf("peer %d: %+v", i, c)
		}
	}
	for i := range BatchSize {
		want := codec.TypeRegConfirmation
		switch i {
		case malformed, unknown:
			want = 0
		case other:
			want = codec.TypePong
		}
		if answered[i] != want {
			t.Errorf("peer %d got message %v, want %v", i, answered[i], want)
		}
	}
	if n := w.counts[DropMessageForm]; n != 1 {
		t.Errorf("%d malformed messages, want 1", n)
	}
	if n := f.e.Tasks(); n != 1 {
		t.Errorf("%d records wait for their check, want 1", n)
	}
	if s := f.e.registrar.Stats(); s.Ads != BatchSize-3 {
		t.Errorf("%d ads, want %d", s.Ads, BatchSize-3)
	}
}
