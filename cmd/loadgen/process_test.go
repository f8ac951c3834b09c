package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/proctest"
)

// patience bounds every wait of these tests. It is far above what anything takes.
const patience = 2 * time.Minute

// childEnv makes the test binary be the command, so that tests run it as a process with its own
// race detector.
const childEnv = "DISCV5_TEST_LOADGEN"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// outcome is what a process did.
type outcome struct {
	code     int
	out, err string
}

// process starts the command; wait returns its outcome.
func process(t *testing.T, args ...string) (cmd *exec.Cmd, wait func() outcome) {
	t.Helper()
	cmd = proctest.Self(childEnv, args...)
	end := proctest.Begin(t, cmd)
	return cmd, func() outcome {
		t.Helper()
		r := end()
		return outcome{r.Code, r.Out, r.Err}
	}
}

// loadgen runs the command to its end.
func loadgen(t *testing.T, args ...string) outcome {
	t.Helper()
	_, wait := process(t, args...)
	return wait()
}

// node starts a node in this process.
func node(t *testing.T, addr string) *discv5.Node {
	t.Helper()
	n, err := discv5.New(discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort(addr)}, Sockets: 1, Topics: discv5.TopicConfig{Registrar: true},
	})
	if err != nil {
		if strings.HasPrefix(addr, "[") {
			t.Skipf("probed for IPv6: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n
}

// silence is the record of a node that is not there, at an address that takes packets.
func silence(t *testing.T) string {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return recordAt(t, c.LocalAddr().(*net.UDPAddr).AddrPort())
}

func recordAt(t *testing.T, at netip.AddrPort) string {
	t.Helper()
	key, err := enr.ParsePrivateKeyHex(strings.Repeat("07", 32))
	if err != nil {
		t.Fatal(err)
	}
	b := enr.NewBuilder().SetIP(at.Addr())
	if at.Addr().Is4() {
		b.SetUDP(at.Port())
	} else {
		b.SetUDP6(at.Port())
	}
	r, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return r.String()
}

// ok checks an outcome.
func (o outcome) ok(t *testing.T, code int) outcome {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d, want %d\n%s\n%s", o.code, code, o.out, o.err)
	}
	if lines := strings.Count(o.err, "\n"); code == cli.ExitOK && lines > 0 || code != cli.ExitOK && lines != 1 {
		t.Errorf("standard error: %q", o.err)
	}
	if code != cli.ExitOK && !strings.HasPrefix(o.err, "loadgen: ") || strings.Contains(o.err, "goroutine") {
		t.Errorf("standard error: %q", o.err)
	}
	return o
}

func readReport(t *testing.T, b []byte) (r jsonReport) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("report: %v\n%s", err, b)
	}
	return r
}

