package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
	"github.com/fastdisc/discv5/internal/load"
)

// The settings of the command line reach the generator.
func TestFlagsReach(t *testing.T) {
	o, err := parseFlags(strings.Fields("-t enr:x --i-own-this-target --poll --no-gso --portable --identities 11 --sockets 12 --workers 3 --gso-batch 4 " +
		"--mix findnode=1,talk=2,junk=3,handshake=4 --handshake record --distances 256,3 --talk-protocol abc --talk-size 5 --junk-size 100 --junk-ids 6 " +
		"--buffer 7000 --timeout 8s --rate 9.5 --arrivals poisson --source 127.0.0.1 --source 127.0.0.2 --max-loss 0.5% --min-rate 10 --max-p99 11ms"))
	if err != nil {
		t.Fatal(err)
	}
	c := o.cfg
	for what, ok := range map[string]bool{
		"public": c.Public, "poll": c.Poll, "no-gso": c.DisableGSO, "portable": c.Portable, "identities": c.Identities == 11,
		"sockets": c.Sockets == 12, "workers": c.Workers == 3, "gso-batch": c.GSOBatch == 4, "mix": c.Mix == load.Mix{0, 1, 2, 4, 3},
		"handshake": c.Handshake == load.BadRecord, "distances": slices.Equal(c.Distances, []uint{256, 3}), "talk-protocol": c.TalkProtocol == "abc",
		"talk-size": c.TalkSize == 5, "junk-size": c.JunkSize == 100, "junk-ids": c.JunkIDs == 6, "buffer": c.Buffer == 7000,
		"timeout": c.Timeout == 8*time.Second, "rate": c.Rate == 9.5 && c.Window == 0, "arrivals": c.Poisson, "source": len(c.Sources) == 2,
		"max-loss": o.limit.loss == 0.005, "min-rate": o.limit.rate == 10, "max-p99": o.limit.p99 == 11*time.Millisecond,
	} {
		if !ok {
			t.Errorf("--%s does not reach the generator: %+v", what, c)
		}
	}
	o, err = parseFlags([]string{"-t", "enr:x", "--window", "5", "--sources", "20", "--max-loss", "0.25"})
	if err != nil || o.cfg.Window != 5 || o.cfg.Public || o.cfg.Poisson || len(o.cfg.Sources) != 20 || o.limit.loss != 0.25 || o.limit.rate != -1 {
		t.Errorf("%+v, %v", o, err)
	}
}

// A threshold is broken by what is beyond it, and that of latency also by a run without an answer.
func TestJudge(t *testing.T) {
	h := load.NewHistogram()
	h.Record(5*time.Millisecond, 90)
	res := &load.Result{Elapsed: time.Second, Total: load.Counts{Sent: 100, Answered: 90, Lost: 10}, Latency: h}
	for _, c := range []struct {
		loss, rate float64
		p99        time.Duration
		res        *load.Result
		broken     string
	}{
		{0.1, 90, 6 * time.Millisecond, res, ""}, {0.099, -1, 0, res, "--max-loss"}, {-1, 91, 0, res, "--min-rate"},
		{-1, -1, 4 * time.Millisecond, res, "--max-p99"}, {-1, -1, time.Hour, &load.Result{}, "--max-p99"},
	} {
		r := &report{options: &options{}, result: c.res}
		r.options.limit.loss, r.options.limit.rate, r.options.limit.p99 = c.loss, c.rate, c.p99
		r.judge()
		if err := r.broken(); (err != nil) != (c.broken != "") || err != nil && !strings.Contains(err.Error(), c.broken) {
			t.Errorf("loss %v, rate %v, p99 %v: %v, want %q", c.loss, c.rate, c.p99, err, c.broken)
		}
	}
}

