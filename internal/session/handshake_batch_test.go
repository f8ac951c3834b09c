package session

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// batchCase is a handshake as it arrives, with the state of its recipient.
type batchCase struct {
	name  string
	wire  []byte
	ch    Challenge
	known *enr.Record
	keys  *Keys // the initiator's
	want  error
}

// exchange returns the decoded handshake.
func (c *batchCase) exchange(t *testing.T, b *node) *Exchange {
	x := &Exchange{Packet: b.decode(t, c.wire), Known: c.known}
	x.Candidates.list[0], x.Candidates.n = c.ch, 1
	return x
}

// batchCases returns good handshakes with records of each kind and all badHandshakes.
func batchCases(t *testing.T, b *node) (good, bad []batchCase) {
	mallory := newNode(t, 3)
	if _, err := b.Records.Verify(mallory.record.View()); err != nil {
		t.Fatal(err)
	}
	add := func(list []batchCase, n byte, name string, known *enr.Record, want error, change func(*handshake, *Challenge, *node)) []batchCase {
		a := newNode(t, n)
		ch := newChallenge(a.random, 0)
		hs := a.answer(t, ch, b, a.record.Bytes())
		if change != nil {
			change(hs, ch, b)
		}
		return append(list, batchCase{name, hs.encode(t, a.random, name, b.id()), *ch, known, hs.keys, want})
	}
	for i := range byte(4) {
		n := 10 + 4*i
		good = add(good, n, fmt.Sprint("new record ", i), nil, nil, nil)
		known := newNode(t, n+1).record
		good = add(good, n+1, fmt.Sprint("known record ", i), known, nil, func(hs *handshake, _ *Challenge, _ *node) { hs.record = nil })
		good = add(good, n+2, fmt.Sprint("older record ", i), signed(t, newNode(t, n+2).Key, 9, 1), nil, nil)
		cached := newNode(t, n+3).record
		if _, err := b.Records.Verify(cached.View()); err != nil {
			t.Fatal(err)
		}
		good = add(good, n+3, fmt.Sprint("cached record ", i), nil, nil, nil)
	}
	for _, tt := range badHandshakes(t, newNode(t, 1), mallory) {
		bad = add(bad, 1, tt.name, tt.known, tt.want, tt.change)
	}
	return good, bad
}

// single examines the handshake alone.
func (c *batchCase) single(t *testing.T, b *node) (Accepted, error) {
	return b.Accept(&c.ch, b.decode(t, c.wire), c.known)
}

// checkExchanges runs a batch and compares it with single handshakes.
func checkExchanges(t *testing.T, b *node, cases []batchCase) {
	t.Helper()
	list := make([]*Exchange, len(cases))
	for i := range cases {
		list[i] = cases[i].exchange(t, b)
	}
	b.AgreeBatch(list)
	for i, x := range list {
		if x.Err == nil && (*x.Agreement.Challenge != cases[i].ch || string(x.Agreement.Plaintext) == "") {
			t.Fatalf("%s, %d of %d: challenge %v, message %q", cases[i].name, i, len(list), x.Agreement.Challenge, x.Agreement.Plaintext)
		}
	}
	b.FinishBatch(list)
	for i, x := range list {
		c := &cases[i]
		want, err := c.single(t, b)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Fatalf("%s alone: %v, want %v", c.name, err, c.want)
		}
		if (x.Err == nil) != (err == nil) || err != nil && x.Err.Error() != err.Error() {
			t.Fatalf("%s, %d of %d: %v, want %v", c.name, i, len(list), x.Err, err)
		}
		if err != nil {
			if x.Accepted.Keys != nil {
				t.Errorf("%s: keys for a bad handshake", c.name)
			}
			continue
		}
		if !bytes.Equal(x.Accepted.Plaintext, want.Plaintext) || !x.Accepted.Record.Equal(want.Record.View()) || x.Accepted.Keys.RecordSeq() != want.Keys.RecordSeq() {
			t.Errorf("%s, %d of %d: %q, record %v", c.name, i, len(list), x.Accepted.Plaintext, x.Accepted.Record)
		}
		if !seal(t, x.Accepted.Keys, b.random, "back").opens(c.keys) || !seal(t, c.keys, b.random, "forth").opens(x.Accepted.Keys) {
			t.Errorf("%s, %d of %d: the keys do not fit", c.name, i, len(list))
		}
	}
}

