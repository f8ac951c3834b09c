package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// fault says what becomes of packets. The shares are of all packets, from 0 to 1. The zero value
// lets everything through.
type fault struct {
	loss, duplicate float64
	// corrupt alters one bit of a datagram's payload. Half of the time the checksum is made to fit,
	// as a broken router does, so that the datagram reaches the node.
	corrupt float64
	// reorder holds a packet back, so that those behind it overtake it.
	reorder       float64
	delay, jitter time.Duration // jitter is the most that the delay is off, either way
}

// holdBack is the longest time for which a reordered packet waits.
const holdBack = 60 * time.Millisecond

// fate is what becomes of one packet.
type fate struct {
	copies           []time.Duration // for each that arrives, how late; none if it is lost
	corrupt, fix     bool            // alter it; and make its checksums right
	held, duplicated bool
}

// decide draws the fate of a packet.
func (f fault) decide(r *rand.Rand) (x fate) {
	hit := func(share float64) bool { return share > 0 && r.Float64() < share }
	if hit(f.loss) {
		return x
	}
	n := 1
	if x.duplicated = hit(f.duplicate); x.duplicated {
		n = 2
	}
	x.held = hit(f.reorder)
	for range n {
		late := f.delay
		if f.jitter > 0 {
			late += time.Duration(r.Int64N(int64(2*f.jitter))) - f.jitter
		}
		if x.held {
			late += holdBack/4 + time.Duration(r.Int64N(int64(holdBack)*3/4))
		}
		x.copies = append(x.copies, max(late, 0))
	}
	if x.corrupt = hit(f.corrupt); x.corrupt {
		x.fix = r.Uint64()%2 == 0
	}
	return x
}

func (f fault) String() string {
	var parts []string
	for _, p := range []struct {
		share float64
		name  string
	}{{f.loss, "loss"}, {f.duplicate, "duplicate"}, {f.corrupt, "corrupt"}, {f.reorder, "reorder"}} {
		if p.share > 0 {
			parts = append(parts, fmt.Sprintf("%s %.0f %%", p.name, p.share*100))
		}
	}
	if f.delay > 0 {
		parts = append(parts, fmt.Sprintf("delay %v ± %v", f.delay, f.jitter))
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// netem is the fault as arguments of tc's netem. Its reordering sends some packets without
// the delay.
func (f fault) netem() []string {
	var args []string
	percent := func(name string, share float64) {
		if share > 0 {
			args = append(args, name, fmt.Sprintf("%g%%", share*100))
		}
	}
	delay := f.delay
	if f.reorder > 0 {
		delay = max(delay, holdBack/2)
	}
	if delay > 0 {
		args = append(args, "delay", fmt.Sprintf("%dms", delay.Milliseconds()), fmt.Sprintf("%dms", f.jitter.Milliseconds()))
	}
	percent("loss", f.loss)
	percent("duplicate", f.duplicate)
	percent("corrupt", f.corrupt)
	percent("reorder", f.reorder)
	return args
}

// The tests rely on this: a fault does to packets what it says, as often as it says.
func TestFault(t *testing.T) {
	const n = 20000
	r := rand.New(rand.NewPCG(1, 2))
	f := fault{loss: 0.3, duplicate: 0.1, corrupt: 0.2, reorder: 0.25, delay: 200 * time.Millisecond, jitter: 50 * time.Millisecond}
	var lost, twice, corrupt, fixed, held int
	for range n {
		x := f.decide(r)
		if len(x.copies) == 0 {
			lost++
			continue
		}
		for _, late := range x.copies {
			if late < f.delay-f.jitter || late > f.delay+f.jitter+holdBack {
				t.Fatalf("a packet is %v late", late)
			}
		}
		for c, yes := range map[*int]bool{&twice: len(x.copies) == 2, &corrupt: x.corrupt, &fixed: x.fix, &held: x.held} {
			if yes {
				*c++
			}
		}
	}
	for _, c := range []struct {
		name  string
		got   int
		share float64
	}{{"lost", lost, 0.3}, {"duplicated", twice, 0.07}, {"corrupt", corrupt, 0.14}, {"fixed", fixed, 0.07}, {"held", held, 0.175}} {
		if got := float64(c.got) / n; got < c.share*0.9 || got > c.share*1.1 {
			t.Errorf("%s: %.3f of all packets, want %.3f", c.name, got, c.share)
		}
	}
	if x := (fault{}).decide(r); len(x.copies) != 1 || x.copies[0] != 0 || x.corrupt {
		t.Errorf("no fault does %+v", x)
	}
	want := "delay 200ms 50ms loss 30% duplicate 10% corrupt 20% reorder 25%"
	if got := strings.Join(f.netem(), " "); got != want {
		t.Errorf("netem %q, want %q", got, want)
	}
}
