package session

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
)

type testRequest struct {
	id    codec.RequestID
	addr  string
	ended atomic.Int32
}

func addRequest(t testing.TB, p *Pending[*testRequest], deadline time.Duration, addr string) *testRequest {
	t.Helper()
	v, ok := p.Add(deadline, testRandom(t, byte(deadline/ms)^byte(deadline/second)), func(id codec.RequestID) *testRequest {
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

func TestPendingEndsOnce(t *testing.T) {
	p := NewPending[*testRequest](4)
	v := addRequest(t, p, second, "a")
	if got, ok := p.Get(v.id); !ok || got != v || p.Len() != 1 {
		t.Fatal("not there")
	}
	if got, ok := p.Take(v.id); !ok || got != v {
		t.Fatal("not taken")
	}
	if _, ok := p.Take(v.id); ok {
		t.Error("taken twice")
	}
	if _, ok := p.Get(v.id); ok || p.SetNonce(v.id, new(codec.Nonce)) || p.Len() != 0 {
		t.Error("still there")
	}
	if got := p.Expire(time.Hour, nil); len(got) != 0 {
		t.Errorf("%d expired after it was taken", len(got))
	}
	if got := p.Drain(nil); len(got) != 0 {
		t.Errorf("%d drained after it was taken", len(got))
	}
}

func TestPendingExpire(t *testing.T) {
	p := NewPending[*testRequest](10)
	a, b := addRequest(t, p, second, "a"), addRequest(t, p, 10*second, "b") // b is beyond the ring
	for now := time.Duration(0); now <= second; now += 3 * ms {
		if got := p.Expire(now, nil); len(got) != 0 {
			t.Fatalf("expired at %v", now)
		}
	}
	if got := p.Expire(second+2*pendingTick, nil); len(got) != 1 || got[0] != a {
		t.Fatalf("%d expired", len(got))
	}
	if _, ok := p.Take(a.id); ok {
		t.Error("taken after it expired")
	}
	for now := 2 * second; now <= 10*second; now += 100 * ms {
		if got := p.Expire(now, nil); len(got) != 0 {
			t.Fatalf("expired at %v", now)
		}
	}
	dst := []*testRequest{a}
	if dst = p.Expire(1000*time.Hour, dst); len(dst) != 2 || dst[1] != b { // S26
		t.Errorf("%d expired after a jump", len(dst))
	}
}

// TestPendingStale: an ID finds nothing once its request has ended, though its slot is used again;
// nor do IDs of other forms.
func TestPendingStale(t *testing.T) {
	p := NewPending[*testRequest](1)
	old := addRequest(t, p, second, "a")
	p.Take(old.id)
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
		if _, ok := p.Get(id); ok {
			t.Errorf("%s: found", name)
		}
		if _, ok := p.Take(id); ok {
			t.Errorf("%s: taken", name)
		}
		if p.SetNonce(id, &codec.Nonce{1}) {
			t.Errorf("%s: nonce set", name)
		}
	}
	if _, ok := p.Take(v.id); !ok {
		t.Error("the request itself is gone")
	}
}

func TestPendingFull(t *testing.T) {
	const n = 100
	p := NewPending[*testRequest](n)
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
	if _, ok := p.Add(0, testRandom(t, 1), func(codec.RequestID) *testRequest { called = true; return nil }); ok || called {
		t.Error("room for more than there is")
	}
	p.Take(all[50].id)
	addRequest(t, p, second, "b")
	if p.Len() != n {
		t.Errorf("%d pending", p.Len())
	}
	if got := p.Drain(nil); len(got) != n || p.Len() != 0 {
		t.Errorf("%d drained, %d left", len(got), p.Len())
	}
}

// TestS25Challenged: only the nonce of the newest packet, from the right source, once for each
// packet.
func TestS25Challenged(t *testing.T) {
	p := NewPending[*testRequest](4)
	v := addRequest(t, p, second, "a")
	n1, n2 := codec.Nonce{1}, codec.Nonce{2}
	if _, ok := p.Challenged(&codec.Nonce{}, 5*second, from("a")); ok {
		t.Error("challenged before it was sent")
	}
	p.SetNonce(v.id, &n1)
	if _, ok := p.Challenged(&n2, 5*second, from("a")); ok {
		t.Error("challenged with a guessed nonce")
	}
	if _, ok := p.Challenged(&n1, 5*second, from("b")); ok {
		t.Error("challenged by another source")
	}
	if got := p.Expire(second-ms, nil); len(got) != 0 {
		t.Fatal("expired early")
	}
	if got, ok := p.Challenged(&n1, 5*second, from("a")); !ok || got != v {
		t.Fatal("the wrong source has used the nonce up")
	}
	if _, ok := p.Challenged(&n1, 50*second, from("a")); ok {
		t.Error("challenged twice for one packet")
	}
	if got := p.Expire(5*second, nil); len(got) != 0 {
		t.Error("the deadline has not moved")
	}
	p.SetNonce(v.id, &n1)
	p.SetNonce(v.id, &n2)
	if _, ok := p.Challenged(&n1, 50*second, from("a")); ok {
		t.Error("challenged for a packet that another has replaced")
	}
	if got := p.Expire(5*second+2*pendingTick, nil); len(got) != 1 {
		t.Error("the second deadline has not been kept")
	}
	if _, ok := p.Challenged(&n2, 50*second, from("a")); ok || len(p.byNonce) != 0 {
		t.Errorf("challenged after the end; %d nonces kept", len(p.byNonce))
	}
}

// TestS25WrongSourceKeepsDeadline: a WHOAREYOU from elsewhere does not prolong the request.
func TestS25WrongSourceKeepsDeadline(t *testing.T) {
	p := NewPending[*testRequest](4)
	v := addRequest(t, p, second, "a")
	p.SetNonce(v.id, &codec.Nonce{1})
	p.Challenged(&codec.Nonce{1}, time.Hour, from("b"))
	if got := p.Expire(second+2*pendingTick, nil); len(got) != 1 {
		t.Error("the deadline has moved")
	}
}

// TestPendingMove: a deadline moves both ways, and not once the request has ended.
func TestPendingMove(t *testing.T) {
	for _, c := range []struct {
		name     string
		deadline time.Duration
	}{{"later", 3 * second}, {"earlier", 100 * ms}, {"unchanged", second}} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPending[*testRequest](4)
			v := addRequest(t, p, second, "a")
			if !p.Move(v.id, c.deadline) {
				t.Fatal("a pending request did not move")
			}
			if n := p.NextExpiry(); n < c.deadline || n > c.deadline+pendingTick {
				t.Errorf("expires at %v, want %v", n, c.deadline)
			}
			if got := p.Expire(c.deadline-pendingTick, nil); len(got) != 0 {
				t.Error("expired before its deadline")
			}
			if got := p.Expire(c.deadline+2*pendingTick, nil); len(got) != 1 {
				t.Error("not expired after its deadline")
			}
			if p.Move(v.id, second) {
				t.Error("an ended request moved")
			}
		})
	}
}

