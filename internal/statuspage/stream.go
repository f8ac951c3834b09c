package statuspage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastdisc/discv5/internal/netaddr"
)

const (
	// MaxStreams bounds the open streams. A new one replaces an old one: of the address that has
	// the most, the oldest.
	MaxStreams = 32

	// updateInterval is the time between two updates.
	updateInterval = 2 * time.Second
	// writeTimeout is how long a reader may take for an update.
	writeTimeout = 10 * time.Second
	// aliveInterval is the time after which an idle stream gets a comment, so that proxies do not
	// close it.
	aliveInterval = 20 * time.Second
)

// streams are the open streams of server-sent events.
type streams struct {
	mu     sync.Mutex
	open   map[*stream]struct{}
	closed bool

	slow, replaced atomic.Uint64
}

// stream is the reader of one stream.
type stream struct {
	from    netip.Addr
	since   time.Time
	updates chan []byte   // holds one update
	end     chan struct{} // closed to end the stream
	version uint64        // of the last update, under the lock of streams; 0 before the first
}

func (s *streams) init() { s.open = make(map[*stream]struct{}) }

// StreamStats counts the streams of the page.
type StreamStats struct {
	Open     int
	Slow     uint64 // closed, because they did not take an update before the next one
	Replaced uint64 // closed for newer ones
}

// Streams returns the counts of streams.
func (p *Page) Streams() StreamStats {
	s := &p.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	return StreamStats{len(s.open), s.slow.Load(), s.replaced.Load()}
}

// add opens a stream, and closes another one if there are too many. It returns nil after close.
func (s *streams) add(now time.Time, from netip.Addr) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	if len(s.open) >= MaxStreams {
		s.replaced.Add(1)
		s.endLocked(s.victim())
	}
	st := &stream{from: from, since: now, updates: make(chan []byte, 1), end: make(chan struct{})}
	s.open[st] = struct{}{}
	return st
}

// victim returns the oldest stream of the address that has the most.
func (s *streams) victim() (worst *stream) {
	held := make(map[netip.Addr]int)
	for st := range s.open {
		held[st.from]++
	}
	for st := range s.open {
		if worst == nil || held[st.from] > held[worst.from] || held[st.from] == held[worst.from] && st.since.Before(worst.since) {
			worst = st
		}
	}
	return worst
}

// remove ends a stream. It does nothing if the stream has ended.
func (s *streams) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(st)
}

func (s *streams) endLocked(st *stream) {
	if _, ok := s.open[st]; ok {
		delete(s.open, st)
		close(st.end)
	}
}

// close ends all streams, and refuses new ones.
func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for st := range s.open {
		s.endLocked(st)
	}
}

// update sends the changes to all streams. It makes one update for all streams that have the
// same version, as nearly all have, and nothing if there is no stream. It waits for no reader.
func (s *streams) update(now time.Time, sections func(time.Time, uint64) ([]section, uint64, error)) {
	s.mu.Lock()
	after := make(map[uint64][]byte) // updates by the version that they are for
	for st := range s.open {
		if st.version > 0 {
			after[st.version] = nil
		}
	}
	s.mu.Unlock()
	newest := uint64(0)
	for have := range after {
		changed, version, err := sections(now, have)
		if err == nil && len(changed) > 0 {
			after[have], newest = message(changed, version), version
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.open {
		b := after[st.version]
		if b == nil {
			continue
		}
		select {
		case st.updates <- b:
			st.version = newest
		default:
			s.slow.Add(1)
			s.endLocked(st)
		}
	}
}

// reached says which version a stream has after its first update.
func (s *streams) reached(st *stream, version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.version = version
}

// message returns sections as a server-sent event. Its ID is the version, which a browser sends
// when it connects again.
func message(list []section, version uint64) []byte {
	html := make(map[string]string)
	for _, s := range list {
		html[s.name] = string(s.html)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %d\nevent: update\ndata: ", version)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(html); err != nil { // JSON has no line breaks
		panic(err) // strings have a form in JSON
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// live serves GET /live: the sections that change, as server-sent events. The first event brings
// the reader from the version that it names to the newest one.
func (p *Page) live(rw http.ResponseWriter, r *http.Request) {
	after, ok := versionOf(r)
	if !ok {
		http.Error(rw, "/live takes the parameter since: the version of a page", http.StatusBadRequest)
		return
	}
	var from netip.Addr
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		from = netaddr.Normalize(a.Addr())
	}
	st := p.streams.add(time.Now(), from)
	if st == nil {
		http.Error(rw, "the bootnode is closing", http.StatusServiceUnavailable)
		return
	}
	defer p.streams.remove(st)
	c := http.NewResponseController(rw)
	setHeaders(rw)
	rw.Header().Set("Content-Type", "text/event-stream")
	// The write deadline of the server is for responses that end.
	write := func(b []byte) bool {
		if c.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
			return false
		}
		if _, err := rw.Write(b); err != nil {
			return false
		}
		return c.Flush() == nil
	}
	first, version, err := p.sections(p.cfg.Now(), after)
	if err != nil || !write(message(first, version)) {
		return
	}
	p.streams.reached(st, version)
	alive := time.NewTicker(aliveInterval)
	defer alive.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-st.end:
			// The browser waits before it comes back, so that readers do not push each other out.
			write([]byte("event: bye\ndata:\n\n"))
			return
		case b := <-st.updates:
			if !write(b) {
				return
			}
		case <-alive.C:
			if !write([]byte(":\n\n")) {
				return
			}
		}
	}
}

// versionOf returns the version that a reader has: 0 for none.
func versionOf(r *http.Request) (v uint64, ok bool) {
	q := r.URL.Query()
	text := q.Get("since")
	if len(q) > 1 || len(q) == 1 && len(q["since"]) != 1 {
		return 0, false
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		text = id
	}
	if text == "" {
		return 0, true
	}
	v, err := strconv.ParseUint(text, 10, 64)
	return v, err == nil
}