// TestHandshakeBatch: each handshake of a batch has the result that it has alone, whatever stands
// beside it.
func TestHandshakeBatch(t *testing.T) {
	for _, native := range []bool{true, false} {
		name := "native curve"
		if !native {
			name = "curve without batches"
		}
		t.Run(name, func(t *testing.T) {
			fresh := func() *node {
				b := newNode(t, 2)
				if native {
					b.Curve = curve.Default()
				}
				return b
			}
			b := fresh()
			if !native && b.Batches() {
				t.Fatal("this curve has batches")
			}
			good, bad := batchCases(t, b)
			for n := range BatchSize + 1 {
				checkExchanges(t, b, good[:n])
			}
			for i, c := range bad {
				n := 1 + i%BatchSize
				list := append([]batchCase(nil), good[:n]...)
				list[i*7%n] = c
				b := fresh()
				_, _ = batchCases(t, b) // the same records in its cache
				checkExchanges(t, b, list)
			}
			for i := 0; i+BatchSize <= len(bad); i += BatchSize {
				checkExchanges(t, fresh(), bad[i:i+BatchSize])
			}
		})
	}
}

// TestHandshakeBatchSkips: FinishBatch leaves a handshake alone that its caller has given up.
func TestHandshakeBatchSkips(t *testing.T) {
	b := newNode(t, 2)
	good, _ := batchCases(t, b)
	list := []*Exchange{good[0].exchange(t, b), good[4].exchange(t, b)}
	b.AgreeBatch(list)
	list[0].Err = ErrNoRecord
	b.FinishBatch(list)
	if list[0].Err != ErrNoRecord || list[0].Accepted.Keys != nil || list[1].Err != nil || list[1].Accepted.Keys == nil {
		t.Errorf("%+v", list)
	}
	if n := b.curve.verified.Load(); n != 1 {
		t.Errorf("%d ID signatures verified, want 1", n)
	}
	x := list[1]
	if x.Reset(); x.Packet != nil || x.Accepted.Keys != nil || x.Accepted.Record != nil || x.Agreement.Keys != nil || len(x.Candidates.List()) > 0 {
		t.Errorf("not empty after Reset: %+v", x)
	}
}

// BenchmarkHandshakeBatch accepts n handshakes that wait, each with a new record, together and one
// after the other.
func BenchmarkHandshakeBatch(b *testing.B) {
	bob := newNode(b, 2)
	bob.Curve = curve.Default()
	ch := newChallenge(bob.random, 0)
	p := newBenchPeers(b, bob, ch, false)
	for _, n := range []int{1, 3, BatchSize} {
		var packets [BatchSize]codec.Packet
		var bufs [BatchSize][codec.MaxPacketSize]byte
		var exchanges [BatchSize]Exchange
		var list [BatchSize]*Exchange
		decode := func(round int) {
			for i := range n {
				wire := p.peers[(round*n+i)%len(p.peers)].wire
				if err := p.decoder.Decode(bufs[i][:copy(bufs[i][:], wire)], &packets[i]); err != nil {
					b.Fatal(err)
				}
			}
		}
		run := func(name string, f func()) {
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for round := 0; b.Loop(); round++ {
					decode(round)
					f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/handshake")
			})
		}
		run("single", func() {
			for i := range n {
				if _, err := p.server.Accept(ch, &packets[i], nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		run("batch", func() {
			for i := range n {
				x := &exchanges[i]
				x.Reset()
				x.Packet = &packets[i]
				x.Candidates.list[0], x.Candidates.n = *ch, 1
				list[i] = x
			}
			p.server.AgreeBatch(list[:n])
			p.server.FinishBatch(list[:n])
			for i := range n {
				if exchanges[i].Err != nil {
					b.Fatal(exchanges[i].Err)
				}
			}
		})
	}
}
