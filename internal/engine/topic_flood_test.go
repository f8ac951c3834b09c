package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/topic"
)

// While 100 peers flood a registrar with ever new records and with queries, the worker that
// receives checks no signature: it answers the PING of another peer when that arrives, with no task
// run in between. The checks wait in the bounded queue, one of each peer, and a handshake still
// finds room there.
func TestT18FloodDoesNotDelayPing(t *testing.T) {
	const peers, rounds = 100, 10
	nw := newNetwork(t)
	b := nw.registrar("8.0.0.1:9000", nil)
	other := nw.scriptedPeer("9.0.0.9:9000", 6).listen()
	other.connect(b)
	flood := make([]*scriptedPeer, peers)
	for i := range flood {
		flood[i] = nw.scriptedPeer(fmt.Sprintf("%d.%d.0.9:9000", 20+i, i), uint64(1000+i)).listen()
		flood[i].connect(b)
	}
	b.holdTasks = true
	checked, pongs := b.e.Records().Stats().Verified, b.e.Counters()[OutPong]
	for i := range rounds {
		for _, s := range flood {
			s.say(b, regTopic(1, topic.Of("x"), s.sign(uint64(i+2), s.Addr), nil))
			s.say(b, topicQuery(2, topic.Of("x"), 256, 255, 254))
		}
		other.say(b, ping(uint64(i+1)))
		if m := other.reply(); len(m) == 0 || m[0] != byte(codec.TypePong) {
			t.Fatalf("round %d: no PONG when the PING arrived", i)
		}
	}
	if n := b.e.Records().Stats().Verified - checked; n != 0 {
		t.Errorf("the worker that receives has checked %d signatures", n)
	}
	c := b.e.Counters()
	if n := c[OutPong] - pongs; n != rounds {
		t.Errorf("%d PONG, want %d", n, rounds)
	}
	if n := b.e.Tasks(); n == 0 || n > peers {
		t.Errorf("%d checks wait, want at most one of each of %d peers", n, peers)
	}
	if want := uint64(peers * (rounds - 1)); c[RateTopicRecord] != want {
		t.Errorf("%d registrations were counted as too many, want %d", c[RateTopicRecord], want)
	}
	b.holdTasks = false
	nw.now += time.Second
	b.w.Begin(nw.now)
	nw.scriptedPeer("5.0.0.9:9000", 5).listen().connect(b)
}