// Every mode runs against a node, in both loops, and text, JSON and HTML say the same.
func TestModes(t *testing.T) {
	n := node(t, "127.0.0.1:0")
	for _, c := range []struct {
		name, kind string
		args       []string
	}{
		{"ping", "ping", nil},
		{"ping by rate", "ping", []string{"--rate", "500"}},
		{"findnode", "findnode", []string{"--mode", "findnode", "--distances", "256,0"}},
		{"talk", "talk", []string{"-m", "talk", "--talk-size", "900", "--talk-protocol", "abc"}},
		{"handshake", "handshake", []string{"-m", "handshake", "--window", "4"}},
		{"bad handshake", "handshake", []string{"-m", "handshake", "--handshake", "bad", "--window", "4", "--warmup", "20ms"}},
		{"junk", "junk", []string{"-m", "junk", "--rate", "300", "--junk-size", "500"}},
		{"regtopic", "regtopic", []string{"-m", "regtopic", "--tickets", "early", "--topics", "3"}},
		// Each identity asks once, and then waits as long as the registrar says.
		{"honest regtopic", "regtopic", []string{"-m", "regtopic", "--distances", "256", "--requests", "10"}},
		{"topicquery", "topicquery", []string{"-m", "topicquery", "--rate", "300"}},
		{"topics", "topicquery", []string{"--mix", "regtopic=1,topicquery=2", "--tickets", "none"}},
		{"mix", "talk", []string{"--mix", "ping=2,talk=1,junk=1", "--rate", "300", "--arrivals", "poisson", "--workers", "2"}},
		{"without GSO", "ping", []string{"--no-gso", "--poll", "--gso-batch", "3"}},
		{"portable", "ping", []string{"--portable", "--window", "8"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			js, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
			args := append([]string{"--target", n.LocalRecord().String(), "--requests", "100", "--duration", "1m", "--timeout", "30s", "--identities", "10", "--json", js, "--html", page}, c.args...)
			if runtime.GOOS == "linux" {
				args = append(args, "--pid", strconv.Itoa(os.Getpid()))
			}
			o := loadgen(t, args...).ok(t, cli.ExitOK)
			b, err := os.ReadFile(js)
			if err != nil {
				t.Fatal(err)
			}
			r := readReport(t, b)
			k, found := r.Result.Kinds[c.kind]
			// A machine so busy that a challenge ends before its handshake is made loses some.
			if !found || k.Answered == 0 || k.Answered+k.Lost != k.Sent || k.Lost > 0 && c.kind != "handshake" || k.Latency.Count != int64(k.Answered) || k.Latency.Max < k.Latency.P50 {
				t.Errorf("kinds %+v", r.Result.Kinds)
			}
			if r.Schema != schema || r.Result.Interrupted || r.Result.Total.Answered < k.Answered || len(r.Points) == 0 || len(r.Curve) == 0 {
				t.Errorf("report %s", b)
			}
			if r.Target.ID != n.ID().String() || r.Target.Address != n.Addrs()[0].String() {
				t.Errorf("target %+v", r.Target)
			}
			if runtime.GOOS == "linux" && (r.Result.Usage.Target == nil || r.Result.Usage.Target.RSS == 0 || r.Result.Usage.Steal == nil) {
				t.Errorf("usage %+v", r.Result.Usage)
			}
			if topical := strings.Contains(c.name, "topic"); topical != (r.Result.Topics != nil) {
				t.Errorf("topics %+v", r.Result.Topics)
			} else if top := r.Result.Topics; topical && (top.BadWait+top.BadTicket+top.BadAds+top.BadAnswer != 0 || top.Admitted+top.Quoted != r.Result.Kinds["regtopic"].Answered) {
				t.Errorf("topics %+v", top)
			}
			for _, want := range []string{c.kind, count(r.Result.Total.Answered), "p99.9", "WHOAREYOU", r.Target.Address} {
				if !strings.Contains(o.out, want) {
					t.Errorf("the text does not have %q:\n%s", want, o.out)
				}
			}
			checkPage(t, page, count(k.Answered))
		})
	}
}

var external = regexp.MustCompile(`(?i)(src|href|action|data)\s*=|url\(|@import|<script|<link|<iframe|<img`)

// checkPage checks that a page is whole and needs nothing else.
func checkPage(t *testing.T, path, has string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if m := external.FindString(text); m != "" {
		t.Errorf("the page refers to something else: %q", m)
	}
	if !strings.HasPrefix(text, "<!DOCTYPE html>") || !strings.HasSuffix(text, "</html>\n") || !strings.Contains(text, has) {
		t.Errorf("page: %.500s", text)
	}
	want := []string{"Throughput", "Latency over time", "Latency by percentile", "CPU"}
	if runtime.GOOS == "linux" {
		want = append(want, "Memory of the target")
	}
	if n := strings.Count(text, "<svg"); n != len(want) {
		t.Errorf("%d charts, want %d", n, len(want))
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("the page has no %s", w)
		}
	}
}

