package serve

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/load"
)

// A flood sends as much as it says, at the rate that it is told, and harms no session.
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
	const size = 95
	if err := f.aim(Command{To: at.Addr, Record: at.Records[0], Sizes: []int{size}}); err != nil {
		t.Fatal(err)
	}
	var before, after Usage
	s.usage(&before)
	const d = 200 * time.Millisecond
	sent := 0
	for range 10 { // where the machine stands still for all of the time, nothing is sent
		begin := time.Now()
		n, err := f.send(Command{Rate: 5000, For: d})
		// A busy machine sends less, or ends late.
		took := time.Since(begin)
		if most := int(5000*took.Seconds()) + 1; err != nil || n > most {
			t.Fatalf("%d sent in %v at 5000 a second, want at most %d: %v", n, took, most, err)
		}
		if sent = n; sent > 0 {
			break
		}
	}
	// While the machine stands still, the buffer of the socket may become full.
	var got, dropped uint64
	for end := time.Now().Add(30 * time.Second); got+dropped < uint64(sent) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		s.usage(&after)
		got, dropped = after.RxPackets-before.RxPackets, after.Drops-before.Drops
	}
	if got+dropped != uint64(sent) || got == 0 {
		t.Errorf("%d arrived of %d, and %d were dropped", got, sent, dropped)
	}
	if r := ask(t, seeded(t, s.(*core), 1), load.Plan{Requests: 1}); r.Total.Answered != 1 {
		t.Errorf("a session after the flood: %+v, %+v", r.Total, r.Events)
	}
	fast := 0
	for i := 0; i < 10 && fast == 0; i++ {
		if fast, err = f.send(Command{For: d}); err != nil {
			t.Fatal(err)
		}
	}
	if fast == 0 {
		t.Error("none sent at full speed")
	}
	if err := run(s, Command{Op: "flood"}, new(Reply)); err == nil {
		t.Error("a server that floods")
	}
}
