package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/statuspage"
	"github.com/fastdisc/discv5/internal/statuspage/pagetest"
)

// patience bounds what a test does in the browser. It is far above what anything takes.
const patience = 4 * time.Minute

// chromium returns the path of the browser, and skips the test if there is none.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless_shell", "chromium-headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("probed for Chromium: there is none on this machine")
	return ""
}

// tab is a tab of a browser. It fails the test if the page writes to the console, throws, opens a
// dialog, or asks another server for something.
type tab struct {
	context.Context
	server string // host:port that the page may ask

	mu       sync.Mutex
	requests []string
}

// open starts a browser with one tab.
func open(t *testing.T, server string) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(patience),
		// Nothing leaves the machine.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{Context: ctx, server: server}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			t.Errorf("console: %s %s", e.Type, e.Args[0].Value)
		case *runtime.EventExceptionThrown:
			t.Errorf("exception: %+v", e.ExceptionDetails)
		case *log.EventEntryAdded:
			t.Errorf("log: %s %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		case *page.EventJavascriptDialogOpening:
			t.Errorf("dialog: %s", e.Message)
			go chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		case *network.EventRequestWillBeSent:
			b.asks(t, e.Request.URL)
		}
	})
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	call(t, b, network.Enable, network.EnableParams{})
	call(t, b, log.Enable, cdp.Empty{})
	call(t, b, runtime.Enable, cdp.Empty{})
	return b
}

// asks notes a request of the page.
func (b *tab) asks(t *testing.T, address string) {
	b.mu.Lock()
	b.requests = append(b.requests, address)
	b.mu.Unlock()
	if u, err := url.Parse(address); err != nil || u.Host != b.server {
		t.Errorf("the page asks for %s", address)
	}
}

// call sends a command of the DevTools protocol.
func call[P, R any](t *testing.T, b *tab, command cdp.Command[P, R], params P) R {
	t.Helper()
	r, err := chromedp.Call(b.Context, command, params)
	if err != nil {
		t.Fatalf("%s: %v", command.Method, err)
	}
	return r
}

// load opens the page.
func (b *tab) load(t *testing.T) {
	t.Helper()
	if err := chromedp.Do(b.Context, chromedp.Navigate("http://"+b.server+"/")); err != nil {
		t.Fatal(err)
	}
}

// value returns the value of an expression of JavaScript.
func value[T any](t *testing.T, b *tab, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b.Context, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// eventually waits until an expression of JavaScript is true.
func (b *tab) eventually(t *testing.T, expression string) {
	t.Helper()
	for end := time.Now().Add(patience / 2); !value[bool](t, b, expression); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", expression)
		}
	}
}

// scheme selects light or dark.
func (b *tab) scheme(t *testing.T, name string) {
	t.Helper()
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// width selects the width of the screen.
func (b *tab) width(t *testing.T, pixels int64) {
	t.Helper()
	call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: pixels, Height: 800, DeviceScaleFactor: 1, Mobile: pixels < 500})
}

// screenshot writes a picture of the whole page, if somebody wants it.
func (b *tab) screenshot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("BROWSER_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.Context, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// clients are names that peers give themselves.
var clients = []string{"Lighthouse", "Prysm", "Teku", "Nimbus", "Lodestar", "Grandine"}

// hostile are client names that a page must show as text.
var hostile = []string{
	`<script>alert(1)</script>`, `<img src=x onerror=alert(2)>`, `"><svg onload=alert(3)>`, `'-alert(4)-'`, `{{.}}`, `</td></table>`,
	`&lt;b&gt;`, "\u202etxt.exe\u202c", "line\nbreak\ttab", "\x1b[31mred\x00", "\xff\xfe", strings.Repeat("W", 90), "עברית", "a\u200bb", "javascript:alert(5)",
}

// forkText names the fork of a record as the bootnode does.
func forkText(r *enr.Record) string {
	e, ok := r.Eth2()
	if !ok {
		return "none stated"
	}
	return fmt.Sprintf("fulu 0x%x", e.ForkDigest)
}

// fleetOf returns a fleet whose members have the given names.
func fleetOf(names []string) func() *statuspage.Fleet {
	return func() *statuspage.Fleet {
		f := &statuspage.Fleet{Server: "nats://nats-1.example.org:4222", Identity: "main", Nodes: 1234}
		for _, name := range names {
			f.Members = append(f.Members, statuspage.Member{Name: name, Program: name, Role: "standby", Live: 150, Sessions: 4021})
		}
		return f
	}
}

// forksOf describes a chain that is about to fork. It refuses nodes of forks with the given names.
func forksOf(names []string) func(time.Time) *statuspage.Forks {
	return func(now time.Time) *statuspage.Forks {
		start := now.Add(50 * time.Hour).UTC()
		f := &statuspage.Forks{
			Chain: "mainnet", Layer: "consensus", Serve: "network",
			Current: statuspage.Fork{Name: "fulu", Digest: "0xb5303f2a"}, Next: &statuspage.Fork{Name: "bpo1", Digest: "0x8c9f62fe", Start: &start},
		}
		for i, name := range names {
			f.Refused = append(f.Refused, statuspage.Count{Name: fmt.Sprintf("%.20s 0x%08x, foreign", name, i), Nodes: 400 / (i + 1)})
		}
		return f
	}
}

// demo serves a page that has seen a day of traffic, and whose node knows many others.
func demo(t *testing.T, nodes int, names []string) (n *pagetest.Node, server string) {
	t.Helper()
	n = pagetest.New(t)
	begin := time.Now().Add(-24 * time.Hour)
	var mu sync.Mutex
	clock := begin
	p := statuspage.New(statuspage.Config{
		Node: n, Version: "bootnode v1.0.0 go1.26 linux/amd64",
		Limits: statuspage.Limits{
			Sessions: 131072, Challenges: 65536, Tasks: 1024, OwnRequests: 16384,
			Unverified: discv5.DefaultUnverifiedRates(), Handshake: discv5.DefaultHandshakeRates(), Requests: discv5.DefaultRequestRates(),
		},
		Fork: forkText, Forks: forksOf(names), Fleet: fleetOf(names),
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			if clock.IsZero() { // the day is over
				return time.Now()
			}
			return clock
		},
	})
	n.Fill(t, nodes, names, time.Now())
	n.Topics = discv5.TopicStats{Ads: 41230, Capacity: 50000, Topics: 112, Queries: 981234, Returned: 7123456, Expired: 123456}
	for i := range 6 {
		n.Largest = append(n.Largest, discv5.TopicCount{Topic: discv5.TopicOf(fmt.Sprint("topic ", i)), Ads: 9000 - 1300*i})
	}
	p.Note(statuspage.OK, "The bootnode has started")
	n.Drive(begin, 24*time.Hour, 5*time.Second, func(now time.Time) {
		mu.Lock()
		clock = now
		mu.Unlock()
		p.Advance(now)
	})
	mu.Lock()
	clock = time.Time{}
	mu.Unlock()
	p.Note(statuspage.OK, "The settings were reloaded")
	mux := http.NewServeMux()
	p.Register(mux)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return n, s.Listener.Addr().String()
}

// streams returns the number of open streams of a bootnode's page, by what the bootnode says.
func streams(t *testing.T, server string) int {
	t.Helper()
	r, err := http.Get("http://" + server + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var s statuspage.Status
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s.Streams
}