// TestPendingConcurrent: whoever else tries, each request ends exactly once.
func TestPendingConcurrent(t *testing.T) {
	const rounds, n = 20, 200
	p := NewPending[*testRequest](n)
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
			p.SetNonce(all[i].id, &codec.Nonce{byte(round), byte(i)})
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for _, v := range all {
					if got, ok := p.Take(v.id); ok {
						end(got)
						total.Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			for i := range all {
				p.Challenged(&codec.Nonce{byte(round), byte(i)}, now+10*ms, from("a"))
				p.SetNonce(all[i].id, &codec.Nonce{byte(round), byte(i), 1})
				p.Get(all[i].id)
			}
		})
		wg.Go(func() {
			for i := range n {
				for _, v := range p.Expire(now+time.Duration(i)*ms, nil) {
					end(v)
					total.Add(1)
				}
			}
		})
		wg.Go(func() {
			for range 3 {
				for _, v := range p.Drain(nil) {
					end(v)
					total.Add(1)
				}
			}
		})
		wg.Wait()
		if p.Len() != 0 || len(p.byNonce) != 0 {
			t.Fatalf("%d left, %d nonces", p.Len(), len(p.byNonce))
		}
	}
	if total.Load() != rounds*n {
		t.Errorf("%d ended, want %d", total.Load(), rounds*n)
	}
}

func TestPendingAllocs(t *testing.T) {
	p, r := NewPending[*testRequest](4), testRandom(t, 1)
	v, now, nonce := new(testRequest), time.Duration(0), codec.Nonce{1}
	made := func(id codec.RequestID) *testRequest { v.id = id; return v }
	accept := func(*testRequest) bool { return true }
	dst := make([]*testRequest, 0, 4)
	if n := testing.AllocsPerRun(1000, func() {
		p.Add(now+second, r, made)
		p.SetNonce(v.id, &nonce)
		p.Challenged(&nonce, now+second, accept)
		if _, ok := p.Take(v.id); !ok {
			t.Fatal("not there")
		}
		p.Add(now+second, r, made)
		now += minute
		if len(p.Expire(now, dst)) != 1 {
			t.Fatal("not expired")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Peers that keep request IDs as numbers drop leading zeros.
func TestRequestIDHasNoLeadingZero(t *testing.T) {
	p, r := NewPending[int](10), testRandom(t, 1)
	for range 10 {
		var id codec.RequestID
		p.Add(second, r, func(i codec.RequestID) int { id = i; return 0 })
		if b := id.Bytes(); len(b) != codec.MaxRequestID || b[0] == 0 {
			t.Errorf("request ID %x", b)
		}
		if _, ok := p.Get(id); !ok {
			t.Errorf("request %x is not found", id.Bytes())
		}
	}
}
