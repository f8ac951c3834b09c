package load

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// stallAt is the number of the request that meets the pause of the target.
const stallAt = 50

// stalls returns a target that pauses before it answers request stallAt of the run.
func stalls(t *testing.T, pause time.Duration) (*fake, Target) {
	f, to := newFake(t, "127.0.0.1:0", nil)
	f.answer = func(r *fakeRequest) {
		if r.n == stallAt+20 { // 20 handshakes have brought one each
			time.Sleep(pause)
		}
		usual(r)
	}
	f.serve()
	return f, to
}

// A target that pauses makes all requests late that should have left meanwhile, and the open loop
// counts them all: it is by counting, not by speed, that this is told. The closed loop shows one
// slow request for each in its window.
func TestStall(t *testing.T) {
	t.Parallel()
	const pause, slow, rate = 300 * time.Millisecond, 100 * time.Millisecond, 500
	_, to := stalls(t, pause)
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 20, Rate: rate, Timeout: enough})
	prepare(t, g)
	r := load(t, g, Plan{For: 700 * time.Millisecond})
	whole(t, r)
	if want := uint64(rate * 0.7); r.Total.Sent != want {
		t.Errorf("%d requests, want %d", r.Total.Sent, want)
	}
	if max := r.Latency.Max(); max < pause {
		t.Errorf("longest latency %v, want %v at least", max, pause)
	}
	// Requests that were due in the first 200 ms of the pause waited 100 ms or more.
	if n, want := r.Latency.over(slow), int64(rate*(pause-slow)/time.Second); n < want-want/20 {
		t.Errorf("%d requests took more than %v, want %d", n, slow, want)
	}

	_, to = stalls(t, pause)
	g = generate(t, Config{Target: to, Mix: Only(Ping), Identities: 20, Window: 1, Timeout: enough})
	prepare(t, g)
	r = load(t, g, Plan{For: patience, Requests: 2 * stallAt})
	whole(t, r)
	if r.Latency.Max() < pause {
		t.Errorf("closed loop: longest latency %v, want %v at least", r.Latency.Max(), pause)
	}
	// The machine may pause for as long.
	if n := r.Latency.over(pause - time.Millisecond); n < 1 || n > 10 {
		t.Errorf("closed loop: %d requests took as long as the pause, want the one that met it", n)
	}
}

// slowSource is a source of randomness that pauses from the second reading on.
type slowSource struct {
	reads int
	pause time.Duration
}

func (s *slowSource) Read(b []byte) (int, error) {
	if s.reads++; s.reads > 1 {
		time.Sleep(s.pause)
	}
	return rand.Read(b)
}

// A schedule that the generator cannot keep shows in latency and lag, and nothing that was due is
// left out.
func TestLateGenerator(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	const pause, slow, rate = 200 * time.Millisecond, 100 * time.Millisecond, 1000
	g := generate(t, Config{Target: to, Mix: Only(Junk), JunkSize: codec.MaxPacketSize, Rate: rate, Timeout: enough})
	// The worker pauses when it wants a new seed, after a MiB: before it has sealed a thousand
	// packets.
	var err error
	if g.workers[0].random, err = aead.NewRandom(&slowSource{pause: pause}); err != nil {
		t.Fatal(err)
	}
	r := load(t, g, Plan{For: 400 * time.Millisecond})
	whole(t, r)
	if want := uint64(rate * 0.4); r.Total.Sent != want {
		t.Errorf("%d requests, want %d", r.Total.Sent, want)
	}
	if lag := r.Lag.Max(); lag < pause/2 || r.Latency.Max() < lag-time.Millisecond {
		t.Errorf("lag up to %v, latency up to %v", lag, r.Latency.Max())
	}
	if n, want := r.Latency.over(slow/2), int64(rate*(pause-slow)/time.Second); n < want {
		t.Errorf("%d requests took more than %v, want %d", n, slow/2, want)
	}
	// Each request took at least as long as it left late, whatever else the machine did.
	for _, q := range []float64{0.5, 0.9, 0.99} {
		if took, late := r.Latency.Quantile(q), r.Lag.Quantile(q); took < late-late/500 {
			t.Errorf("quantile %v: latency %v, lag %v", q, took, late)
		}
	}
	if len(r.Limits()) == 0 {
		t.Error("the generator does not say that it was the limit")
	}
}
