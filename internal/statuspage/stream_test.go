package statuspage

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
)

// eventually waits for something that happens in other goroutines.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// ready returns the number of streams that have had their first update.
func ready(p *Page) (n int) {
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	for st := range p.streams.open {
		if st.version > 0 {
			n++
		}
	}
	return n
}

// TestStream: a reader gets what has changed, from the version that it has, and nothing if nothing
// has changed.
func TestStream(t *testing.T) {
	p, n, c := newPage(t)
	s := serve(t, p)
	r, err := s.Client().Get(s.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body := bufio.NewReader(r.Body)
	first := readEvent(t, body)
	for _, name := range sectionNames {
		if name != "topics" && name != "forks" && name != "fleet" && !strings.Contains(first, `"`+name+`":`) {
			t.Errorf("the first update has no %s", name)
		}
	}
	eventually(t, "stream", func() bool { return ready(p) == 1 })

	c.Add(2 * time.Second)
	p.streams.update(c.Now(), p.sections) // nothing has changed: nothing is sent
	n.Counts.Sessions.Sessions = 777
	c.Add(2 * time.Second)
	p.streams.update(c.Now(), p.sections)
	second := readEvent(t, body)
	if !strings.Contains(second, "777 of 131,072") || strings.Contains(second, `"identity":`) || !strings.Contains(second, "event: update\n") {
		t.Errorf("the second update: %.300s", second)
	}

	// A reader that comes back with the ID of its last event gets what it missed.
	id, _, _ := strings.Cut(strings.TrimPrefix(second, "id: "), "\n")
	again := firstUpdate(t, s, "?since="+id)
	if strings.Contains(again, "777") {
		t.Errorf("what the reader has: %.300s", again)
	}
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/live?since="+id, nil)
	request.Header.Set("Last-Event-ID", "1")
	r2, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r2.Body.Close()
	if missed := readEvent(t, bufio.NewReader(r2.Body)); !strings.Contains(missed, "777") {
		t.Errorf("what the reader missed: %.300s", missed)
	}
	// The version of another process brings everything.
	if all := firstUpdate(t, s, "?since=18446744073709551615"); !strings.Contains(all, `"identity":`) {
		t.Errorf("after a restart: %.300s", all)
	}
}

// TestS52StreamBound: there are at most MaxStreams streams; a new one replaces the oldest of the
// address that has the most.
func TestS52StreamBound(t *testing.T) {
	var s streams
	s.init()
	now := time.Now()
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	other := s.add(now.Add(-time.Hour), b)
	var list []*stream
	for i := range MaxStreams - 1 {
		list = append(list, s.add(now.Add(time.Duration(i)*time.Second), a))
	}
	ended := func(st *stream) bool {
		select {
		case <-st.end:
			return true
		default:
			return false
		}
	}
	if s.replaced.Load() != 0 {
		t.Fatal("replaced before there are too many")
	}
	s.add(now, b)
	if !ended(list[0]) || ended(list[1]) || ended(other) || s.replaced.Load() != 1 || len(s.open) != MaxStreams {
		t.Errorf("the wrong one was replaced: %v %v %v, %d", ended(list[0]), ended(list[1]), ended(other), s.replaced.Load())
	}
	s.close()
	if !ended(list[1]) || !ended(other) || s.add(now, b) != nil {
		t.Error("streams are open after close")
	}
	s.remove(other) // which has ended
}

// TestS52SlowReader: a reader that does not read is disconnected and counted; others get
// everything.
func TestS52SlowReader(t *testing.T) {
	p, n, c := newPage(t)
	s := serve(t, p)
	slow, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if err := slow.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(slow, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
	eventually(t, "slow reader", func() bool { return p.Streams().Open == 1 })
	r, err := s.Client().Get(s.URL + "/live")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body := bufio.NewReader(r.Body)
	readEvent(t, body)
	eventually(t, "both readers", func() bool { return ready(p) == 2 })
	for i := 0; p.Streams().Slow == 0; i++ {
		if i > 2000 {
			t.Fatal("the slow reader is still there")
		}
		n.Counts.Sessions.Sessions = 1000 + i
		for range maxEvents {
			p.Note(OK, fmt.Sprint(i, time.Now().UnixNano(), strings.Repeat("x ", 300)))
		}
		c.Add(2 * time.Second)
		p.streams.update(c.Now(), p.sections)
		if update := readEvent(t, body); !strings.Contains(update, fmt.Sprintf("1,%03d of", i)) && i < 1000 {
			t.Fatalf("update %d: %.300s", i, update)
		}
	}
	if st := p.Streams(); st.Slow != 1 || st.Open != 1 {
		t.Errorf("streams: %+v", st)
	}
}

// TestNoLeaks: streams and Run leave no goroutine behind, whoever ends them.
func TestNoLeaks(t *testing.T) {
	// The clock of the page stands still, so no update comes that a stream could be slow to take.
	p, _, _ := newPage(t)
	s := serve(t, p)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var open []io.Closer
	for range 2 * MaxStreams { // half of them are replaced
		r, err := client.Get(s.URL + "/live")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r.Body)
	}
	eventually(t, "streams", func() bool { return p.Streams() == StreamStats{Open: MaxStreams, Replaced: MaxStreams} })
	for _, c := range open[MaxStreams : MaxStreams+5] { // the reader goes
		c.Close()
	}
	eventually(t, "streams of readers that went", func() bool { return p.Streams().Open == MaxStreams-5 })
	cancel()
	<-done
	eventually(t, "end of all streams", func() bool { return p.Streams().Open == 0 })
	if r, _ := get(t, s, "/live"); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a stream after the end: %s", r.Status)
	}
	for _, c := range open {
		c.Close()
	}
	s.CloseClientConnections()
	s.Client().CloseIdleConnections()
	eventually(t, "end of goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

// TestStreamOutlivesTimeouts: the server's timeouts for requests end no stream. On a machine that
// pauses a request may take longer than that to arrive, so a stream that ends counts if it is the
// third one.
func TestStreamOutlivesTimeouts(t *testing.T) {
	var err error
	for range 3 {
		if err = outlivesTimeouts(t); err == nil {
			return
		}
		t.Log(err)
	}
	t.Error(err)
}

func outlivesTimeouts(t *testing.T) error {
	p, _, _ := newPage(t)
	p.cfg.Now = time.Now
	mux := http.NewServeMux()
	p.Register(mux)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const timeout = 500 * time.Millisecond
	s := &http.Server{Handler: mux, ReadHeaderTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout}
	go s.Serve(l)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go p.Run(ctx)
	r, err := http.Get("http://" + l.Addr().String() + "/live")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body := bufio.NewReader(r.Body)
	if _, err := nextEvent(body); err != nil {
		return err
	}
	for i := range 2 { // updates after the timeouts
		time.Sleep(2 * timeout)
		p.Note(OK, fmt.Sprint("event ", i))
		for event := ""; !strings.Contains(event, fmt.Sprint("event ", i)); {
			if event, err = nextEvent(body); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestRunAfterClose: Run ends with its context although the node is closed.
func TestRunAfterClose(t *testing.T) {
	p, n, _ := newPage(t)
	n.Node.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	s, err := p.snapshot(p.cfg.Now())
	if err != nil || s.Health.Level != Failing || s.Health.Reason != "The node is closing" {
		t.Errorf("health of a closed node: %+v, %v", s, err)
	}
	cancel()
	<-done
}
