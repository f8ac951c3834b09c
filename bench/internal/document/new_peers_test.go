package document

import (
	"strings"
	"testing"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// The table names both nodes at each rate, what was not measured too, and the command.
func TestNewPeers(t *testing.T) {
	if text := newpeers(nil); !strings.Contains(text, "Not measured") {
		t.Errorf("%q without a file", text)
	}
	n := &results.NewPeers{
		Challenges: [2]int{32768, 65536}, Commands: []string{"go run ./cmd/newpeers -rounds 3"},
		Rows: []results.NewPeerRow{
			{Server: results.Own, Junk: 50_000, Parts: []float64{1, 0.96, 0.98}},
			{Server: results.Before, Junk: 50_000, Parts: []float64{0.4, 0.6, 0.5}},
		},
	}
	text := newpeers(n)
	for _, want := range []string{"| 50,000 | 50 (40) | 98 (96) |", "| 200,000 | ? | ? |", "32,768", "65,536", "`go run ./cmd/newpeers -rounds 3`"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
