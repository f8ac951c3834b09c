package load

import (
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
	"github.com/fastdisc/discv5/internal/session"
)

// Junk IDs that repeat get the challenge again that names their first packet, and every packet
// counts as answered.
func TestRepeatedChallenges(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Junk), JunkIDs: 3, Window: 6, Sockets: 2, Timeout: enough})
	r := load(t, g, Plan{For: patience, Requests: 60})
	whole(t, r)
	if r.Total.Answered != 60 || r.Events.Whoareyou != 60 {
		t.Errorf("counted %+v, events %+v", r.Total, r.Events)
	}
}

// Packets that name another sender than the target, and challenges to packets that nobody sent, are
// counted separately.
func TestWrongName(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", nil)
	f.answer = func(r *fakeRequest) {
		if r.n < 5 { // the handshakes
			usual(r)
			return
		}
		f.self[0] ^= 1
		r.pong()
		f.self[0] ^= 1
		ch := session.Challenge{Nonce: codec.Nonce{1}}
		b := ch.AppendPacket(nil, codec.DefaultProtocol, &r.id)
		f.conn.WriteToUDPAddrPort(b, r.from)
		usual(r)
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 5, Window: 1, Timeout: enough})
	prepare(t, g)
	r := load(t, g, Plan{For: patience, Requests: 20})
	if e := r.Events; r.Total.Answered != 20 || e.Malformed != 20 || e.Stray != 20 || e.Bad() != 40 || e.Late != 0 || e.Rekeys != 0 {
		t.Errorf("counted %+v, events %+v", r.Total, e)
	}
}

// A handshake has twice the time of another request.
func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	_, to := newFake(t, "127.0.0.1:0", usual) // nobody serves it
	const timeout = 100 * time.Millisecond
	g := generate(t, Config{Target: to, Mix: Only(Handshake), Window: 1, Timeout: timeout})
	began := time.Now()
	r := load(t, g, Plan{For: patience, Requests: 1})
	if took := time.Since(began); r.Total.Lost != 1 || took < 2*timeout {
		t.Errorf("counted %+v after %v", r.Total, took)
	}
}

// A generator that is late beyond hope does not send what is left, and counts it.
func TestHopelesslyLate(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Junk), JunkSize: codec.MaxPacketSize, Rate: 20_000, Timeout: 10 * time.Millisecond})
	// The worker pauses before it has sealed a thousand packets, for longer than the rest of the
	// plan and two timeouts.
	var err error
	if g.workers[0].random, err = aead.NewRandom(&slowSource{pause: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	r := load(t, g, Plan{For: 100 * time.Millisecond})
	if r.Total.Sent+r.Total.Unsent != 2000 || r.Total.Unsent == 0 || r.Total.Answered+r.Total.Lost != r.Total.Sent {
		t.Errorf("counted %+v, want 2000 sent or unsent", r.Total)
	}
}

// Each run has its own traffic, and says how busy it was.
func TestRunsApart(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 4, Window: 4, Timeout: enough})
	prepare(t, g)
	for range 3 {
		r := load(t, g, Plan{For: patience, Requests: 50})
		whole(t, r)
		if tr := r.Traffic; tr.TxDatagrams != 50 || tr.RxDatagrams != 50 {
			t.Errorf("traffic %+v", tr)
		}
		if r.Busy <= 0 || r.Busy > 1 {
			t.Errorf("busy %v", r.Busy)
		}
	}
}

// Figures that are made of others.
func TestFigures(t *testing.T) {
	r := &Result{Sending: time.Second, Elapsed: 2 * time.Second, Pending: 5, Total: Counts{Sent: 90, Answered: 60, Lost: 25, Unsent: 10}}
	if r.Rate() != 30 || r.Loss() != 0.4 {
		t.Errorf("rate %v, loss %v", r.Rate(), r.Loss())
	}
	s := time.Second
	now := Usage{OwnUser: 9 * s, OwnSystem: 8 * s, TargetUser: 7 * s, TargetSystem: 6 * s, Steal: 5 * s, TargetRSS: 4, TargetKnown: true, StealKnown: true}
	before := Usage{OwnUser: 1 * s, OwnSystem: 2 * s, TargetUser: 3 * s, TargetSystem: 4 * s, Steal: 1 * s, TargetRSS: 9, TargetKnown: true, StealKnown: true}
	want := Usage{OwnUser: 8 * s, OwnSystem: 6 * s, TargetUser: 4 * s, TargetSystem: 2 * s, Steal: 4 * s, TargetRSS: 4, TargetKnown: true, StealKnown: true}
	if got := now.since(before); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	before.TargetKnown, before.StealKnown = false, false
	if got := now.since(before); got.TargetKnown || got.StealKnown || got.TargetUser != 0 || got.TargetRSS != 0 {
		t.Errorf("without a first reading: %+v", got)
	}
}

// Every way in which the generator may have been the limit is named, and nothing is where there is
// none.
func TestLimits(t *testing.T) {
	lag := func(d time.Duration) *Histogram {
		h := NewHistogram()
		h.Record(d, 100)
		return h
	}
	for want, r := range map[string]*Result{
		"busy":            {Busy: 0.96},
		"behind":          {Lag: lag(2 * time.Millisecond)},
		"receive buffers": {Traffic: fastpath.ConnStats{KernelDrops: 1}},
		"not sent":        {Total: Counts{Unsent: 1}},
		"be sent":         {Traffic: fastpath.ConnStats{SendErrors: fastpath.SendErrors{NoBuffers: 1}}},
	} {
		if list := r.Limits(); len(list) != 1 || !strings.Contains(list[0], want) {
			t.Errorf("%s: %q", want, list)
		}
	}
	if list := (&Result{Busy: 0.9, Lag: lag(100 * time.Microsecond)}).Limits(); len(list) != 0 {
		t.Errorf("no sign: %q", list)
	}
}

// Requests that end a run are shared out among workers, whatever does not divide included.
func TestRequestsOfWorkers(t *testing.T) {
	for _, workers := range []int{1, 3, 7} {
		sum := uint64(0)
		for worker := range workers {
			sum += (&Plan{Requests: 20}).requests(worker, workers)
		}
		if sum != 20 {
			t.Errorf("%d workers send %d of 20", workers, sum)
		}
	}
}

// Datagrams from another port of the target's address are not the target's.
func TestOtherPort(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", nil)
	other := otherSocket(t)
	f.answer = func(r *fakeRequest) {
		if r.n >= 2 {
			// as good as the answer
			early := codec.Pong{RequestID: r.req, RecordSeq: 1, Recipient: r.from}
			other.WriteToUDPAddrPort(r.seal(early.Append(nil)), r.from)
		}
		usual(r)
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 2, Window: 1, Timeout: enough})
	prepare(t, g)
	r := load(t, g, Plan{For: patience, Requests: 20})
	if r.Total.Answered != 20 || r.Events.Foreign != 20 || r.Events.Late != 0 {
		t.Errorf("counted %+v, events %+v", r.Total, r.Events)
	}
}
