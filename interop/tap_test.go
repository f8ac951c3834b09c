package interop

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
)

// tapResult is one test of a report in TAP format (Test Anything Protocol):
//
//	1..2
//	ok 1 Ping
//	# log line of Ping
//	not ok 2 TalkRequest
//	# log line of TalkRequest
type tapResult struct {
	name string
	ok   bool
	log  string
}

var tapLine = regexp.MustCompile(`^(ok|not ok) \d+ (\S+)`)

// parseTAP returns the plan (the announced number of tests, or -1) and the tests that ran. Other
// lines go to the log of the test before them.
func parseTAP(r io.Reader) (plan int, results []tapResult, err error) {
	plan = -1
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		if m := tapLine.FindStringSubmatch(line); m != nil {
			results = append(results, tapResult{name: m[2], ok: m[1] == "ok"})
			continue
		}
		if plan < 0 {
			var n int
			if _, err := fmt.Sscanf(line, "1..%d", &n); err == nil {
				plan = n
				continue
			}
		}
		if n := len(results); n > 0 {
			results[n-1].log += strings.TrimPrefix(line, "# ") + "\n"
		}
	}
	return plan, results, s.Err()
}

func TestParseTAP(t *testing.T) {
	const report = "1..3\nok 1 Ping\n# sends PING\n# >> PING/v5\nnot ok 2 TalkRequest\n# expected TALKRESP\n"
	plan, got, err := parseTAP(strings.NewReader(report))
	if err != nil {
		t.Fatal(err)
	}
	want := []tapResult{
		{name: "Ping", ok: true, log: "sends PING\n>> PING/v5\n"},
		{name: "TalkRequest", log: "expected TALKRESP\n"},
	}
	if plan != 3 || len(got) != len(want) {
		t.Fatalf("got plan %d and %d results, want 3 and %d", plan, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("result %d: got %+v, want %+v", i, got[i], want[i])
		}
		if got[i].late() {
			t.Errorf("result %d: %+v counts as one that a pause can cause", i, got[i])
		}
	}
	if r := (tapResult{name: "Ping", log: "expected PONG, got error: read udp 127.0.0.1:9: i/o timeout\n"}); !r.late() {
		t.Errorf("%+v does not count as one that a pause can cause", r)
	}
}