// Text, page and JSON have each quantile in its column.
func TestQuantiles(t *testing.T) {
	h := load.NewHistogram()
	for i := range 20_000 {
		h.Record(time.Duration(i+1)*time.Microsecond, 1)
	}
	c := load.Counts{Sent: 20_001, Answered: 20_000, Lost: 1}
	r := &report{options: &options{}, cfg: load.Config{Mix: load.Only(load.Ping)}, result: &load.Result{
		Elapsed: time.Second, Total: c, Latency: h, Kinds: []load.KindResult{{Kind: load.Ping, Counts: c, Latency: h}},
	}}
	l := r.json().Result.Kinds["ping"].Latency
	for _, q := range []struct{ got, want float64 }{{l.P50, 10_000}, {l.P90, 18_000}, {l.P99, 19_800}, {l.P999, 19_980}, {l.P9999, 19_998}, {l.Max, 20_000}, {l.Mean, 10_000}} {
		if q.got < q.want*0.999 || q.got > q.want*1.001 {
			t.Errorf("%v, want %v: %+v", q.got, q.want, l)
		}
	}
	want := []string{"20,001", "20,000", "20,000", "1"}
	for _, d := range []time.Duration{h.Mean(), h.Quantile(0.5), h.Quantile(0.9), h.Quantile(0.99), h.Quantile(0.999), h.Quantile(0.9999), h.Max()} {
		want = append(want, span(d))
	}
	found := false
	for _, line := range strings.Split(r.text(), "\n") {
		if f := strings.Fields(line); len(f) > 0 && f[0] == "ping" {
			found = slices.Equal(f[1:], want)
		}
	}
	page, err := r.page()
	if err != nil {
		t.Fatal(err)
	}
	if cells := "<td>ping</td><td>" + strings.Join(want, "</td><td>") + "</td>"; !found || !strings.Contains(string(page), cells) {
		t.Errorf("want %s\n%s", cells, r.text())
	}
}

// CPU time of the target is that of user and system together, for each answer.
func TestUsagePerAnswer(t *testing.T) {
	r := &report{options: &options{pid: 9}, result: &load.Result{Total: load.Counts{Answered: 1000}, Usage: load.Usage{
		TargetUser: 3 * time.Millisecond, TargetSystem: 2 * time.Millisecond, TargetRSS: 77, TargetKnown: true, Steal: time.Second, StealKnown: true,
	}}}
	u := r.usage()
	if p := u.Target; p == nil || p.PID != 9 || p.PerAnswer != 5 || p.User != 0.003 || p.System != 0.002 || p.RSS != 77 || *u.Steal != 1 {
		t.Errorf("%+v, target %+v", u, u.Target)
	}
}

// The endpoint of a record with two is that which --ipv6 asks for.
func TestEndpoint(t *testing.T) {
	key, err := enr.ParsePrivateKeyHex(strings.Repeat("07", 32))
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetIP(netip.MustParseAddr("127.0.0.1")).SetUDP(9000).SetIP(netip.MustParseAddr("::1")).SetUDP6(9006).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{"": "127.0.0.1:9000", "-6": "[::1]:9006"} {
		o, err := parseFlags(append(strings.Fields(args), "-t", r.String()))
		if err != nil {
			t.Fatal(err)
		}
		if to, err := findTarget(t.Context(), o); err != nil || to.Addr.String() != want {
			t.Errorf("%q: %v, %v, want %s", args, to.Addr, err, want)
		}
	}
}

// Load before the run is there, and is not counted.
func TestWarmup(t *testing.T) {
	n := node(t, "127.0.0.1:0")
	o := loadgen(t, "-t", n.LocalRecord().String(), "--warmup", "400ms", "--requests", "10", "-n", "5", "-w", "2", "--timeout", "20s", "--json", "-").ok(t, cli.ExitOK)
	r := readReport(t, []byte(o.out))
	pings, handshakes := n.Stats().Counters[engine.InPing], uint64(5)
	if r.Result.Total.Answered != 10 || r.Settings.Warmup != 0.4 || pings <= 10+handshakes {
		t.Errorf("%d answered of %d that the node had: %s", r.Result.Total.Answered, pings, o.out)
	}
}

// A rate below one a second is not none.
func TestSmallRate(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 2.0 / 3: "0.67", 9: "9", 12.9: "12", 12345.6: "12,345"} {
		if got := rate(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
