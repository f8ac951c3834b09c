package interop

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// suiteTimeout bounds one run of the suite. A healthy node takes seconds; FindnodeResults alone may
// wait a minute for PINGs.
const suiteTimeout = 5 * time.Minute

// suiteTests are the tests of "devp2p discv5 test" in the pinned version.
var suiteTests = []string{
	"Ping", "PingLargeRequestID", "PingMultiIP", "HandshakeResend", "TalkRequest",
	"FindnodeWrongIP", "FindnodeHandshake", "FindnodeZeroDistance", "FindnodeResults",
	"UnsolicitedNodes",
}

// twoAddressTests are the tests that send from two addresses.
var twoAddressTests = []string{"PingMultiIP", "FindnodeWrongIP"}

// TestConformance runs the whole suite over IPv4.
func TestConformance(t *testing.T) {
	requireAddr(t, loopback4)
	requireAddr(t, secondLoopback4)
	conform(t, loopback4, secondLoopback4, suiteTests, false)
}

// TestConformanceTopics runs the whole suite against a registrar of topics.
func TestConformanceTopics(t *testing.T) {
	requireAddr(t, loopback4)
	requireAddr(t, secondLoopback4)
	conform(t, loopback4, secondLoopback4, suiteTests, true)
}

// TestConformanceIPv6 runs the suite over IPv6. Without a second IPv6 address it skips the tests
// that need one.
func TestConformanceIPv6(t *testing.T) {
	requireAddr(t, loopback6)
	second, err := secondLoopback6()
	if err == nil {
		conform(t, loopback6, second, suiteTests, false)
		return
	}
	for _, name := range twoAddressTests {
		t.Run(name, func(t *testing.T) {
			t.Skipf("needs a second IPv6 address for the tester; probed: %v", err)
		})
	}
	single := slices.DeleteFunc(slices.Clone(suiteTests), func(name string) bool {
		return slices.Contains(twoAddressTests, name)
	})
	conform(t, loopback6, loopback6, single, false)
}

// conform runs the given tests of the suite in rounds, each with a new bootnode.
func conform(t *testing.T, listen1, listen2 netip.Addr, tests []string, topics bool) {
	for round := 1; round <= conformanceRounds(t); round++ {
		t.Run(fmt.Sprintf("Round%d", round), func(t *testing.T) {
			cfg := newBootConfig(t, listen1)
			cfg.topics = topics
			boot := startBootnode(t, cfg)
			runSuite(t, boot, listen1, listen2, tests)
		})
	}
}

// conformanceRounds reads DISCV5_CONFORMANCE_ROUNDS.
func conformanceRounds(t *testing.T) int {
	t.Helper()
	s := os.Getenv("DISCV5_CONFORMANCE_ROUNDS")
	if s == "" {
		return 1
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("DISCV5_CONFORMANCE_ROUNDS is %q, want a count of 1 or more", s)
	}
	return n
}

// runSuite runs the suite and makes each result a subtest. The suite waits 300 ms for an answer, so
// it repeats tests that a pause of the machine may have failed.
func runSuite(t *testing.T, boot *bootnode, listen1, listen2 netip.Addr, tests []string) {
	results := devp2p(t, boot, listen1, listen2, tests)
	for round := 1; round < maxRounds; round++ {
		var late []string
		for _, r := range results {
			if r.late() {
				late = append(late, r.name)
				t.Logf("round %d: %s:\n%s", round, r.name, r.log)
			}
		}
		if len(late) == 0 {
			break
		}
		for _, r := range devp2p(t, boot, listen1, listen2, late) {
			results[slices.IndexFunc(results, func(o tapResult) bool { return o.name == r.name })] = r
		}
	}
	for _, r := range results {
		t.Run(r.name, func(t *testing.T) {
			if !r.ok {
				t.Errorf("suite log:\n%s", r.log)
			}
		})
	}
}

// late reports whether a test has failed in a way in which a pause of the machine can fail it: a
// packet took more than 300 ms, or in two of the tests, a challenge ended after a second or a node
// of the test did not become known.
func (r tapResult) late() bool {
	return !r.ok && (strings.Contains(r.log, "i/o timeout") || r.name == "HandshakeResend" || r.name == "FindnodeResults")
}

// devp2p runs tests of the suite.
func devp2p(t *testing.T, boot *bootnode, listen1, listen2 netip.Addr, tests []string) []tapResult {
	t.Helper()
	path, err := devp2pBinary()
	if err != nil {
		t.Fatal("devp2p binary:", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "discv5", "test", "--tap",
		"--run", "^("+strings.Join(tests, "|")+")$",
		"--listen1", listenHost(listen1), "--listen2", listenHost(listen2),
		boot.node.String())
	var stdout bytes.Buffer
	var stderr tail
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	start := time.Now()
	runErr := cmd.Run()
	t.Logf("devp2p discv5 test took %v", time.Since(start).Round(time.Millisecond))

	plan, results, err := parseTAP(&stdout)
	if err != nil {
		t.Fatal("reading the TAP report:", err)
	}
	for _, name := range tests {
		if !slices.ContainsFunc(results, func(r tapResult) bool { return r.name == name }) {
			t.Errorf("%s did not run", name)
		}
	}
	if plan != len(tests) || len(results) != len(tests) {
		t.Fatalf("%d tests planned, %d ran, want %d\nstderr:\n%s", plan, len(results), len(tests), &stderr)
	}
	// The suite exits with 1 if a test failed; any other code means a broken run.
	failed := slices.ContainsFunc(results, func(r tapResult) bool { return !r.ok })
	if runErr != nil && (!failed || ctx.Err() != nil) {
		t.Errorf("devp2p: %v (after %v)\nstderr:\n%s", runErr, time.Since(start).Round(time.Second), &stderr)
	}
	return results
}

// listenHost formats ip for --listen1 and --listen2, to which devp2p simply appends ":0".
func listenHost(ip netip.Addr) string {
	if ip.Is6() {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}
