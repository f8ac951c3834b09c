package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// The page has no horizontal scroll bar on a phone, nor on wider screens, in light and dark.
func TestWidths(t *testing.T) {
	_, server := demo(t, 300, append(clients, hostile...))
	b := open(t, server)
	for _, width := range []int64{320, 360, 412, 600, 768, 1024, 1100, 1280, 1320, 1920} {
		schemes := []string{"light"}
		if width == 360 || width == 1280 { // both have the same rules of layout
			schemes = append(schemes, "dark")
		}
		for _, s := range schemes {
			b.scheme(t, s)
			b.width(t, width)
			b.load(t)
			if w := value[int64](t, b, "document.documentElement.scrollWidth"); w > width {
				t.Errorf("the page is %d pixels wide on a screen of %d: %s", w, width, value[string](t, b, fmt.Sprintf(
					`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > %d).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n")`, width)))
			}
			if wide := value[string](t, b, `[...document.querySelectorAll(".card table, .card figure, .card p")].filter(e => e.getBoundingClientRect().right > e.closest(".card").getBoundingClientRect().right).map(e => e.closest(".card").id || "plots").join(" ")`); wide != "" {
				t.Errorf("on a screen of %d pixels, parts are wider than their cards: %s", width, wide)
			}
			b.screenshot(t, fmt.Sprintf("%d-%s", width, s))
		}
	}
}

// Without JavaScript the page shows everything, and reloads itself.
func TestWithoutJavaScript(t *testing.T) {
	n, server := demo(t, 100, clients)
	b := open(t, server)
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.load(t)
	text := value[string](t, b, "document.body.innerText")
	for _, want := range []string{
		n.LocalRecord().String(), "enode://", n.LocalRecord().ID().String(), "Healthy", "203.0.113.7:9000", "reachable", "unique peers in the last hour",
		"Handshake time", "rate_unverified", "limit: 100 a second per address, 500 per network", "198.51.100.0/24", "By fork", "fulu 0xb5303f2a", "Lighthouse",
		"By distance", "Largest topics", "The settings were reloaded", "This page reloads every 30 seconds",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(text, "Copy") {
		t.Error("the page has a button that does nothing")
	}
	if reload := value[string](t, b, `document.querySelector("meta[http-equiv=refresh]").content`); reload != "30" {
		t.Errorf("the page reloads after %q", reload)
	}
	b.screenshot(t, "no-javascript")
}

// Names that peers choose are text, whatever is in them: no element, no script, no change of the
// direction of other text.
func TestS53HostileNames(t *testing.T) {
	_, server := demo(t, 2000, hostile)
	b := open(t, server)
	b.load(t)
	if n := value[int](t, b, `document.querySelectorAll("main script, main img, main iframe, svg[onload], [onerror]").length`); n > 0 {
		t.Errorf("%d elements came from names", n)
	}
	text := value[string](t, b, `document.getElementById("table").textContent`)
	for _, want := range []string{`<script>alert(1)</script>`, `<img src=x onerror=alert(2)>`, `"><svg onload=alert(3)>`, `</td></table>`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if i := strings.IndexAny(text, "\x00\x1b\u202e\u202c\u200b\ufffd"); i >= 0 {
		t.Errorf("a character that does not print: %q", text[max(0, i-20):i+10])
	}
	b.screenshot(t, "hostile")
}
