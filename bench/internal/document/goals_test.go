package document

import (
	"strings"
	"testing"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// The verdicts on the goals follow from the figures.
func TestGoals(t *testing.T) {
	f := results.Example()
	set := func(ping, findnode, geth, many, rest float64) {
		for _, s := range []string{results.Own, results.Single} {
			f.Row("ping", s).Ratio, f.Row("findnode", s).Ratio, f.Row("ping", s).Median = ping, findnode, 4
		}
		f.Row("ping", results.Geth).Median = 4 * geth
		f.Row("ping", results.Geth).Ratio = 6
		for i := range f.Sessions {
			switch f.Sessions[i].Sessions {
			case 1000:
				f.Sessions[i].Median = 5
			case 100_000:
				f.Sessions[i].Median = 5 * many
			}
		}
		for i := range f.Stages {
			switch f.Stages[i].Name {
			case "handshake: accept, new record":
				f.Stages[i].Nanos = 1000
			case "handshake: accept, new record, without curve arithmetic":
				f.Stages[i].Nanos = rest
			}
		}
	}
	set(1.15, 1.3, 5, 1.3, 50)
	if text := goals(f); strings.Count(text, "| reached |") != 8 || strings.Contains(text, "not") && !strings.Contains(text, "what is not curve") {
		t.Errorf("all are reached:\n%s", text)
	}
	set(1.16, 1.31, 4.9, 1.31, 62)
	text := goals(f)
	if strings.Count(text, "| **not reached** |") != 8 {
		t.Errorf("none is reached:\n%s", text)
	}
	for _, want := range []string{"| at most 1.15 | 1.16 |", "| at most 1.30 | 1.31 |", "| at least 5.00 | 4.90 |", "| at most 5 % | 6.2 % |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	f.Row("ping", results.Geth).Ratio = 3.5
	if text := goals(f); !strings.Contains(text, "| at least 5.00 | 4.90 | **not reached**, and out of reach on this machine: it takes 3.50 times as much as the echo |") {
		t.Errorf("the echo itself is not that far from go-ethereum:\n%s", text)
	}
	f.Rows = keep(f.Rows, func(r results.Row) bool { return r.Server != results.Geth })
	if text := goals(f); strings.Contains(text, "go-ethereum") {
		t.Errorf("a goal without figures:\n%s", text)
	}
}

// The document leaves out a text about higher costs of this node if its costs are not higher.
func TestSlower(t *testing.T) {
	f := results.Example()
	if !slower(f, "handshake", results.Geth) || slower(f, "ping", results.Geth) || slower(f, "ping", "nobody") {
		t.Error("the example loses in handshakes alone")
	}
}

// A p99 is worse only beyond what differs from round to round.
func TestLosingBeyondNoise(t *testing.T) {
	f := results.Example()
	own, geth := f.Row("talk", results.Own), f.Row("talk", results.Geth)
	geth.P99Low, geth.P99, geth.P99High = 50, 60, 90
	for _, c := range []struct {
		low, mid, high float64
		loses          bool
	}{{40, 80, 200, false}, {85, 95, 200, false}, {91, 95, 200, true}} {
		own.P99Low, own.P99, own.P99High = c.low, c.mid, c.high
		if got := strings.Contains(losing(f), "go-ethereum has 60.0 (50.0-90.0)"); got != c.loses {
			t.Errorf("%+v against 50-90: loses %v", c, got)
		}
	}
}

// Beside a flood too the document says where this node is worse.
func TestLosingBesideFlood(t *testing.T) {
	f := results.Example()
	if text := losing(f); strings.Contains(text, "beside junk") {
		t.Errorf("the example has no loss beside junk:\n%s", text)
	}
	f.Flooded(results.Own, results.FullSpeed).Answered = 0.1
	x := f.Flooded(results.Own, 100_000)
	x.P99Low, x.P99, x.P99High = 5000, 6000, 7000
	text := losing(f)
	for _, want := range []string{"(all that a CPU sends: 1,000,000)**: 10.0 % answered, go-ethereum answers", "(100,000), p99**: 6,000 µs"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	x.Samples = x.Samples[:2]
	if text := losing(f); strings.Contains(text, "(100,000), p99") {
		t.Errorf("two rounds tell nothing:\n%s", text)
	}
	f.Flood = nil
	if text := flood(f); !strings.HasPrefix(text, "Not measured") {
		t.Errorf("without figures: %s", text)
	}
}

// The document says where this node is worse without GSO too, which is what as many peers get of
// it.
func TestLosingWithoutGSO(t *testing.T) {
	f := results.Example()
	f.Row("talk", results.Single).Median = 1000
	f.Flooded(results.Single, 100_000).Answered = 0.2
	own := f.Row("junk-new", results.Single)
	own.P99Low, own.P99, own.P99High = 8000, 9000, 9500
	text := losing(f)
	for _, want := range []string{
		"- **talk, unknown protocol, no GSO**: 1,000 µs of CPU, go-ethereum takes", "- **junk, new challenge, no GSO, p99 of a lone one**: 9,000 µs",
		"junk (100,000), no GSO**: 20.0 % answered, go-ethereum answers",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "discv5") || strings.Contains(text, "echo") {
		t.Errorf("this node loses to itself:\n%s", text)
	}
}

// Junk that could not leave as fast as it was asked for is not said to have come.
func TestJunkThatLeft(t *testing.T) {
	for _, c := range []struct {
		junk int
		sent float64
		want string
	}{
		{results.NoJunk, 0, "none"}, {results.FullSpeed, 1_234_567, "all that a CPU sends: 1,234,567"}, {10_000, 9_990, "10,000"}, {400_000, 400_000, "400,000"},
		{400_000, 388_000, "400,000"}, {400_000, 310_000, "400,000 (310,000 left)"},
	} {
		if got := junkRate(&results.Flood{Junk: c.junk, Sent: c.sent}); got != c.want {
			t.Errorf("%d, %v left: %q, want %q", c.junk, c.sent, got, c.want)
		}
	}
}
