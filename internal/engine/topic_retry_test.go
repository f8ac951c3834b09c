package engine

import (
	"testing"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/topic"
)

// A peer that presents its ticket early, over and over, gets tickets and no place, and is charged
// for each request as for any other one.
func TestT10EarlyRetriesAreCharged(t *testing.T) {
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", func(c *Config) {
		c.Verified = limiter.New(limiter.Config{Rates: limiter.Verified(), Seed: 3})
	})
	nw.add("9.0.0.1:9000", nil).registerAt(b, topic.Of("one"), nil) // the next one has to wait
	s, top := nw.scriptedPeer("7.0.0.9:9000", 7).listen(), topic.Of("two")
	s.connect(b)
	s.say(b, regTopic(1, top, s.Record.Bytes(), nil))
	var c codec.RegConfirmation
	_, body, err := codec.SplitMessage(s.reply())
	if err != nil || c.Decode(body) != nil || len(c.Ticket) == 0 {
		t.Fatalf("no ticket: %v", err)
	}
	ticket := append([]byte(nil), c.Ticket...)
	before := b.e.Counters()[OutRegConfirmation]
	for range 5000 {
		b.w.Receive(nw.now, s.Addr, s.message(s.Record.ID(), b, s.Keys, regTopic(1, top, s.Record.Bytes(), ticket)))
	}
	nw.Queue = nil
	n := b.e.Counters()
	if sent := n[OutRegConfirmation] - before; n[RateVerified] < 2000 || sent == 0 || sent > 3000 {
		t.Errorf("%d of 5000 early requests at one moment were answered, %d dropped", sent, n[RateVerified])
	}
	if b.holds(top, s.Record.ID()) {
		t.Error("an early ticket was admitted")
	}
	if r := nw.add("6.0.0.1:9000", nil).registerAt(b, top, nil); r.Err != nil {
		t.Errorf("another advertiser: %v", r.Err)
	}
}
