package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// A target that has lost its sessions, by a restart, gets new handshakes within the run, and every
// request its answer.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Window: 40}, {Rate: 2000}, {Window: 40, DisableGSO: true}} {
		c.Mix, c.Identities, c.Timeout = Mix{Ping: 1, FindNode: 1, Talk: 1}, 15, enough
		c.TalkSize = MaxTalk - 10 // a handshake has no room for it
		// A machine that does not make a handshake within the life of its challenge loses requests:
		// it gets another chance.
		var err error
		for range 3 {
			if err = restart(t, c); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("window %d, rate %v: %v", c.Window, c.Rate, err)
		}
	}
}

func restart(t *testing.T, c Config) error {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n, to := node(t, "127.0.0.1:0", func(c *discv5.Config) { c.PrivateKey = key })
	c.Target = to
	g := generate(t, c)
	prepare(t, g)
	n.Close()
	node(t, to.Addr.String(), func(c *discv5.Config) { c.PrivateKey = key })
	r := load(t, g, Plan{For: patience, Requests: 600})
	if r.Total.Sent != 600 || r.Total.Answered != 600 {
		return fmt.Errorf("counted %+v, events %+v", r.Total, r.Events)
	}
	if e := r.Events; e.Rekeys < 15 || e.Resent == 0 || e.Whoareyou < 15 || e.Unopened+e.Malformed+e.Foreign > 0 {
		return fmt.Errorf("events %+v", e)
	}
	again := load(t, g, Plan{For: patience, Requests: 300})
	if again.Total.Answered != 300 || again.Events.Rekeys != 0 {
		return fmt.Errorf("the run after: counted %+v, events %+v", again.Total, again.Events)
	}
	return nil
}

// A target that forgets now and then, in the middle of everything.
func TestForgetful(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", nil)
	f.answer = func(r *fakeRequest) {
		usual(r)
		if r.n%7 == 3 {
			r.forget()
		}
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Mix{Ping: 2, FindNode: 1}, Identities: 5, Window: 10, Timeout: enough})
	prepare(t, g)
	r := load(t, g, Plan{For: patience, Requests: 300})
	if r.Total.Answered != 300 || r.Events.Rekeys < 20 {
		t.Errorf("counted %+v, events %+v", r.Total, r.Events)
	}
}

// Lost requests are counted as such, each once, and what comes for them later is late.
func TestLost(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", nil)
	var held []func()
	f.answer = func(r *fakeRequest) {
		switch {
		case r.n < 10: // handshakes
			usual(r)
		case r.n%4 == 1:
		case r.n%4 == 2:
			r := *r
			held = append(held, r.pong)
		default:
			usual(r)
		}
		if r.n == 400 {
			for _, f := range held {
				f()
			}
		}
	}
	f.serve()
	for _, c := range []Config{{Rate: 1000}} {
		c.Target, c.Mix, c.Identities, c.Timeout = to, Only(Ping), 10, 100*time.Millisecond
		g := generate(t, c)
		prepare(t, g)
		r := load(t, g, Plan{For: patience, Requests: 400})
		if r.Total.Sent != 400 || r.Total.Answered+r.Total.Lost != 400 || r.Pending != 0 {
			t.Errorf("counted %+v, %d pending", r.Total, r.Pending)
		}
		if r.Total.Lost < 90 {
			t.Errorf("%d lost", r.Total.Lost)
		}
		// Responses to remembered requests are late, older ones match nothing.
		if e := r.Events; e.Late < 20 || e.Late+e.Unmatched > r.Total.Lost || e.Bad() > e.Unmatched {
			t.Errorf("%d lost, events %+v", r.Total.Lost, e)
		}
		if loss := r.Loss(); loss != float64(r.Total.Lost)/400 {
			t.Errorf("loss %v", loss)
		}
	}
}