func TestIPv6(t *testing.T) {
	n := node(t, "[::1]:0")
	o := loadgen(t, "-t", n.LocalRecord().String(), "--requests", "50", "--timeout", "20s", "-n", "5", "--json", "-").ok(t, cli.ExitOK)
	if r := readReport(t, []byte(o.out)); r.Result.Total.Answered == 0 || !strings.HasPrefix(r.Target.Address, "[::1]:") {
		t.Errorf("report %s", o.out)
	}
	loadgen(t, "-t", n.LocalRecord().String(), "--sources", "3").ok(t, cli.ExitUsage)
}

// An enode URL does as well, also with a host name.
func TestEnode(t *testing.T) {
	n := node(t, "127.0.0.1:0")
	pub, _ := n.LocalRecord().PublicKey()
	e := enr.Enode{PublicKey: pub, Host: "localhost", TCP: n.Addrs()[0].Port(), UDP: n.Addrs()[0].Port()}
	for _, e.Host = range []string{"127.0.0.1", "localhost"} {
		args := []string{"-t", e.String(), "--requests", "100", "--timeout", "20s", "-n", "5"}
		if _, err := net.LookupHost(e.Host); err != nil {
			t.Logf("left out: %v", err)
			continue
		}
		if o := loadgen(t, args...).ok(t, cli.ExitOK); !strings.Contains(o.out, n.Addrs()[0].String()) {
			t.Errorf("text: %s", o.out)
		}
	}
}

// Nothing is sent to nodes of others.
func TestPublicRefused(t *testing.T) {
	for _, addr := range []string{"8.8.8.8:9000", "[2001:db8::1]:9000", "100.64.0.1:9000"} {
		js := filepath.Join(t.TempDir(), "r.json")
		o := loadgen(t, "--target", recordAt(t, netip.MustParseAddrPort(addr)), "--json", js).ok(t, cli.ExitUsage)
		if !strings.Contains(o.err, "--i-own-this-target") || o.out != "" {
			t.Errorf("%s: %q", addr, o.err)
		}
		if _, err := os.Stat(js); !os.IsNotExist(err) {
			t.Errorf("%s: a report is left: %v", addr, err)
		}
	}
}

// A first signal ends the run in order.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	n := node(t, "127.0.0.1:0")
	cmd, wait := process(t, "--target", n.LocalRecord().String(), "--duration", "1h", "--rate", "500", "--json", "-", "-n", "5", "--timeout", "20s")
	until(t, "pings", func() bool { return n.Stats().Counters[engine.InPing] > 50 })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	o := wait().ok(t, cli.ExitOK)
	if r := readReport(t, []byte(o.out)); !r.Result.Interrupted || r.Result.Total.Answered < 10 || r.Result.Sending > 3000 {
		t.Errorf("report %s", o.out)
	}
}

