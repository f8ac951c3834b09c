package engine

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

const (
	ms     = time.Millisecond
	second = time.Second
	minute = time.Minute
)

func requestRandom(t testing.TB, n byte) *aead.Random {
	t.Helper()
	r, err := aead.NewRandom(rand.NewChaCha8([32]byte{n}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type testRequest struct {
	id    codec.RequestID
	addr  string
	ended atomic.Int32
}

func addRequest(t testing.TB, p *requestTable[*testRequest], deadline time.Duration, addr string) *testRequest {
	t.Helper()
	v, ok := p.add(deadline, requestRandom(t, byte(deadline/ms)^byte(deadline/second)), func(id codec.RequestID) *testRequest {
		return &testRequest{id: id, addr: addr}
	})
	if !ok {
		t.Fatal("full")
	}
	return v
}

func from(addr string) func(*testRequest) bool {
	return func(r *testRequest) bool { return r.addr == addr }
}

func TestRequestEndsOnce(t *testing.T) {
	p := newRequestTable[*testRequest](4)
	v := addRequest(t, p, second, "a")
	if got, ok := p.get(v.id); !ok || got != v || p.size() != 1 {
		t.Fatal("not there")
	}
	if got, ok := p.take(v.id); !ok || got != v {
		t.Fatal("not taken")
	}
	if _, ok := p.take(v.id); ok {
		t.Error("taken twice")
	}
	if _, ok := p.get(v.id); ok || p.setNonce(v.id, new(codec.Nonce)) || p.size() != 0 {
		t.Error("still there")
	}
	if got := p.expire(time.Hour, nil); len(got) != 0 {
		t.Errorf("%d expired after it was taken", len(got))
	}
	if got := p.drain(nil); len(got) != 0 {
		t.Errorf("%d drained after it was taken", len(got))
	}
}

func TestRequestExpire(t *testing.T) {
	p := newRequestTable[*testRequest](10)
	a, b := addRequest(t, p, second, "a"), addRequest(t, p, 10*second, "b") // b is beyond the ring
	for now := time.Duration(0); now <= second; now += 3 * ms {
		if got := p.expire(now, nil); len(got) != 0 {
			t.Fatalf("expired at %v", now)
		}
	}
	if got := p.expire(second+2*requestTick, nil); len(got) != 1 || got[0] != a {
		t.Fatalf("%d expired", len(got))
	}
	if _, ok := p.take(a.id); ok {
		t.Error("taken after it expired")
	}
	for now := 2 * second; now <= 10*second; now += 100 * ms {
		if got := p.expire(now, nil); len(got) != 0 {
			t.Fatalf("expired at %v", now)
		}
	}
	dst := []*testRequest{a}
	if dst = p.expire(1000*time.Hour, dst); len(dst) != 2 || dst[1] != b { // S26
		t.Errorf("%d expired after a jump", len(dst))
	}
}

// TestRequestStale: an ID finds nothing once its request has ended, though its slot is used again;
// nor do IDs of other forms.
func TestRequestStale(t *testing.T) {
	p := newRequestTable[*testRequest](1)
	old := addRequest(t, p, second, "a")
	p.take(old.id)
	v := addRequest(t, p, 2*second, "b")
	if v.id == old.id {
		t.Fatal("the same ID again")
	}
	b := v.id.Bytes()
	ids := map[string][]byte{
		"old": old.id.Bytes(), "empty": nil, "slot alone": b[:4], "7 bytes": b[:7], "zero": make([]byte, 8),
		"slot out of range": append([]byte{0xff, 0xff, 0xff, 0xff}, b[4:]...),
		"next slot":         append([]byte{0, 0, 0, 1}, b[4:]...),
		"another random":    append(append([]byte{}, b[:7]...), b[7]+1),
	}
	for name, b := range ids {
		id, err := codec.NewRequestID(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.get(id); ok {
			t.Errorf("%s: found", name)
		}
		if _, ok := p.take(id); ok {
			t.Errorf("%s: taken", name)
		}
		if p.setNonce(id, &codec.Nonce{1}) {
			t.Errorf("%s: nonce set", name)
		}
	}
	if _, ok := p.take(v.id); !ok {
		t.Error("the request itself is gone")
	}
}

func TestRequestFull(t *testing.T) {
	const n = 100
	p := newRequestTable[*testRequest](n)
	var all []*testRequest
	seen := make(map[codec.RequestID]bool)
	for i := range n {
		v := addRequest(t, p, time.Duration(i)*ms, "a")
		if seen[v.id] {
			t.Fatal("two requests with one ID")
		}
		seen[v.id] = true
		all = append(all, v)
	}
	called := false
	if _, ok := p.add(0, requestRandom(t, 1), func(codec.RequestID) *testRequest { called = true; return nil }); ok || called {
		t.Error("room for more than there is")
	}
	p.take(all[50].id)
	addRequest(t, p, second, "b")
	if p.size() != n {
		t.Errorf("%d pending", p.size())
	}
	if got := p.drain(nil); len(got) != n || p.size() != 0 {
		t.Errorf("%d drained, %d left", len(got), p.size())
	}
}

// TestS25Challenged: only the nonce of the newest packet, from the right source, once for each
// packet.
func TestS25Challenged(t *testing.T) {
	p := newRequestTable[*testRequest](4)
	v := addRequest(t, p, second, "a")
	n1, n2 := codec.Nonce{1}, codec.Nonce{2}
	if _, ok := p.challenged(&codec.Nonce{}, 5*second, from("a")); ok {
		t.Error("challenged before it was sent")
	}
	p.setNonce(v.id, &n1)
	if _, ok := p.challenged(&n2, 5*second, from("a")); ok {
		t.Error("challenged with a guessed nonce")
	}
	if _, ok := p.challenged(&n1, 5*second, from("b")); ok {
		t.Error("challenged by another source")
	}
	if got := p.expire(second-ms, nil); len(got) != 0 {
		t.Fatal("expired early")
	}
	if got, ok := p.challenged(&n1, 5*second, from("a")); !ok || got != v {
		t.Fatal("the wrong source has used the nonce up")
	}
	if _, ok := p.challenged(&n1, 50*second, from("a")); ok {
		t.Error("challenged twice for one packet")
	}
	if got := p.expire(5*second, nil); len(got) != 0 {
		t.Error("the deadline has not moved")
	}
	p.setNonce(v.id, &n1)
	p.setNonce(v.id, &n2)
	if _, ok := p.challenged(&n1, 50*second, from("a")); ok {
		t.Error("challenged for a packet that another has replaced")
	}
	if got := p.expire(5*second+2*requestTick, nil); len(got) != 1 {
		t.Error("the second deadline has not been kept")
	}
	if _, ok := p.challenged(&n2, 50*second, from("a")); ok || len(p.byNonce) != 0 {
		t.Errorf("challenged after the end; %d nonces kept", len(p.byNonce))
	}
}

// TestS25WrongSourceKeepsDeadline: a WHOAREYOU from elsewhere does not prolong the request.
func TestS25WrongSourceKeepsDeadline(t *testing.T) {
	p := newRequestTable[*testRequest](4)
	v := addRequest(t, p, second, "a")
	p.setNonce(v.id, &codec.Nonce{1})
	p.challenged(&codec.Nonce{1}, time.Hour, from("b"))
	if got := p.expire(second+2*requestTick, nil); len(got) != 1 {
		t.Error("the deadline has moved")
	}
}

// TestRequestMove: a deadline moves both ways, and not once the request has ended.
func TestRequestMove(t *testing.T) {
	for _, c := range []struct {
		name     string
		deadline time.Duration
	}{{"later", 3 * second}, {"earlier", 100 * ms}, {"unchanged", second}} {
		t.Run(c.name, func(t *testing.T) {
			p := newRequestTable[*testRequest](4)
			v := addRequest(t, p, second, "a")
			if !p.move(v.id, c.deadline) {
				t.Fatal("a pending request did not move")
			}
			if n := p.nextExpiry(); n < c.deadline || n > c.deadline+requestTick {
				t.Errorf("expires at %v, want %v", n, c.deadline)
			}
			if got := p.expire(c.deadline-requestTick, nil); len(got) != 0 {
				t.Error("expired before its deadline")
			}
			if got := p.expire(c.deadline+2*requestTick, nil); len(got) != 1 {
				t.Error("not expired after its deadline")
			}
			if p.move(v.id, second) {
				t.Error("an ended request moved")
			}
		})
	}
}

// TestRequestConcurrent: each request ends exactly once, however many goroutines try to end it.
func TestRequestConcurrent(t *testing.T) {
	const rounds, n = 20, 200
	p := newRequestTable[*testRequest](n)
	end := func(v *testRequest) {
		if v.ended.Add(1) != 1 {
			t.Error("ended twice")
		}
	}
	var total atomic.Int32
	for round := range rounds {
		now := time.Duration(round) * minute
		all := make([]*testRequest, n)
		for i := range all {
			all[i] = addRequest(t, p, now+time.Duration(i)*ms, "a")
			p.setNonce(all[i].id, &codec.Nonce{byte(round), byte(i)})
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for _, v := range all {
					if got, ok := p.take(v.id); ok {
						end(got)
						total.Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			for i := range all {
				p.challenged(&codec.Nonce{byte(round), byte(i)}, now+10*ms, from("a"))
				p.setNonce(all[i].id, &codec.Nonce{byte(round), byte(i), 1})
				p.get(all[i].id)
			}
		})
		wg.Go(func() {
			for i := range n {
				for _, v := range p.expire(now+time.Duration(i)*ms, nil) {
					end(v)
					total.Add(1)
				}
			}
		})
		wg.Go(func() {
			for range 3 {
				for _, v := range p.drain(nil) {
					end(v)
					total.Add(1)
				}
			}
		})
		wg.Wait()
		if p.size() != 0 || len(p.byNonce) != 0 {
			t.Fatalf("%d left, %d nonces", p.size(), len(p.byNonce))
		}
	}
	if total.Load() != rounds*n {
		t.Errorf("%d ended, want %d", total.Load(), rounds*n)
	}
}

func TestRequestAllocs(t *testing.T) {
	p, r := newRequestTable[*testRequest](4), requestRandom(t, 1)
	v, now, nonce := new(testRequest), time.Duration(0), codec.Nonce{1}
	made := func(id codec.RequestID) *testRequest { v.id = id; return v }
	accept := func(*testRequest) bool { return true }
	dst := make([]*testRequest, 0, 4)
	if n := testing.AllocsPerRun(1000, func() {
		p.add(now+second, r, made)
		p.setNonce(v.id, &nonce)
		p.challenged(&nonce, now+second, accept)
		if _, ok := p.take(v.id); !ok {
			t.Fatal("not there")
		}
		p.add(now+second, r, made)
		now += minute
		if len(p.expire(now, dst)) != 1 {
			t.Fatal("not expired")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Peers that keep request IDs as numbers drop leading zeros.
func TestRequestIDHasNoLeadingZero(t *testing.T) {
	p, r := newRequestTable[int](10), requestRandom(t, 1)
	for range 10 {
		var id codec.RequestID
		p.add(second, r, func(i codec.RequestID) int { id = i; return 0 })
		if b := id.Bytes(); len(b) != codec.MaxRequestID || b[0] == 0 {
			t.Errorf("request ID %x", b)
		}
		if _, ok := p.get(id); !ok {
			t.Errorf("request %x is not found", id.Bytes())
		}
	}
}

// However far time has jumped, what is not due stays, and nextExpiry names the time from which
// expire finds something.
func TestRequestNextExpiry(t *testing.T) {
	p, r := newRequestTable[int](8), requestRandom(t, 2)
	if at := p.nextExpiry(); at < 1<<62 {
		t.Errorf("%v with nothing in it", at)
	}
	deadlines := []time.Duration{10 * time.Second, 3 * time.Second, 3*time.Second + requestTick, 100 * time.Millisecond}
	for i, d := range deadlines {
		p.add(d, r, func(codec.RequestID) int { return i })
	}
	for _, want := range []int{3, 1, 2, 0} {
		at := p.nextExpiry()
		if at <= deadlines[want] || at > deadlines[want]+requestTick {
			t.Fatalf("next expiry %v, want that of %v", at, deadlines[want])
		}
		if got := p.expire(at-1, nil); len(got) != 0 {
			t.Fatalf("%v have expired before %v", got, at)
		}
		if got := p.expire(at, nil); len(got) != 1 || got[0] != want {
			t.Fatalf("%v have expired at %v, want %d", got, at, want)
		}
	}
}

// FuzzRequestTable reads operations of two bytes: what, with what.
func FuzzRequestTable(f *testing.F) {
	f.Add([]byte{0, 10, 0, 20, 2, 1, 3, 1, 1, 0, 1, 0, 4, 30, 4, 255})
	f.Add([]byte{0, 1, 4, 2, 0, 255, 2, 1, 3, 1, 4, 200, 4, 255, 4, 255, 5, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		type request struct {
			id       codec.RequestID
			deadline time.Duration
			nonce    codec.Nonce
			ended    bool
		}
		const most = 6
		p, r, now := newRequestTable[*request](most), requestRandom(t, 1), time.Duration(0)
		var all []*request
		live := 0
		end := func(v *request) {
			if v.ended {
				t.Fatal("ended twice")
			}
			v.ended = true
			live--
		}
		for i := 0; i+2 <= len(script) && i < 2*600; i += 2 {
			with := int(script[i+1])
			var v *request
			if len(all) > 0 {
				v = all[max(0, len(all)-1-with%16)]
			}
			switch op := script[i] % 6; {
			case op == 0:
				deadline := now + time.Duration(with*with)*ms
				v, ok := p.add(deadline, r, func(id codec.RequestID) *request { return &request{id: id, deadline: deadline} })
				if ok != (live < most) {
					t.Fatalf("added %v with %d live", ok, live)
				}
				if ok {
					if slices.ContainsFunc(all, func(o *request) bool { return !o.ended && o.id == v.id }) {
						t.Fatal("the same ID twice")
					}
					all = append(all, v)
					live++
				}
			case op == 4:
				now += time.Duration(with) * 8 * ms
				for _, v := range p.expire(now, nil) {
					if v.deadline >= now {
						t.Fatalf("expired at %v, before %v", now, v.deadline)
					}
					end(v)
				}
				for _, v := range all {
					if !v.ended && now > v.deadline+2*requestTick {
						t.Fatalf("still there at %v, after %v", now, v.deadline)
					}
				}
			case op == 5 && with == 0:
				for _, v := range p.drain(nil) {
					end(v)
				}
				if live != 0 {
					t.Fatalf("%d left", live)
				}
			case v == nil:
			case op == 1:
				got, ok := p.take(v.id)
				if ok == v.ended || ok && got != v {
					t.Fatalf("taken %v, ended %v", ok, v.ended)
				}
				if ok {
					end(v)
				}
			case op == 2:
				nonce := codec.Nonce{byte(i), byte(i >> 8), 1}
				if ok := p.setNonce(v.id, &nonce); ok == v.ended {
					t.Fatalf("set %v, ended %v", ok, v.ended)
				} else if ok {
					v.nonce = nonce
				}
			case op == 3:
				accept := with&16 == 0
				deadline := now + second
				nonce := v.nonce
				got, ok := p.challenged(&nonce, deadline, func(*request) bool { return accept })
				want := accept && !v.ended && nonce != codec.Nonce{}
				if ok != want || ok && got != v {
					t.Fatalf("challenged %v, want %v", ok, want)
				}
				if ok {
					v.nonce, v.deadline = codec.Nonce{}, deadline
				}
			}
			if v != nil && !v.ended {
				if got, ok := p.get(v.id); !ok || got != v {
					t.Fatal("lost")
				}
			}
			if p.size() != live {
				t.Fatalf("%d pending, want %d", p.size(), live)
			}
		}
	})
}
