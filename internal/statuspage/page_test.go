package statuspage

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/statuspage/pagetest"
)

// hostile are client names that a page must show as text.
var hostile = []string{
	`<script>alert(1)</script>`, `<img src=x onerror=alert(2)>`, `"><svg onload=alert(3)>`, `'-alert(4)-'`, `{{.}}`, `</td></table>`,
	`&lt;b&gt;`, "\u202etxt.exe\u202c", "line\nbreak", "\x1b[31mred\x00", "\xff\xfe", strings.Repeat("W", 90), "javascript:alert(5)",
}

// testClock is a clock that a test sets.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time      { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *testClock) Set(now time.Time)   { c.mu.Lock(); defer c.mu.Unlock(); c.now = now }
func (c *testClock) Add(d time.Duration) { c.Set(c.Now().Add(d)) }

// newPage returns a page of a node that does nothing, and its clock.
func newPage(t testing.TB) (*Page, *pagetest.Node, *testClock) {
	t.Helper()
	n, c := pagetest.New(t), &testClock{now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	p := New(Config{Node: n, Version: "bootnode test", Now: c.Now, Limits: Limits{
		Sessions: 131072, Challenges: 65536, Tasks: 1024, OwnRequests: 16384,
		Unverified: discv5.DefaultUnverifiedRates(), Handshake: discv5.DefaultHandshakeRates(), Requests: discv5.DefaultRequestRates(),
	}})
	return p, n, c
}

// fill gives a page all that it can show: a day with floods, 10,000 nodes with hostile names, drops
// of all causes, topics, and as many events as there may be.
func fill(t testing.TB, p *Page, n *pagetest.Node, c *testClock) {
	t.Helper()
	n.Topics = discv5.TopicStats{Ads: 50000, Capacity: 50000, Topics: 12345, Queries: 1 << 60, Returned: 1 << 60, Expired: 1 << 60}
	for i := range 2 * shownTopics {
		n.Largest = append(n.Largest, discv5.TopicCount{Topic: discv5.TopicOf(fmt.Sprint(i)), Ads: 1000 * i})
	}
	begin := c.Now()
	advance := func(now time.Time) {
		c.Set(now)
		p.Advance(now)
	}
	n.Drive(begin, 23*time.Hour, min(time.Minute*raceFactor, dayStep), advance)
	n.Drive(begin.Add(23*time.Hour), time.Hour, 10*time.Second, advance)
	n.Fill(t, 10_000, hostile, c.Now())
	n.AllCauses()
	for i := range 3 * maxEvents {
		p.Note(Warning, fmt.Sprint(i, strings.Repeat(" <b>a long event that says much</b>", 5)))
	}
}

// serve serves a page.
func serve(t testing.TB, p *Page) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	p.Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// get returns a response and its body.
func get(t testing.TB, s *httptest.Server, path string) (*http.Response, string) {
	t.Helper()
	r, err := s.Client().Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// maxPageView bounds a view of the page: the page, its files, and the first update of the stream.
const maxPageView = 100_000

// TestPageView: a view of the fullest page stays below 100 kB, and so does a minute of updates.
func TestPageView(t *testing.T) {
	p, n, c := newPage(t)
	fill(t, p, n, c)
	s := serve(t, p)
	r, page := get(t, s, "/")
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s, %v", r.Status, r.Header)
	}
	total := len(page)
	for _, m := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		r, body := get(t, s, m[1])
		if r.StatusCode != http.StatusOK || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s %v", m[1], r.Status, r.Header)
		}
		total += len(body)
	}
	version := regexp.MustCompile(`data-version="(\d+)"`).FindStringSubmatch(page)[1]
	first := firstUpdate(t, s, "?since="+version)
	total += len(first)
	t.Logf("a view of the page takes %d bytes: the page itself %d, the first update %d", total, len(page), len(first))
	if total > maxPageView || total < 20_000 {
		t.Errorf("a view takes %d bytes, want at most %d", total, maxPageView)
	}
	if !strings.Contains(page, "By fork") || strings.Count(page, "<tr>") < 100 {
		t.Error("the page is not full: this tests nothing")
	}
	// All sections at a time are not larger than the page.
	if all := firstUpdate(t, s, ""); len(all) > len(page)*5/4 {
		t.Errorf("an update with everything takes %d bytes", len(all))
	}
}

// firstUpdate returns the first event of a stream.
func firstUpdate(t testing.TB, s *httptest.Server, query string) string {
	t.Helper()
	r, err := s.Client().Get(s.URL + "/live" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("/live: %s %v", r.Status, r.Header)
	}
	return readEvent(t, bufio.NewReader(r.Body))
}

// readEvent reads one server-sent event.
func readEvent(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	event, err := nextEvent(r)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// nextEvent is readEvent of a stream that may end.
func nextEvent(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("stream: %w after %q", err, b.String())
		}
		b.WriteString(line)
		if line == "\n" {
			return b.String(), nil
		}
	}
}