// A WHOAREYOU that comes when its packet has been given up, and no other waits, is late, and
// nothing bad.
func TestLateChallenge(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.seen = func(*codec.Packet) { time.Sleep(25 * time.Millisecond) }
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Junk), Rate: 20, Timeout: 10 * time.Millisecond})
	r := load(t, g, Plan{For: patience, Requests: 6})
	if e := r.Events; e.Bad() != 0 || e.Late+r.Total.Answered == 0 {
		t.Errorf("counted %+v, events %+v", r.Total, e)
	}
}

// All packets of a NODES answer are waited for, and a total that makes no sense hangs nobody.
func TestNodes(t *testing.T) {
	t.Parallel()
	key, err := enr.ParsePrivateKeyHex("0000000000000000000000000000000000000000000000000000000000000009")
	if err != nil {
		t.Fatal(err)
	}
	rec, err := enr.NewBuilder().Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	one := rec.Bytes()
	var wg sync.WaitGroup
	var lost atomic.Bool
	for _, c := range []struct {
		name           string
		answer         func(r *fakeRequest)
		answered       uint64 // of 20
		records        uint64
		late, mistaken uint64
	}{
		{name: "one", answer: func(r *fakeRequest) { r.nodes(1, one, one) }, answered: 20, records: 40},
		{name: "empty", answer: func(r *fakeRequest) { r.nodes(1) }, answered: 20},
		{name: "three", answer: func(r *fakeRequest) { r.nodes(3, one); r.nodes(3, one, one); r.nodes(3) }, answered: 20, records: 60},
		{name: "one of two is missing", answer: func(r *fakeRequest) { r.nodes(2, one) }, records: 20},
		{name: "the first total counts", answer: func(r *fakeRequest) { r.nodes(2); r.nodes(5) }, answered: 20},
		{name: "no total", answer: func(r *fakeRequest) { r.nodes(0, one) }, answered: 20, records: 20},
		{name: "huge total", answer: func(r *fakeRequest) { r.nodes(1 << 60) }},
		// One request is lost, because a run does not wait for what comes after its last answer.
		{name: "more than announced", answer: func(r *fakeRequest) {
			if lost.CompareAndSwap(false, true) {
				return
			}
			r.nodes(1)
			r.nodes(1)
		}, answered: 19, late: 19},
		{name: "another kind", answer: func(r *fakeRequest) { r.pong() }, mistaken: 20},
		{name: "another request", answer: func(r *fakeRequest) { r.req, _ = codec.NewRequestID([]byte{1, 2, 3, 4, 5, 6, 7, 8}); r.nodes(1) }, late: 20},
		{name: "short request ID", answer: func(r *fakeRequest) { r.req, _ = codec.NewRequestID([]byte{1}); r.nodes(1) }, mistaken: 20},
		{name: "no list", answer: func(r *fakeRequest) { r.send([]byte{byte(codec.TypeNodes), 0x81}) }, mistaken: 20},
		{name: "no record", answer: func(r *fakeRequest) { r.nodes(1, []byte{0x01}) }, mistaken: 20},
		{name: "no message", answer: func(r *fakeRequest) { r.send([]byte{0x77, 0xc0}) }, mistaken: 20},
	} {
		f, to := newFake(t, "127.0.0.1:0", nil)
		f.answer = func(r *fakeRequest) {
			if r.kind != codec.TypeFindNode {
				usual(r)
				return
			}
			c.answer(r)
		}
		f.serve()
		g := generate(t, Config{Target: to, Mix: Only(FindNode), Identities: 4, Sockets: 2, Window: 20, Timeout: 1500 * time.Millisecond})
		prepare(t, g)
		// All together: where requests are lost, each has to wait for that.
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := g.Run(t.Context(), Plan{For: patience, Requests: 20})
			if err != nil || r.Total.Sent != 20 || r.Total.Answered != c.answered || r.Total.Lost != 20-c.answered {
				t.Errorf("%s: %v, counted %+v, want %d answers", c.name, err, r.Total, c.answered)
			}
			e := r.Events
			// No request waits for an answer that comes a second time.
			if e.Records != c.records || e.Late+e.Unmatched != c.late || e.Malformed != c.mistaken {
				t.Errorf("%s: events %+v", c.name, e)
			}
		}()
	}
	wg.Wait()
}