// A second one ends it immediately, with the code of a failure.
func TestSecondInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	// The run begins with junk that nobody answers, and would wait a second for answers.
	heard, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	cmd, wait := process(t, "--target", recordAt(t, heard.LocalAddr().(*net.UDPAddr).AddrPort()), "--mode", "junk", "--duration", "1h", "--timeout", "1m")
	heard.SetReadDeadline(time.Now().Add(patience))
	if _, _, err := heard.ReadFromUDP(make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				cmd.Process.Signal(os.Interrupt)
			}
		}
	}()
	o := wait()
	close(stop)
	if o.code != cli.ExitFailed || o.out != "" || o.err != "" {
		t.Errorf("%+v", o)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestThresholds(t *testing.T) {
	n := node(t, "127.0.0.1:0")
	for _, c := range []struct {
		code  int
		names string
		args  []string
	}{
		{cli.ExitOK, "", []string{"--max-loss", "0.5%", "--min-rate", "1", "--max-p99", "1m"}},
		{exitThreshold, "--min-rate", []string{"--min-rate", "1e9", "--max-loss", "1"}},
		{exitThreshold, "--max-p99", []string{"--max-p99", "1ns"}},
	} {
		args := append([]string{"-t", n.LocalRecord().String(), "--requests", "50", "-w", "5", "-n", "5", "--timeout", "20s", "--json", "-"}, c.args...)
		o := loadgen(t, args...).ok(t, c.code)
		if c.code != cli.ExitOK && !strings.Contains(o.err, "threshold not kept: "+c.names) {
			t.Errorf("standard error: %q", o.err)
		}
		r := readReport(t, []byte(o.out))
		kept := true
		for _, ch := range r.Checks {
			kept = kept && ch.OK
		}
		if len(r.Checks) != len(c.args)/2 || kept != (c.code == cli.ExitOK) {
			t.Errorf("thresholds %+v", r.Checks)
		}
	}
}

// A target that does not answer is an error, and the report is written where there was a run.
func TestSilentTarget(t *testing.T) {
	t.Parallel()
	to := silence(t)
	o := loadgen(t, "-t", to, "--timeout", "20ms").ok(t, cli.ExitFailed)
	if !strings.Contains(o.err, "does not answer") || o.out != "" {
		t.Errorf("%+v", o)
	}
	o = loadgen(t, "-t", to, "--timeout", "20ms", "-m", "junk", "--requests", "20", "--json", "-").ok(t, cli.ExitFailed)
	if r := readReport(t, []byte(o.out)); r.Result.Loss != 1 || r.Result.Total.Answered != 0 || !strings.Contains(o.err, "did not answer") {
		t.Errorf("%+v", o)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}} {
		o := loadgen(t, args...).ok(t, cli.ExitOK)
		flagSet(new(options)).VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(o.out, "--"+f.Name) || f.Usage == "" {
				t.Errorf("%v: nothing about --%s", args, f.Name)
			}
		})
		for line := range strings.Lines(o.out) {
			if len(line) > 101 {
				t.Errorf("%v: %q is too long", args, line)
			}
		}
	}
	if o := loadgen(t, "--version").ok(t, cli.ExitOK); !strings.HasPrefix(o.out, "loadgen ") || strings.Count(o.out, "\n") != 1 {
		t.Errorf("version: %q", o.out)
	}
}

