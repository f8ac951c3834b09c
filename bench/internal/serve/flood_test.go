package serve

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/bench/internal/drive"
	"github.com/fastdisc/discv5/codec"
)

// A flood sends as much as it says, each from another node ID, at the rate that it is told.
func TestFlood(t *testing.T) {
	s, err := startCore(Spec{Key: testKey, Sessions: 1024, Challenges: 1 << 14})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	f := new(flood)
	defer f.close()
	if _, err := f.send(Command{For: time.Second}); err == nil {
		t.Error("a flood without a target")
	}
	at := s.ready()
	const size, count = 95, 10_000
	if err := f.aim(Command{To: at.Addr, Record: at.Records[0], Sizes: []int{size}, Count: count}); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for i := range count {
		ids[string(f.requests.Slab[i*size+codec.IVSize:(i+1)*size])] = true
	}
	if len(ids) != count || len(f.requests.Slab) != count*size {
		t.Errorf("%d packets of %d differ", len(ids), count)
	}
	var before, after Usage
	s.usage(&before)
	const d = 200 * time.Millisecond
	sent, err := f.send(Command{Rate: 5000, For: d})
	if err != nil || sent < 1 || sent > 1000 { // a busy machine sends less, but none more
		t.Fatalf("%d sent in %v at 5000 a second: %v", sent, d, err)
	}
	for end := time.Now().Add(5 * time.Second); after.RxPackets-before.RxPackets < uint64(sent) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		s.usage(&after)
	}
	if got := after.RxPackets - before.RxPackets; got != uint64(sent) {
		t.Errorf("%d arrived of %d", got, sent)
	}
	c := dial(t, s)
	if err := s.(*core).inject(Command{Seed: 7, Count: 1, From: c.Local().String()}); err != nil {
		t.Fatal(err)
	}
	one := drive.Made(7, 0)
	if a, err := c.Ask(&one, drive.Ping(1)); err != nil || a.Type != codec.TypePong {
		t.Errorf("a session after the flood: %+v, %v", a, err)
	}
	fast, err := f.send(Command{For: d})
	if err != nil || fast < 1 {
		t.Errorf("%d sent at full speed: %v", fast, err)
	}
	if err := run(s, Command{Op: "flood"}, new(Reply)); err == nil {
		t.Error("a server that floods")
	}
}