// Datagrams that are not responses are counted and otherwise ignored.
func TestForeign(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", nil)
	other := otherSocket(t)
	f.answer = func(r *fakeRequest) {
		if r.n >= 5 {
			other.WriteToUDPAddrPort(make([]byte, 100), r.from)  // from elsewhere
			f.conn.WriteToUDPAddrPort(make([]byte, 100), r.from) // for nobody
			ping := codec.Ping{RequestID: r.req, RecordSeq: 1}
			r.send(ping.Append(nil))
			keys := *r.sessions[r.id]
			keys.keys = keys.wrong
			good := r.sessions[r.id]
			r.sessions[r.id] = &keys
			r.pong()
			r.sessions[r.id] = good
		}
		usual(r)
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 5, Window: 1, Timeout: enough})
	prepare(t, g)
	r := load(t, g, Plan{For: patience, Requests: 50})
	if r.Total.Answered != 50 {
		t.Errorf("counted %+v", r.Total)
	}
	e := r.Events
	if e.Foreign != 50 || e.Unmatched != 50 || e.Asked != 50 || e.Unopened != 50 || e.Bad() != 150 || e.Late != 0 {
		t.Errorf("events %+v", e)
	}
}

// Forms of handshakes are what they are said to be, and a target that takes a bad one is found out.
func TestHandshakeForms(t *testing.T) {
	t.Parallel()
	for _, accept := range []bool{false, true} {
		for _, form := range []HandshakeForm{GoodHandshake, BadProof, BadRecord} {
			f, to := newFake(t, "127.0.0.1:0", usual)
			f.acceptAll = accept
			f.serve()
			g := generate(t, Config{Target: to, Mix: Only(Handshake), Handshake: form, Identities: 8, Window: 8, Timeout: enough})
			prepare(t, g)
			r := load(t, g, Plan{For: patience, Requests: 20})
			whole(t, r)
			want := [3]int64{}
			want[form] = 20
			counted := func() [3]int64 { return [3]int64{f.good.Load(), f.badProof.Load(), f.badRecord.Load()} }
			// Nothing tells the generator when the last bad one has been looked at.
			for end := time.Now().Add(patience); counted() != want && time.Now().Before(end); time.Sleep(time.Millisecond) {
			}
			if got := counted(); got != want {
				t.Errorf("%v: good, bad proof, bad record: %v, want %v", form, got, want)
			}
			if accepted := r.Events.Accepted > 0; accepted != (accept && form != GoodHandshake) {
				t.Errorf("%v, accepting all %v: %d accepted", form, accept, r.Events.Accepted)
			}
		}
	}
}

// A target that is not there ends Prepare, and a run gets no answers.
func TestSilent(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual) // nobody serves it
	defer f.conn.Close()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 30, Timeout: 20 * time.Millisecond})
	if _, err := g.Run(t.Context(), Plan{For: time.Second}); !errors.Is(err, ErrNotPrepared) {
		t.Errorf("Run without sessions: %v", err)
	}
	p, err := g.Prepare(t.Context(), nil)
	if !errors.Is(err, ErrSilent) || p.Sessions != 0 || p.Failed < 1 {
		t.Errorf("%+v, %v", p, err)
	}
	g = generate(t, Config{Target: to, Mix: Only(Junk), Window: 30, Timeout: 20 * time.Millisecond})
	r := load(t, g, Plan{For: 50 * time.Millisecond})
	if r.Total.Sent < 30 || r.Total.Lost != r.Total.Sent || r.Latency.Count() != 0 || r.Loss() != 1 || r.Rate() != 0 {
		t.Errorf("counted %+v", r.Total)
	}
}

