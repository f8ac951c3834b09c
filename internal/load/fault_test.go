package load

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
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
	key, err := enr.GenerateKey(crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// An address of its own: nothing else of this machine takes the port while no node has it.
	at := "127.0.0.1:0"
	if runtime.GOOS == "linux" {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + rand.N(254)), byte(rand.N(256)), byte(1 + rand.N(254))}), 0).String()
	}
	n, to := node(t, at, func(c *discv5.Config) { c.PrivateKey = key })
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
	// An answer that is held leaves when 60 more requests have come. Half of these were not
	// answered, and no more than the window of 20 can be under way: the request is lost by then.
	// The open loop may send all its requests in one burst, after a pause of the machine, and then
	// none of them is late.
	const window, behind = 20, 60
	for _, v := range []struct {
		name string
		cfg  Config
		late uint64 // at least
	}{{"window", Config{Window: window}, 20}, {"rate", Config{Rate: 1000}, 0}} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f, to := newFake(t, "127.0.0.1:0", nil)
			var running atomic.Bool
			var held []func()
			n := 0
			f.answer = func(r *fakeRequest) {
				if !running.Load() {
					usual(r)
					return
				}
				switch n++; n % 4 {
				case 1:
				case 2:
					r := *r
					held = append(held, r.pong)
				default:
					usual(r)
				}
				if len(held) > behind/4 {
					held[0]()
					held = held[1:]
				}
			}
			f.serve()
			c := v.cfg
			c.Target, c.Mix, c.Identities, c.Timeout = to, Only(Ping), 10, 100*time.Millisecond
			g := generate(t, c)
			prepare(t, g)
			running.Store(true)
			r := load(t, g, Plan{For: patience, Requests: 400})
			if r.Total.Sent != 400 || r.Total.Answered+r.Total.Lost != 400 || r.Pending != 0 {
				t.Errorf("counted %+v, %d pending", r.Total, r.Pending)
			}
			if r.Total.Lost < 90 {
				t.Errorf("%d lost", r.Total.Lost)
			}
			// Responses to remembered requests are late, older ones match nothing.
			if e := r.Events; e.Late < v.late || e.Late+e.Unmatched > r.Total.Lost || e.Bad() > e.Unmatched {
				t.Errorf("%d lost, events %+v", r.Total.Lost, e)
			}
			if loss := r.Loss(); loss != float64(r.Total.Lost)/400 {
				t.Errorf("loss %v", loss)
			}
		})
	}
}

