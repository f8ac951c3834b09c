package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/fastdisc/discv5/internal/load"
	"github.com/fastdisc/discv5/internal/proctest"
)

// bootnode starts a bootnode on loopback, and returns the address of its page and its record.
func bootnode(t *testing.T) (server string, target load.Target) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootnode")
	build := exec.Command("go", "build", "-o", path, "./cmd/bootnode")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(path, "--addr", "127.0.0.1:0", "--http", "127.0.0.1:0", "--datadir", t.TempDir())
	cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "DISCV5_") })
	p := proctest.Start(t, cmd, proctest.Options{})
	record := p.Record(t)
	t.Cleanup(func() {
		if code := p.End(t, syscall.SIGTERM); code != 0 {
			t.Errorf("the bootnode ended with code %d", code)
		}
	})
	serving := regexp.MustCompile(`msg="serving http" addr=(\S+)`)
	proctest.Eventually(t, "HTTP server", func() bool {
		m := serving.FindStringSubmatch(p.Log.String())
		if m != nil {
			server = m[1]
		}
		return m != nil
	})
	at, _ := record.UDPEndpoint4()
	pub, _ := record.PublicKey()
	return server, load.Target{ID: record.ID(), PublicKey: pub, Addr: at}
}

// Under load the figures of an open page change by themselves.
func TestLive(t *testing.T) {
	server, target := bootnode(t)
	b := open(t, server)
	b.load(t)
	b.eventually(t, `document.getElementById("stream").textContent === "Live"`)
	if before := value[string](t, b, `document.getElementById("packets-in").textContent`); before != "0" && before != "–" {
		t.Errorf("%s packets a second before anything came", before)
	}
	g, err := load.New(load.Config{Target: target, Mix: load.Only(load.Ping), Identities: 200, Rate: 500})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	prepared, err := g.Prepare(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context()) // the load lasts until the page shows it
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := g.Run(ctx, load.Plan{For: patience})
		done <- err
	}()
	const count = `(id => Number(document.querySelector(id).textContent.replaceAll(",", "")))`
	b.eventually(t, count+`("#packets-in") > 100`)
	// Each handshake that was retried may have made a session too.
	b.eventually(t, fmt.Sprintf(`(n => n >= 200 && n <= %d)(Number(/(\d+) of 131,072/.exec(document.getElementById("peers").textContent)?.[1]))`,
		200+prepared.Failed))
	// an estimate of 200
	b.eventually(t, count+`("#peers .big b") > 150`)
	b.screenshot(t, "live")
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.eventually(t, count+`("#packets-in") < 100`) // after the load

	// A tab in the background asks for nothing.
	value[bool](t, b, `Object.defineProperty(document, "hidden", {value: true, configurable: true}), document.dispatchEvent(new Event("visibilitychange"))`)
	proctest.Eventually(t, "stream closed", func() bool { return streams(t, server) == 0 })
	value[bool](t, b, `Object.defineProperty(document, "hidden", {value: false}), document.dispatchEvent(new Event("visibilitychange"))`)
	proctest.Eventually(t, "stream open", func() bool { return streams(t, server) == 1 })
}

// The buttons copy what they stand beside.
func TestCopy(t *testing.T) {
	n, server := demo(t, 10, clients)
	b := open(t, server)
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(b.Context, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: "http://" + server,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.load(t)
	b.eventually(t, `document.getElementById("stream").textContent === "Live"`)
	// A button says "Copied" for a moment only.
	value[bool](t, b, `window.said = {}, document.querySelectorAll("[data-copy]").forEach(e =>
		new MutationObserver(() => (said[e.dataset.copy] ??= []).push(e.textContent)).observe(e, {childList: true})), true`)
	copied := func(id string) {
		t.Helper()
		b.eventually(t, `(said["`+id+`"] ?? []).includes("Copied")`)
	}
	enode, _ := n.LocalRecord().Enode()
	for id, want := range map[string]string{"record": n.LocalRecord().String(), "enode": enode.String(), "nodeid": n.ID().String()} {
		selector := `[data-copy="` + id + `"]`
		if err := chromedp.Do(b.Context, chromedp.Click(chromedp.CSS(selector))); err != nil {
			t.Fatal(err)
		}
		copied(id)
		got, err := chromedp.Run(b.Context, chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
		if err != nil || got != want {
			t.Errorf("%s: the clipboard has %q (%v)", id, got, err)
		}
		b.eventually(t, `document.querySelector('`+selector+`').textContent.startsWith("Copy the")`)
	}
	// Without navigator.clipboard, as on plain HTTP, the selection is copied.
	value[bool](t, b, `said = {}, Object.defineProperty(navigator, "clipboard", {value: undefined, configurable: true}), true`)
	if err := chromedp.Do(b.Context, chromedp.Click(chromedp.CSS(`[data-copy="nodeid"]`))); err != nil {
		t.Fatal(err)
	}
	copied("nodeid")
}

// axe returns the source of axe-core, which npm fetches by its lock file.
func axe(t *testing.T) string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("probed for npm, which fetches axe-core: there is none on this machine")
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("probed for axe-core: npm cannot fetch it: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// violation is a rule of axe that the page breaks.
type violation struct {
	ID    string
	Help  string
	Nodes []struct{ HTML, FailureSummary string }
}

// The page breaks no rule of axe-core (WCAG 2.2 AA and best practices), in light and dark, on a
// phone and on a desktop, healthy and not.
func TestAccessibility(t *testing.T) {
	source := axe(t)
	n, server := demo(t, 300, append(clients, hostile...))
	b := open(t, server)
	for _, health := range []string{"ok", "warning"} {
		if health == "warning" {
			n.Addresses[0].InDoubt, n.Addresses[0].MissedMax, n.Addresses[0].Missed = true, 20, 11
			time.Sleep(1100 * time.Millisecond) // the rendering of before is kept for a second
		}
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{360, 1280} {
				if health == "warning" && width == 360 {
					continue // the warning has the same layout as its absence
				}
				b.scheme(t, scheme)
				b.width(t, width)
				b.load(t)
				if level := value[string](t, b, `document.querySelector(".level").className`); !strings.Contains(level, health) {
					t.Errorf("the page says %s, want %s", level, health)
				}
				// The policy of the page allows no scripts but its own; those of the DevTools are
				// outside of it.
				value[bool](t, b, source+"; true")
				result, err := chromedp.Run(b.Context, chromedp.Evaluate[string](
					`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify([r.passes.length, r.violations.map(v => ({ID: v.id, Help: v.help, Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary}))}))]))`,
					chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatal(err)
				}
				var passes int
				var list []violation
				if err := json.Unmarshal([]byte(result), &[]any{&passes, &list}); err != nil {
					t.Fatal(err)
				}
				if passes < 20 {
					t.Errorf("%d rules applied: this tests nothing", passes)
				}
				for _, v := range list {
					t.Errorf("%s, %d pixels, %s: %s: %s: %s\n%s", scheme, width, health, v.ID, v.Help, v.Nodes[0].HTML, v.Nodes[0].FailureSummary)
				}
				b.screenshot(t, health+"-"+scheme)
			}
		}
	}
}
