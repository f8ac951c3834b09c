package document

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/bench/internal/results"
)

var update = flag.Bool("update", false, "write testdata/small.md")

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A small document has every function of a template in it.
func TestGolden(t *testing.T) {
	d, err := Make(results.Example(), read(t, "testdata/small.md.tmpl"), "docs/img")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/small.md"
	if *update {
		if err := os.WriteFile(golden, d.Text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Split(read(t, golden), "\n")
	for i, line := range strings.Split(string(d.Text), "\n") {
		if i >= len(want) || line != want[i] {
			t.Fatalf("line %d is\n%s\nwant, in %s (-update writes it):\n%s", i+1, line, golden, strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
		}
	}
	if len(d.Pictures) != len(names()) {
		t.Errorf("%d pictures, want %d", len(d.Pictures), len(names()))
	}
	for name, svg := range d.Pictures {
		if !bytes.HasPrefix(svg, []byte("<svg")) || !strings.HasPrefix(name, "perf-") || !strings.HasSuffix(name, ".svg") {
			t.Errorf("%s begins with %.40q", name, svg)
		}
	}
	again, err := Make(results.Example(), read(t, "testdata/small.md.tmpl"), "docs/img")
	if err != nil || !bytes.Equal(again.Text, d.Text) || !bytes.Equal(again.Pictures["perf-cost.svg"], d.Pictures["perf-cost.svg"]) {
		t.Errorf("made twice, it differs: %v", err)
	}
}

// The template of PERF.md fits a complete file, also one without the foreign servers, and keeps
// what people wrote.
func TestTemplate(t *testing.T) {
	text := read(t, "../../perf.md.tmpl")
	for _, skipped := range []bool{false, true} {
		f := results.Example()
		if skipped {
			f.Rows = keep(f.Rows, func(r results.Row) bool { return ours(r.Server) || r.Server == results.Echo })
			f.Memory = keep(f.Memory, func(m results.Memory) bool { return m.Server == results.Own })
			for _, s := range []string{results.Geth, results.Rust, results.TypeScript} {
				f.Skipped = append(f.Skipped, results.Skipped{Name: s, Why: "no\ntoolchain"})
			}
		}
		d, err := Make(f, text, "docs/img")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"## Where it loses", "| the receiver's error variable no longer escapes | 17,405 objects for a million datagrams | 30 |",
			"docs/img/perf-cost.svg", "docs/img/perf-ratio.svg", "docs/img/perf-sessions.svg", "docs/img/perf-junk.svg", "docs/img/perf-stages.svg",
		} {
			if !bytes.Contains(d.Text, []byte(want)) {
				t.Errorf("skipped %v: %q is not in the document", skipped, want)
			}
		}
		if got := bytes.Contains(d.Text, []byte("Left out: rust (no toolchain).")); got != skipped {
			t.Errorf("skipped %v: says so: %v", skipped, got)
		}
		if got := bytes.Contains(d.Text, []byte("- **handshake**: 700 µs of CPU, go-ethereum takes")); got == skipped {
			t.Errorf("skipped %v: says that it loses: %v", skipped, got)
		}
	}
}

// The results in the repository make a document, also if an older version of the program has
// written them.
func TestCommittedResults(t *testing.T) {
	f, err := results.Load("../../results/latest.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(f, read(t, "../../perf.md.tmpl"), "docs/img"); err != nil {
		t.Error(err)
	}
	if f.Quick {
		t.Error("they are those of a quick run")
	}
}

func keep[T any](list []T, f func(T) bool) (kept []T) {
	for _, x := range list {
		if f(x) {
			kept = append(kept, x)
		}
	}
	return kept
}

func TestRefuse(t *testing.T) {
	f := results.Example()
	f.Sessions = nil
	if d, err := Make(f, "text", "img"); !errors.Is(err, results.ErrMissing) || d != nil {
		t.Errorf("without figures: %v, %v", d, err)
	}
	for _, text := range []string{
		"{{", "{{nothing}}", "{{.Nothing}}", `{{picture "nothing" ""}}`, `{{cost "ping" "nobody"}}`, `{{ratio "ping" "nobody"}}`, `{{stage "nothing"}}`, `{{outgrown 1 2}}`,
	} {
		if d, err := Make(results.Example(), text, "img"); !errors.Is(err, ErrTemplate) || d != nil {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 4.781: "4.78", 15.09: "15.1", 374: "374", 1234: "1,234", 1234567: "1,234,567", 999.6: "1,000",
	} {
		if got := number(x); got != want {
			t.Errorf("number(%v) = %q, want %q", x, got, want)
		}
	}
	for x, want := range map[float64]string{-1234: "-1,234", -123: "-123", 12: "12", 100000: "100,000"} {
		if got := group(x); got != want {
			t.Errorf("group(%v) = %q, want %q", x, got, want)
		}
	}
	for x, want := range map[float64]string{12.5: "12.5 ns", 9999: "9,999 ns", 219000: "219 µs"} {
		if got := nanos(x); got != want {
			t.Errorf("nanos(%v) = %q, want %q", x, got, want)
		}
	}
}

// Each row of a table has as many cells as its head: a bar within a cell parts it, also in code,
// unless it is escaped.
func TestTableRows(t *testing.T) {
	cells := func(line string) int { return strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") }
	head := 0
	for i, line := range strings.Split(read(t, "../../../PERF.md"), "\n") {
		switch {
		case !strings.HasPrefix(line, "|"):
			head = 0
		case head == 0:
			head = cells(line)
		case cells(line) != head:
			t.Errorf("PERF.md:%d: %d bars, and its head has %d: %s", i+1, cells(line), head, line)
		}
	}
}