// TestPolicy: every response says that scripts, styles and connections are those of the server.
func TestPolicy(t *testing.T) {
	p, _, _ := newPage(t)
	s := serve(t, p)
	_, page := get(t, s, "/")
	for _, path := range []string{"/", "/status", "/history", "/enr", "/enode", assets[0].path, assets[1].path, assets[2].path} {
		r, _ := get(t, s, path)
		if got := r.Header.Get("Content-Security-Policy"); got != policy || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, r.Header)
		}
		if got := r.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: other pages may read it: %s", path, got)
		}
	}
	for _, bad := range []string{"unsafe-inline", "unsafe-eval", "*", "data:", "http"} {
		if strings.Contains(policy, bad) {
			t.Errorf("the policy has %s", bad)
		}
	}
	for _, bad := range []string{"<style", "style=", " onclick", "javascript:", "http://", "https://", "//"} {
		if strings.Contains(strings.ReplaceAll(page, "enode://", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if strings.Count(page, "<script") != 1 {
		t.Error("the page has more scripts than its file")
	}
}

// TestS53HostileNames: client names and texts of events are text in the page and in its updates.
func TestS53HostileNames(t *testing.T) {
	p, n, c := newPage(t)
	n.Fill(t, 64, hostile, c.Now())
	for _, h := range hostile {
		p.Note(Warning, h)
	}
	s := serve(t, p)
	_, page := get(t, s, "/")
	update := firstUpdate(t, s, "")
	for name, text := range map[string]string{"page": page, "update": update} {
		for _, bad := range []string{"<script>alert", "<img src=x", "<svg onload", "</td></table>\n<", "\u202e", "\x1b", "\x00", "\xff"} {
			if strings.Contains(text, bad) {
				t.Errorf("the %s has %q", name, bad)
			}
		}
		if !strings.Contains(text, "&lt;script&gt;alert(1)&lt;/script&gt;") {
			t.Errorf("the %s does not show the name as text", name)
		}
	}
	if strings.Count(update, "\n") != 4 { // id, event, data, empty line
		t.Errorf("a name broke the update into lines: %q", update)
	}
}

// TestText: /enr and /enode are plain text.
func TestText(t *testing.T) {
	p, n, _ := newPage(t)
	s := serve(t, p)
	e, _ := n.LocalRecord().Enode()
	for path, want := range map[string]string{"/enr": n.LocalRecord().String(), "/enode": e.String()} {
		r, body := get(t, s, path)
		if body != want+"\n" || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %q %v", path, body, r.Header)
		}
	}
	for _, path := range []string{"/index.html", "/assets/", "/assets/x/page.css", "/live?x=1", "/status?x=1", "/history?span=day", "/live?since=-1", "/live?since=x", "/live?since=1&since=2"} {
		if r, _ := get(t, s, path); r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
}

// TestJSON: /status and /history have the members that docs/OPERATING.md lists, and no others.
func TestJSON(t *testing.T) {
	p, n, c := newPage(t)
	fill(t, p, n, c)
	s := serve(t, p)
	var status Status
	var history History
	for path, to := range map[string]any{"/status": &status, "/history": &history} {
		r, body := get(t, s, path)
		d := json.NewDecoder(strings.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(to); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v, %v", path, err, r.Header)
		}
	}
	if status.Table.Members+status.Table.Replacements != 10_000 || status.Load.PeakDay.PacketsIn < 9000 || len(status.Drops) < 40 || status.Topics == nil {
		t.Errorf("status %+v", status.Table)
	}
	for name, w := range map[string]Window{"hour": history.Hour, "day": history.Day} {
		if len(w.Series) != int(numSeries) || len(w.Series["packets_in"].Mean) < ringPoints-2 || w.End == nil || w.Series["packets_in"].Mean[0] == nil {
			t.Errorf("%s: %d series", name, len(w.Series))
		}
	}
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "OPERATING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(manual), "`/status`, all figures")
	part, _, _ = strings.Cut(part, "`/eth/v1/node/identity`:")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile(`"([a-z0-9_]+)":`).FindAllStringSubmatch(part, -1) {
		documented[m[1]] = true
	}
	members := map[string]bool{}
	collectMembers(reflect.TypeFor[Status](), members)
	collectMembers(reflect.TypeFor[History](), members)
	for _, name := range seriesNames {
		if !strings.Contains(part, "`"+name+"`") {
			t.Errorf("docs/OPERATING.md says nothing about series %s", name)
		}
	}
	for m := range members {
		if !documented[m] {
			t.Errorf("docs/OPERATING.md says nothing about member %s", m)
		}
	}
	for m := range documented {
		if !members[m] {
			t.Errorf("docs/OPERATING.md has member %s, which does not exist", m)
		}
	}
}

// collectMembers collects the names of the members of a type in JSON.
func collectMembers(t reflect.Type, names map[string]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		collectMembers(t.Elem(), names)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range t.NumField() {
			if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
				names[name] = true
				collectMembers(t.Field(i).Type, names)
			}
		}
	}
}

// TestCauses: the page explains every drop cause.
func TestCauses(t *testing.T) {
	seen := map[string]bool{kernelCause: true}
	for _, c := range dropCounters {
		name := c.Info().Value
		seen[name] = true
		if causes[name].meaning == "" {
			t.Errorf("no meaning of cause %s", name)
		}
	}
	for name := range causes {
		if !seen[name] {
			t.Errorf("no cause %s", name)
		}
	}
}
