package document

import (
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// A part of the requests is smaller only below what the other server had in three of four rounds.
func TestLosingAnswersBeyondNoise(t *testing.T) {
	f := results.Example()
	own, geth := f.Flooded(results.Own, 100_000), f.Flooded(results.Geth, 100_000)
	geth.AnsweredLow, geth.Answered = 0.4, 0.6
	for answered, loses := range map[float64]bool{0.39: true, 0.5: false} {
		own.Answered = answered
		if got := strings.Contains(losing(f), "go-ethereum answers 60.0 %"); got != loses {
			t.Errorf("%v answered of 0.4 to 0.6: loses %v", answered, got)
		}
	}
	own.P99Low, own.P99High = 5000, 7000
	slower := func() bool {
		return slices.ContainsFunc(strings.Split(losing(f), "\n"), func(line string) bool {
			return strings.Contains(line, "(100,000), p99**") && strings.Contains(line, "go-ethereum has")
		})
	}
	if !slower() {
		t.Error("p99 of 5 to 7 ms is not said to be worse than 0.9")
	}
	if geth.Samples = geth.Samples[:2]; slower() {
		t.Error("two rounds of the other server tell nothing")
	}
}

// Memory of few sessions is an uncertain figure: that of the most counts.
func TestLosingMemory(t *testing.T) {
	f := results.Example()
	f.Memory = []results.Memory{
		{Server: results.Own, Sessions: 10, After: 50_000, Exact: true}, {Server: results.Own, Sessions: 1000, After: 900_000, Exact: true},
		{Server: results.Geth, Sessions: 1000, After: 1_000_000, Exact: true},
	}
	if text := losing(f); strings.Contains(text, "**Memory**") {
		t.Errorf("the figure of ten sessions counts:\n%s", text)
	}
	f.Memory[2].After = 800_000
	if text := losing(f); !strings.Contains(text, "- **Memory**: 900 bytes a session with 1,000 of them; go-ethereum takes 800 with 1,000.") {
		t.Errorf("900 bytes are more than 800:\n%s", text)
	}
}

// The pictures show this node without GSO too, and the echo where it is not what others are
// compared with.
func TestPicturesOfServers(t *testing.T) {
	f := results.Example()
	for name, want := range map[string][]string{
		"cost": results.Servers(), "ratio": {results.Own, results.Single, results.Geth, results.Rust, results.TypeScript},
	} {
		p, err := pictures(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range results.Servers() {
			if got := strings.Contains(string(p[names()[name]]), ">"+s+"<"); got != slices.Contains(want, s) {
				t.Errorf("%s shows %s: %v", name, s, got)
			}
		}
	}
}
