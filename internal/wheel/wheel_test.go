package wheel

import (
	"math/rand/v2"
	"testing"
	"time"
)

const (
	ms     = time.Millisecond
	second = time.Second
)

// TestWheelModel compares a wheel with a Go map under random work. A slot fires once, after its
// deadline and at most a tick later.
func TestWheelModel(t *testing.T) {
	const n, size, tick = 40, 8, 10 * ms
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := New(n, size, tick)
		model := make(map[uint32]time.Duration)
		due := make(map[uint32]int64) // the tick in which a slot fires at the latest
		now := time.Duration(r.IntN(1000)) * ms
		for step := range 5000 {
			slot := uint32(r.IntN(n))
			switch r.IntN(4) {
			case 0, 1:
				if _, in := model[slot]; !in {
					d := max(0, now+time.Duration(r.IntN(400)-50)*ms)
					w.Add(slot, d)
					model[slot], due[slot] = d, max(int64(d/tick), w.done)+1
				}
			case 2:
				w.Remove(slot) // also when it is not in
				delete(model, slot)
			case 3:
				switch r.IntN(20) {
				case 0:
					now += time.Duration(r.IntN(1e6)) * ms // far jump
				case 1:
					now -= min(now, time.Duration(r.IntN(30))*ms) // callers' clocks differ a little
				default:
					now += time.Duration(r.IntN(40)) * ms
				}
				w.Advance(now, func(s uint32) {
					d, in := model[s]
					if !in {
						t.Fatalf("seed %d, step %d: slot %d fired without being in", seed, step, s)
					}
					if d >= now {
						t.Fatalf("seed %d, step %d: slot %d fired %v early", seed, step, s, d-now)
					}
					delete(model, s)
				})
				for s, d := range model {
					if due[s] <= int64(now/tick) {
						t.Fatalf("seed %d, step %d: slot %d is %v late", seed, step, s, now-d)
					}
				}
			}
		}
		now += time.Hour
		w.Advance(now, func(s uint32) { delete(model, s) })
		if len(model) != 0 {
			t.Errorf("seed %d: %d slots never fired", seed, len(model))
		}
		for _, h := range w.heads {
			if h != 0 {
				t.Errorf("seed %d: a list is not empty", seed)
			}
		}
	}
}

// TestWheelExact: not at the deadline, but in the tick after it.
func TestWheelExact(t *testing.T) {
	w := New(1, 8, 10*ms)
	for _, d := range []time.Duration{0, 9 * ms, 10 * ms, 11 * ms, 79 * ms, 80 * ms, 81 * ms, 1000 * ms} {
		w = New(1, 8, 10*ms)
		w.Add(0, d)
		var fired time.Duration = -1
		for now := time.Duration(0); now < d+100*ms && fired < 0; now += ms {
			w.Advance(now, func(uint32) { fired = now })
		}
		if fired <= d || fired > d+10*ms {
			t.Errorf("deadline %v fired at %v", d, fired)
		}
	}
}

// TestS26WheelJump: after a jump of time the wheel walks each list once, whatever the distance. It
// fires the slots that are due, keeps the others, and works as before.
func TestS26WheelJump(t *testing.T) {
	const n = 1000
	w := New(n, 64, 10*ms)
	for s := range uint32(n) {
		w.Add(s, time.Duration(s)*ms)
	}
	far := 100 * 365 * 24 * time.Hour
	w.Remove(999)
	w.Add(999, far+second)
	fired := 0
	w.Advance(far, func(uint32) { fired++ })
	if fired != n-1 {
		t.Errorf("%d fired, want %d", fired, n-1)
	}
	w.Add(0, 5*ms) // long ago
	w.Advance(far+10*ms, func(s uint32) {
		if s != 0 {
			t.Errorf("slot %d fired early", s)
		}
		fired++
	})
	w.Advance(0, func(uint32) { t.Error("fired when time went back") })
	w.Advance(far+second+20*ms, func(uint32) { fired++ })
	if fired != n+1 {
		t.Errorf("%d fired, want %d", fired, n+1)
	}
}
