package document

import (
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// TestManyPeers: ratios are those of one round, and the receive part counts requests, the server's
// part answers.
func TestManyPeers(t *testing.T) {
	if got := ManyPeers(nil); !strings.Contains(got, "make perf-many") {
		t.Errorf("without figures: %q", got)
	}
	sample := func(server, receive, kernel time.Duration, exchanges int) results.ManySample {
		return results.ManySample{Exchanges: exchanges, Sent: 1000, Server: server, Receive: receive, Kernel: kernel}
	}
	m := &results.ManyPeers{Rounds: 3, Rows: []results.ManyRow{
		{Server: results.BareEcho, Workload: "ping", Peers: 16384, Samples: []results.ManySample{
			sample(3*time.Millisecond, time.Millisecond, 0, 1000),
			sample(6*time.Millisecond, 2*time.Millisecond, 0, 1000),
			sample(9*time.Millisecond, 3*time.Millisecond, 0, 1000),
		}},
		{Server: results.OwnNative, Workload: "ping", Peers: 16384, Samples: []results.ManySample{
			sample(time.Millisecond, time.Millisecond, 0, 1000),
			sample(3*time.Millisecond, 500*time.Microsecond, 500*time.Microsecond, 1000),
			sample(2*time.Millisecond, time.Millisecond, time.Millisecond, 500),
		}},
		{Server: results.Own, Workload: "findnode", Peers: 900, Records: 16, Samples: []results.ManySample{sample(time.Millisecond, 0, 0, 1000)}},
	}}
	got := ManyPeers(m)
	for _, want := range []string{
		"| echo | 16,384 |  | 6.00 | 2.00 | 8.00 | 1.00 (1.00-1.00) | 0.0 % |",
		"| " + results.OwnNative + " | 16,384 |  | 3.00 | 1.00 | 4.00 | 0.50 (0.50-0.50) | 0.0 % |",
		"| discv5 | 900 | 16 | 1.00 | 0 | 1.00 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
