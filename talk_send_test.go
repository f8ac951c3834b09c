package discv5

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// A window of requests to one peer carries 10 MB/s at a round trip of 100 ms, on a path without
// loss and between public addresses, where rates are limited.
func TestTalkStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt, size, window, length = 100 * time.Millisecond, 1100, 1200, 2 * time.Second
		w := newWire()
		w.Delay = rtt / 2
		a, b := onWireAt(t, w, "52.1.0.1:9000", nil), onWireAt(t, w, "99.1.0.1:9000", nil)
		var handled atomic.Int64
		b.HandleTalk("utp", func(_ context.Context, r TalkRequest) []byte {
			handled.Add(int64(len(r.Payload)))
			return nil
		})
		to := contact(b)
		if _, err := a.Ping(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		payload := bytes.Repeat([]byte{1}, size)
		end := time.Now().Add(length)
		var most, under, answered, failed int
		var send func()
		done := func(answer []byte, err error) { // one at a time
			under--
			if err != nil {
				failed++
			} else {
				answered++
			}
			send()
		}
		send = func() {
			if time.Now().After(end) {
				return
			}
			if err := a.SendTalk(to, "utp", payload, done); err != nil {
				failed++
				return
			}
			under++
			most = max(most, under)
		}
		started := make(chan struct{})
		// Twelve packets a millisecond for a round trip. Then each answer sends the next one.
		for i := range window {
			a.callbacks.reserve()
			a.callbacks.add(func() {
				send()
				if i == window-1 {
					close(started)
				}
			})
			if i%12 == 11 {
				time.Sleep(time.Millisecond)
			}
		}
		<-started
		time.Sleep(time.Until(end))
		rate := float64(handled.Load()) / length.Seconds() / 1e6
		time.Sleep(5 * time.Second)
		synctest.Wait() // for the last callback, which has written what is read now
		if rate < 10 || most < 1000 || failed > 0 {
			t.Errorf("%.1f MB/s with at most %d under way, %d answered, %d failed", rate, most, answered, failed)
		}
		t.Logf("%.1f MB/s with at most %d under way, %d answered", rate, most, answered)
	})
}

// SendTalk reports what it cannot send, and each request that it has sent ends once: with its
// answer, or with an error of its own.
func TestSendTalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := onWireAt(t, w, "10.0.0.1:9000", func(c *Config) { c.MaxRequests, c.MaxPeerRequests = 8, 4 })
		b := onWireAt(t, w, "10.0.0.2:9000", nil)
		c := onWireAt(t, w, "10.0.0.3:9000", nil)
		b.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
		to := contact(b)
		type end struct {
			answer string
			err    error
		}
		ends := make(chan end, 100)
		done := func(answer []byte, err error) { ends <- end{string(answer), err} }

		payload := []byte("hello")
		if err := a.SendTalk(to, "echo", payload, done); err != nil {
			t.Fatal(err)
		}
		copy(payload, "other")
		if e := <-ends; e.answer != "hello" || e.err != nil {
			t.Errorf("answer %q, %v", e.answer, e.err)
		}
		if err := a.SendTalk(to, "unknown", payload, done); err != nil {
			t.Fatal(err)
		}
		if e := <-ends; e.answer != "" || e.err != nil {
			t.Errorf("unknown protocol: %q, %v", e.answer, e.err)
		}
		for _, c := range []struct {
			name string
			to   Contact
			size int
			want error
		}{
			{"too large", to, codec.MaxTalkRequest, ErrTooLarge},
			{"itself", contact(a), 1, ErrSelf},
			{"no address", Contact{}, 1, ErrNoEndpoint},
			{"no session", ContactAt(enr.ID{9}, c.Addrs()[0]), 1, ErrNoSession},
		} {
			if err := a.SendTalk(c.to, "echo", make([]byte, c.size), done); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		// Bounds: of one peer, and of all. The node itself may have a request under way too.
		fill := func(to Contact) (n int) {
			for {
				switch err := a.SendTalk(to, "echo", nil, done); {
				case errors.Is(err, ErrBusy):
					return n
				case err != nil:
					t.Error(err)
				}
				n++
			}
		}
		n := fill(to)
		if n < 3 || n > 4 {
			t.Errorf("%d requests to one peer", n)
		}
		if n += fill(contact(c)); n < 6 || n > 8 {
			t.Errorf("%d requests to two peers", n)
		}
		for range n {
			if e := <-ends; e.err != nil {
				t.Error(e.err)
			}
		}
		// Nobody waits for this one, and it is sent.
		if err := a.SendTalk(to, "echo", []byte("x"), nil); err != nil {
			t.Error(err)
		}
		// A silent peer, and the end of the node.
		b.Close()
		if err := a.SendTalk(to, "echo", nil, done); err != nil {
			t.Error(err)
		}
		if e := <-ends; !errors.Is(e.err, ErrTimeout) {
			t.Errorf("silent peer: %v", e.err)
		}
		if err := a.SendTalk(to, "echo", nil, func(_ []byte, err error) {
			a.Close() // within a callback
			done(nil, err)
		}); err != nil {
			t.Error(err)
		}
		go a.Close()
		if e := <-ends; !errors.Is(e.err, ErrClosed) {
			t.Errorf("node closed: %v", e.err)
		}
		if err := a.SendTalk(to, "echo", nil, done); !errors.Is(err, ErrClosed) {
			t.Errorf("closed node: %v", err)
		}
		time.Sleep(time.Minute)
		if len(ends) != 0 {
			t.Errorf("%d further ends", len(ends))
		}
	})
}

// A function that blocks holds up neither the node nor requests that wait in goroutines of their
// own, and is counted as a request under way.
func TestSendTalkBlockedCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		a := onWireAt(t, w, "10.0.0.1:9000", func(c *Config) { c.MaxRequests = 8 })
		b := onWireAt(t, w, "10.0.0.2:9000", nil)
		release := make(chan struct{})
		for i := range 8 {
			if err := a.SendTalk(contact(b), "p", nil, func([]byte, error) { <-release }); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		}
		time.Sleep(time.Second)
		if err := a.SendTalk(contact(b), "p", nil, func([]byte, error) {}); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond the blocked functions: %v", err)
		}
		if _, err := a.Talk(t.Context(), contact(b), "p", nil); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		close(release)
	})
}