// An open loop against a target that does not answer takes no more memory than the bound says, and
// counts what it left out.
func TestOutstandingBound(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	defer f.conn.Close()
	g := generate(t, Config{Target: to, Mix: Only(Junk), Rate: 100_000, Timeout: 10 * time.Second, Sockets: 1, Outstanding: 500})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := g.Run(ctx, Plan{For: patience, Every: 10 * time.Millisecond, OnPoint: func(p Point) {
		if p.Counts.Unsent > 0 {
			cancel()
		}
	}})
	if err != nil || !r.Interrupted || r.Total.Sent != 500 || r.Pending != 500 || r.Total.Unsent == 0 || r.Loss() != 1 {
		t.Errorf("counted %+v, %d pending, %v", r.Total, r.Pending, err)
	}
}

// A run that is interrupted reports what has been so far.
func TestInterrupted(t *testing.T) {
	if raceEnabled {
		t.Skip("counts on answers in time, which the race detector makes too slow")
	}
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 30, Rate: 500})
	early, cancelEarly := context.WithCancel(t.Context())
	cancelEarly()
	if _, err := g.Prepare(early, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare: %v", err)
	}
	calls, last := 0, 0
	p, err := g.Prepare(t.Context(), func(done, all int) {
		if calls++; all != 30 {
			t.Errorf("%d of %d", done, all)
		}
		last = done
	})
	if err != nil || p.Sessions != 30 || calls == 0 || last != 30 {
		t.Fatalf("%+v after %d calls, the last of %d: %v", p, calls, last, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var busy error
	r, err := g.Run(ctx, Plan{For: time.Minute, Every: time.Millisecond, OnPoint: func(p Point) {
		if p.Start > 50*time.Millisecond {
			_, busy = g.Run(ctx, Plan{For: time.Second})
			cancel()
		}
	}})
	if err != nil || !r.Interrupted || r.Sending >= time.Minute {
		t.Fatalf("%+v, %v", r, err)
	}
	if !errors.Is(busy, ErrBusy) && busy != nil {
		t.Errorf("second Run meanwhile: %v", busy)
	}
	whole(t, r)
}

// A timeout that requests keep and handshakes cannot does not keep sessions from being made.
func TestPrepareShortTimeout(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", func(r *fakeRequest) {
		if r.n < 5 {
			time.Sleep(30 * time.Millisecond) // the requests of the handshakes
		}
		usual(r)
	})
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 5, Timeout: 10 * time.Millisecond})
	if p := prepare(t, g); p.Sessions != 5 {
		t.Errorf("%+v", p)
	}
}

// A handshake within a run that is lost is made again as soon as its challenge has ended, and no
// request is lost for it.
func TestLostHandshake(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{true, false} {
		lostHandshake(t, ends)
	}
}

// lostHandshake has the challenge end with the handshake that is lost, or live on and be sent
// again.
func lostHandshake(t *testing.T, ends bool) {
	f, to := newFake(t, "127.0.0.1:0", usual)
	messages, handshakes := 0, 0
	f.loses = func(p *codec.Packet) bool {
		switch p.Flag {
		case codec.FlagMessage:
			if messages++; messages == 5 { // the first one began the session
				delete(f.sessions, p.SourceID)
			}
			return false
		case codec.FlagHandshake:
			if handshakes++; handshakes == 2 && ends {
				delete(f.sessions, p.SourceID)
			}
			return handshakes == 2
		}
		return false
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 1, Rate: 50, Timeout: enough})
	prepare(t, g)
	r := load(t, g, Plan{For: patience, Requests: 100})
	if r.Total.Answered != 100 || r.Events.Rekeys < 2 {
		t.Errorf("challenge ends %v: counted %+v, events %+v", ends, r.Total, r.Events)
	}
}
