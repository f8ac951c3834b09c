package archtest

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// packetBuilders may lay out packets: the codec, the one builder above it, and the seeds of a fuzz
// target that reads packets in clear.
var packetBuilders = []string{"internal/session/packet.go", "internal/session/challenge.go", "fuzz/diff/packet_test.go"}

// layout is a call that lays out the header of a packet.
var layout = regexp.MustCompile(`\bcodec\.Append(?:MessageHeader|HandshakeHeader|Whoareyou)\b`)

// One builder lays out, seals and masks packets: session.Header and session.Challenge. The engine,
// the load generator, the benchmarks and scripted peers use it.
func TestOnePacketBuilder(t *testing.T) {
	found := 0
	files(t, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".go") || strings.HasPrefix(path, "codec/") || path == "internal/archtest/packets_test.go" || !layout.Match(text) {
			return
		}
		if slices.Contains(packetBuilders, path) {
			found++
			return
		}
		t.Errorf("%s calls %s: packets are built by session.Header and session.Challenge", path, layout.Find(text))
	})
	if found != len(packetBuilders) {
		t.Errorf("%d of %d files that may lay out packets do: the list is out of date", found, len(packetBuilders))
	}
}
