package discv5

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// TestS22Talk: an unknown protocol is answered empty immediately; handlers that block hold up
// nothing else, and are bounded; a request that finds none free is not answered; a handler that
// panics is contained and counted; one that ignores the end of the node does not keep it from
// closing.
func TestS22Talk(t *testing.T) {
	const slots = 4
	a, c, d := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	b := loopback(t, "127.0.0.1:0", func(c *Config) { c.TalkConcurrency = slots })
	ctx := within(t)
	release, entered := make(chan struct{}), make(chan struct{}, 2*slots)
	b.HandleTalk("block", func(context.Context, TalkRequest) []byte {
		entered <- struct{}{}
		<-release // heeds nothing
		return []byte("late")
	})
	b.HandleTalk("panic", func(context.Context, TalkRequest) []byte { panic("on purpose") })
	b.HandleTalk("large", func(context.Context, TalkRequest) []byte { return make([]byte, 5000) })
	b.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
	talk := func(protocol string) []byte {
		t.Helper()
		got, err := a.Talk(ctx, contact(b), protocol, []byte("x"))
		if err != nil {
			t.Fatalf("talk %s: %v", protocol, err)
		}
		return got
	}
	for _, p := range []string{"unknown", "", "panic", "large"} {
		if got := talk(p); len(got) != 0 {
			t.Errorf("%q: answered %q", p, got)
		}
	}
	if n := b.TalkPanics(); n != 1 {
		t.Errorf("%d panics counted", n)
	}

	var waiting sync.WaitGroup
	late := make(chan []byte, slots)
	block := func(n *Node) {
		t.Helper()
		if _, err := n.Ping(ctx, contact(b)); err != nil { // a session, with retries
			t.Fatal(err)
		}
		waiting.Go(func() {
			// no retry takes another slot
			got, _ := n.Talk(ctx, contact(b), "block", nil, WithTimeout(time.Hour))
			late <- got
		})
		select {
		case <-entered:
		case <-ctx.Done():
			t.Fatal("a request found no slot")
		}
	}
	block(a)
	block(a)
	// Half of the slots are taken, and the peer has its share. The rest is for others.
	refused := func(what string) {
		t.Helper()
		before := counted(b, "talk_busy")
		canceled, cancel := context.WithCancel(ctx)
		ended := make(chan error)
		go func() {
			_, err := a.Talk(canceled, contact(b), "echo", []byte("x"), WithTimeout(time.Hour))
			ended <- err
		}()
		eventually(t, "a request beyond the "+what+" is counted", func() bool { return counted(b, "talk_busy") > before })
		// An answer, if there is one, is here when that of a later request is.
		if _, err := a.Ping(ctx, contact(b)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a request beyond the %s: %v", what, err)
		}
		if n := counted(b, "talk_busy") - before; n != 1 {
			t.Errorf("%d requests beyond the %s counted", n, what)
		}
	}
	refused("quota")
	block(c)
	block(d)
	// All slots are taken. Calls that need none continue; requests that need one are refused and
	// counted.
	if _, err := a.Ping(ctx, contact(b)); err != nil {
		t.Errorf("PING while handlers block: %v", err)
	}
	if got := talk("unknown"); len(got) != 0 {
		t.Errorf("answered %q", got)
	}
	refused("bound")
	close(release)
	waiting.Wait()
	for range slots {
		if got := <-late; !bytes.Equal(got, []byte("late")) {
			t.Errorf("a slow handler's answer: %q", got)
		}
	}
	eventually(t, "slots are free again", func() bool {
		got, err := a.Talk(ctx, contact(b), "echo", []byte("x"), WithTimeout(soon))
		return err == nil && bytes.Equal(got, []byte("x"))
	})

	stuck, called := make(chan struct{}), make(chan struct{}, slots)
	b.HandleTalk("stuck", func(context.Context, TalkRequest) []byte { called <- struct{}{}; <-stuck; return nil })
	go a.Talk(ctx, contact(b), "stuck", nil)
	select {
	case <-called:
	case <-ctx.Done():
		t.Fatal("a request found no slot")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	close(stuck)
}

// A peer that asks again as soon as it has an answer finds the slot of its last request free.
func TestTalkOneByOne(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", func(c *Config) { c.TalkConcurrency = 1 })
	b.HandleTalk("echo", func(_ context.Context, r TalkRequest) []byte { return r.Payload })
	for i := range 300 {
		if got, err := a.Talk(within(t), contact(b), "echo", []byte("x")); err != nil || string(got) != "x" {
			t.Fatalf("request %d was answered %q, %v", i, got, err)
		}
	}
}