// A WHOAREYOU that comes when its packet has been given up, and no other waits, is late, and
// nothing bad.
func TestLateChallenge(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	// The challenge to a packet leaves when the next one has come, from the other socket. With a
	// window of 1 that packet has been sent because the one before was given up.
	var before func()
	f.late = func(challenge func()) {
		if before != nil {
			before()
		}
		before = challenge
	}
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Junk), Window: 1, Sockets: 2, Timeout: 10 * time.Millisecond})
	r := loadUntil(t, g, Plan{For: patience}, 5)
	if e := r.Events; e.Bad() != 0 || e.Late < 5 || e.Late != e.Whoareyou || r.Total.Answered != 0 {
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
		packets        int64 // that come, if not 20
	}{
		{name: "one", answer: func(r *fakeRequest) { r.nodes(1, one, one) }, answered: 20, records: 40},
		{name: "empty", answer: func(r *fakeRequest) { r.nodes(1) }, answered: 20},
		{name: "three", answer: func(r *fakeRequest) { r.nodes(3, one); r.nodes(3, one, one); r.nodes(3) }, answered: 20, records: 60, packets: 60},
		{name: "one of two is missing", answer: func(r *fakeRequest) { r.nodes(2, one) }, records: 20},
		{name: "the first total counts", answer: func(r *fakeRequest) { r.nodes(2); r.nodes(5) }, answered: 20, packets: 40},
		{name: "no total", answer: func(r *fakeRequest) { r.nodes(0, one) }, answered: 20, records: 20},
		{name: "huge total", answer: func(r *fakeRequest) { r.nodes(1 << 60) }},
		// One request has no answer, because a run does not wait for what comes after its last one.
		{name: "more than announced", answer: func(r *fakeRequest) {
			if lost.CompareAndSwap(false, true) {
				return
			}
			r.nodes(1)
			r.nodes(1)
		}, answered: 19, late: 19, packets: 38},
		{name: "another kind", answer: func(r *fakeRequest) { r.pong() }, mistaken: 20},
		{name: "another request", answer: func(r *fakeRequest) { r.req, _ = codec.NewRequestID([]byte{1, 2, 3, 4, 5, 6, 7, 8}); r.nodes(1) }, late: 20},
		{name: "short request ID", answer: func(r *fakeRequest) { r.req, _ = codec.NewRequestID([]byte{1}); r.nodes(1) }, mistaken: 20},
		{name: "no list", answer: func(r *fakeRequest) { r.send([]byte{byte(codec.TypeNodes), 0x81}) }, mistaken: 20},
		{name: "no record", answer: func(r *fakeRequest) { r.nodes(1, []byte{0x01}) }, mistaken: 20},
		{name: "no message", answer: func(r *fakeRequest) { r.send([]byte{0x77, 0xc0}) }, mistaken: 20},
	} {
		// All together: where answers are missing, each waits for a second.
		wg.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				f, to := newFake(t, "127.0.0.1:0", nil)
				f.answer = func(r *fakeRequest) {
					if r.kind != codec.TypeFindNode {
						usual(r)
						return
					}
					c.answer(r)
				}
				f.serve()
				g := generate(t, Config{Target: to, Mix: Only(FindNode), Identities: 4, Sockets: 2, Window: 20, Timeout: enough})
				prepare(t, g)
				packets := c.packets
				if packets == 0 {
					packets = 20
				}
				r := loadUntil(t, g, Plan{For: patience, Requests: 20}, packets)
				if r.Total.Sent != 20 || r.Total.Answered != c.answered || r.Total.Lost+uint64(r.Pending) != 20-c.answered {
					t.Errorf("counted %+v, %d pending, want %d answers", r.Total, r.Pending, c.answered)
				}
				e := r.Events
				// No request waits for an answer that comes a second time.
				if e.Records != c.records || e.Late+e.Unmatched != c.late || e.Malformed != c.mistaken {
					t.Errorf("events %+v", e)
				}
			})
		})
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
	r := load(t, g, Plan{For: patience, Requests: 60})
	if r.Total.Sent != 60 || r.Total.Lost != r.Total.Sent || r.Latency.Count() != 0 || r.Loss() != 1 || r.Rate() != 0 {
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
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Ping), Identities: 30, Rate: 500, Timeout: enough})
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

// An interrupt also shortens the wait for the last answers, when all has been sent.
func TestInterruptedWait(t *testing.T) {
	t.Parallel()
	f, to := newFake(t, "127.0.0.1:0", usual)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// No challenge leaves. By the time of the interrupt the generator only waits.
	f.late = func(func()) { time.AfterFunc(100*time.Millisecond, cancel) }
	f.serve()
	g := generate(t, Config{Target: to, Mix: Only(Junk), Window: 1, Timeout: MaxTimeout})
	began := time.Now()
	r, err := g.Run(ctx, Plan{For: patience, Requests: 1})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > MaxTimeout/2 || !r.Interrupted || r.Total.Sent != 1 || r.Pending != 1 {
		t.Errorf("counted %+v, %d pending, interrupted %v, after %v", r.Total, r.Pending, r.Interrupted, took)
	}
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
		t.Run(fmt.Sprintf("ends %v", ends), func(t *testing.T) {
			t.Parallel()
			lostHandshake(t, ends)
		})
	}
}

// lostHandshake has the challenge end with the handshake that is lost, or live on and be sent
// again.
func lostHandshake(t *testing.T, ends bool) {
	f, to := newFake(t, "127.0.0.1:0", usual)
	messages, handshakes, through := 0, 0, 0
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	f.loses = func(p *codec.Packet) bool {
		switch p.Flag {
		case codec.FlagMessage:
			if messages++; messages == 5 { // the first one began the session
				delete(f.sessions, p.SourceID)
			}
			if handshakes > 2 {
				if through++; through == 10 {
					cancel()
				}
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
	r, err := g.Run(ctx, Plan{For: patience})
	if err != nil {
		t.Fatal(err)
	}
	// The requests of the second that the handshake took are answered. At the end some may be under
	// way.
	if n := uint64(r.Pending); r.Total.Answered+n != r.Total.Sent || r.Total.Answered < 10 || n > 10 || r.Events.Rekeys < 2 {
		t.Errorf("counted %+v, %d pending, events %+v", r.Total, n, r.Events)
	}
}