// A wrong command line gives one line that names the place.
func TestUsage(t *testing.T) {
	to := recordAt(t, netip.MustParseAddrPort("127.0.0.1:9"))
	missing, twice := filepath.Join(t.TempDir(), "missing", "file"), filepath.Join(t.TempDir(), "twice")
	for _, c := range []struct {
		names string
		args  []string
	}{
		{"--target", nil}, {"--target", []string{"-t", "enr:nonsense"}}, {"--target", []string{"-t", "enode://12@1.2.3.4:1"}},
		{`"extra"`, []string{"-t", to, "extra"}}, {"--nonsense", []string{"-t", to, "--nonsense"}},
		{"--rate", []string{"-t", to, "--rate", "0"}}, {"--rate", []string{"-t", to, "--rate", "-5"}}, {"--rate", []string{"-t", to, "--rate", "NaN"}},
		{"--rate", []string{"-t", to, "--rate", "1e12"}}, {"--window", []string{"-t", to, "--rate", "5", "--window", "5"}},
		{"--window", []string{"-t", to, "--window", "0"}}, {"--window", []string{"-t", to, "--window", "70000"}},
		{"--arrivals", []string{"-t", to, "--rate", "5", "--arrivals", "x"}}, {"--arrivals", []string{"-t", to, "--arrivals", "poisson"}},
		{"--mode", []string{"-t", to, "--mode", "pong"}}, {"--mode", []string{"-t", to, "--mode", "ping,talk"}},
		{"--mix", []string{"-t", to, "--mode", "ping", "--mix", "talk=1"}}, {"--mix", []string{"-t", to, "--mix", "talk=0"}},
		{"--duration", []string{"-t", to, "-d", "0"}}, {"--duration", []string{"-t", to, "-d", "25h"}}, {"--warmup", []string{"-t", to, "--warmup", "-1s"}},
		{"--timeout", []string{"-t", to, "--timeout", "2m"}}, {"--identities", []string{"-t", to, "-n", "0"}},
		{"--identities", []string{"-t", to, "-n", "99999999"}}, {"--junk-ids", []string{"-t", to, "-m", "junk", "--junk-ids", "-1"}},
		{"--junk-ids", []string{"-t", to, "--junk-ids", "5"}}, {"--handshake", []string{"-t", to, "--handshake", "bad"}},
		{"--tickets", []string{"-t", to, "-m", "regtopic", "--tickets", "soon"}}, {"--tickets", []string{"-t", to, "-m", "topicquery", "--tickets", "early"}},
		{"--topics", []string{"-t", to, "-m", "regtopic", "--topics", "0"}}, {"--topics", []string{"-t", to, "--topics", "3"}},
		{"--handshake", []string{"-t", to, "-m", "handshake", "--handshake", "worse"}}, {"--distances", []string{"-t", to, "-m", "findnode", "--distances", "257"}},
		{"--distances", []string{"-t", to, "-m", "findnode", "--distances", "x"}}, {"--talk-size", []string{"-t", to, "-m", "talk", "--talk-size", "1200"}},
		{"--talk-protocol", []string{"-t", to, "-m", "talk", "--talk-protocol", ""}}, {"--junk-size", []string{"-t", to, "-m", "junk", "--junk-size", "87"}},
		{"--sockets", []string{"-t", to, "--sockets", "0"}}, {"--sockets", []string{"-t", to, "--sources", "5", "--sockets", "4"}},
		{"--sources", []string{"-t", to, "--sources", "0"}}, {"--source", []string{"-t", to, "--source", "x"}},
		{"source", []string{"-t", to, "--source", "::1"}}, {"--source", []string{"-t", to, "--source", "127.0.0.1", "--sources", "4"}},
		{"--workers", []string{"-t", to, "--workers", "0"}}, {"--gso-batch", []string{"-t", to, "--gso-batch", "64"}}, {"--buffer", []string{"-t", to, "--buffer", "0"}},
		{"--pid", []string{"-t", to, "--pid", "0"}}, {"--json", []string{"-t", to, "--json", missing}}, {"--html", []string{"-t", to, "--html", missing}},
		{"--html", []string{"-t", to, "--html", "-"}}, {"--html", []string{"-t", to, "--html", twice, "--json", filepath.Dir(twice) + "/./twice"}},
		{"--protocol-id", []string{"-t", to, "--protocol-id", "discv"}}, {"--protocol-id", []string{"-t", to, "--protocol-id", "discv55"}},
		{"--html", []string{"-t", to, "--html", "same", "--json", "same"}}, {"--json", []string{"-t", to, "--json", ""}},
		{"--max-loss", []string{"-t", to, "--max-loss", "2"}}, {"--max-loss", []string{"-t", to, "--max-loss", "x%"}},
		{"--min-rate", []string{"-t", to, "--min-rate", "-1"}}, {"--max-p99", []string{"-t", to, "--max-p99", "0"}},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), c.args, &out, &errs)
		if o := (outcome{code, out.String(), errs.String()}); o.code != cli.ExitUsage || o.out != "" || strings.Count(o.err, "\n") != 1 || !strings.Contains(o.err, c.names) {
			t.Errorf("%v: want an error about %s: %+v", c.args, c.names, o)
		}
	}
	if _, err := os.Stat(twice); !os.IsNotExist(err) {
		t.Errorf("a file that was not written is left: %v", err)
	}
	if runtime.GOOS == "linux" {
		o := loadgen(t, "-t", to, "--pid", fmt.Sprint(1<<30)).ok(t, cli.ExitUsage)
		if !strings.Contains(o.err, "--pid 1073741824: no such process") {
			t.Errorf("%q", o.err)
		}
	}
}
