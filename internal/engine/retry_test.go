package engine

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// dualStack adds a node that has an address of each family. Its record names both, or one that
// nobody is at.
func (nw *network) dualStack(t *testing.T, v4, v6 string) (*node, *enr.Record) {
	t.Helper()
	n := nw.add(v6, nil)
	a4, a6 := netip.MustParseAddrPort(v4), netip.MustParseAddrPort(v6)
	rec, err := enr.NewBuilder().SetSeq(n.rec.Seq() + 1).SetIP(a4.Addr()).SetUDP(a4.Port()).SetIP(a6.Addr()).SetUDP6(a6.Port()).Sign(n.key)
	if err != nil {
		t.Fatal(err)
	}
	n.e.setLocal(rec)
	return n, rec
}

// ask sends a request and lets time pass until it has ended.
func (nw *network) ask(t *testing.T, from *node, r Request, limit time.Duration) (res Result, after time.Duration) {
	t.Helper()
	ends, start := 0, nw.now
	r.Done = func(_ *Worker, got Result) { ends++; res, after = got, from.w.now-start }
	from.w.Begin(nw.now)
	from.w.Start(r)
	nw.deliver()
	nw.run(limit)
	if ends != 1 {
		t.Fatalf("the request ended %d times", ends)
	}
	return res, after
}

// A node whose IPv4 address does not answer is asked at its IPv6 one, and the other way round; only
// a request with NoFallback is not.
func TestOtherFamily(t *testing.T) {
	for _, first := range []string{"4", "6"} {
		nw := newNetwork(t)
		a := nw.add("[2a00:1450::1]:9000", nil)
		b, rec := nw.dualStack(t, "52.16.0.7:9000", "[2a00:1450::2]:9000")
		p, err := a.e.PeerOf(rec)
		if err != nil || !p.Addr.Addr().Is4() {
			t.Fatalf("peer of the record: %v, %v", p.Addr, err)
		}
		if first == "6" {
			// The node is at its IPv4 address alone.
			delete(nw.nodes, b.addr)
			p.Addr, b.addr = b.addr, p.Addr
			nw.nodes[b.addr] = b
		}
		res, after := nw.ask(t, a, Request{Type: codec.TypePing, Peer: p}, 5*time.Second)
		if res.Err != nil || after < time.Second || after > 1500*time.Millisecond {
			t.Errorf("IPv%s first: %v after %v", first, res.Err, after)
		}
		if n := a.w.counts[RequestsRetried]; n != 1 {
			t.Errorf("IPv%s first: %d requests sent again", first, n)
		}
		if n := a.w.counts[RequestsTimedOut]; n != 0 {
			t.Errorf("IPv%s first: %d timeouts counted for a request that was answered", first, n)
		}
		res, _ = nw.ask(t, a, Request{Type: codec.TypePing, Peer: p, NoFallback: true}, 5*time.Second)
		if !errors.Is(res.Err, ErrTimeout) {
			t.Errorf("IPv%s first: a request that stays ended with %v", first, res.Err)
		}
	}
}

// Without a socket of the other family, or with an address there that a public node should not
// name, nothing else is tried.
func TestOtherFamilyRefused(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("52.16.0.1:9000", func(c *Config) { c.IPv6 = false })
	b := nw.add("52.16.0.3:9000", nil)
	_, rec := nw.dualStack(t, "52.16.0.7:9000", "[2a00:1450::2]:9000")
	_, private := nw.dualStack(t, "52.16.0.8:9000", "[fd00::2]:9000")
	for _, c := range []struct {
		from *node
		rec  *enr.Record
	}{{a, rec}, {b, private}} {
		p, err := c.from.e.PeerOf(c.rec)
		if err != nil {
			t.Fatal(err)
		}
		res, after := nw.ask(t, c.from, Request{Type: codec.TypePing, Peer: p}, 5*time.Second)
		if !errors.Is(res.Err, ErrTimeout) || after > 1500*time.Millisecond || c.from.w.counts[RequestsRetried] != 0 {
			t.Errorf("%v after %v, %d sent again", res.Err, after, c.from.w.counts[RequestsRetried])
		}
	}
}

// A request is sent again as often as Config.Resend says, and ends once.
func TestResend(t *testing.T) {
	for _, lost := range []int{0, 2, 3} {
		nw := newNetwork(t)
		a := nw.add("10.0.0.1:9000", func(c *Config) { c.Resend = 2 })
		b := nw.add("10.0.0.2:9000", nil)
		n := 0
		nw.Drop = func(from, to netip.AddrPort, _ []byte) bool {
			if to == b.addr {
				n++
			}
			return to == b.addr && n <= lost
		}
		res, _ := nw.ask(t, a, Request{Type: codec.TypeTalkRequest, Peer: b.peer(), Protocol: []byte("p"), Payload: []byte("x")}, 8*time.Second)
		if want := lost > 2; errors.Is(res.Err, ErrTimeout) != want || (res.Err != nil) != want {
			t.Errorf("%d packets lost: %v", lost, res.Err)
		}
		if got := a.w.counts[RequestsRetried]; got != uint64(min(lost, 2)) {
			t.Errorf("%d packets lost: sent again %d times", lost, got)
		}
	}
}

// Cancel ends a request also when it has been sent again, and nothing of it is left.
func TestCancelAfterResend(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("10.0.0.1:9000", func(c *Config) { c.Resend = 2 })
	b := nw.add("10.0.0.2:9000", nil)
	nw.Drop = func(netip.AddrPort, netip.AddrPort, []byte) bool { return true }
	var ends []error
	a.w.Begin(nw.now)
	id := a.w.Start(Request{Type: codec.TypePing, Peer: b.peer(), Done: func(_ *Worker, r Result) { ends = append(ends, r.Err) }})
	nw.run(1500 * time.Millisecond)
	if a.w.counts[RequestsRetried] != 1 || len(ends) != 0 {
		t.Fatalf("sent again %d times, ended %v", a.w.counts[RequestsRetried], ends)
	}
	a.w.Begin(nw.now)
	a.w.Cancel(id)
	a.w.Cancel(id)
	if len(ends) != 1 || !errors.Is(ends[0], ErrCanceled) || a.e.Pending() != 0 {
		t.Errorf("ended %v, %d pending", ends, a.e.Pending())
	}
	nw.run(5 * time.Second)
	if len(ends) != 1 {
		t.Errorf("ended %v", ends)
	}
}
