package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/load"
)

// made returns a report of a run of three seconds. Nobody answered in the second one.
func made() *report {
	h := load.NewHistogram()
	h.Record(74*time.Millisecond, 500)
	h.Record(2345*time.Millisecond, 500)
	c := load.Counts{Sent: 1000, Answered: 1000}
	r := &report{options: &options{}, cfg: load.Config{Mix: load.Only(load.Ping), Rate: 333}, result: &load.Result{
		Elapsed: 3 * time.Second, Total: c, Latency: h, Lag: load.NewHistogram(), Kinds: []load.KindResult{{Kind: load.Ping, Counts: c, Latency: h}},
	}}
	for i, answered := range []uint64{500, 500, 0, 500, 500} {
		p := load.Point{Start: time.Duration(i) * time.Second, Length: time.Second, Counts: load.Counts{Sent: 333, Answered: answered}}
		if answered > 0 {
			p.P50, p.P99, p.Max = 74*time.Millisecond, time.Second, 2345*time.Millisecond
		}
		r.result.Points = append(r.result.Points, p)
	}
	return r
}

// The table of the page has times with their units: not 2.345e+06.
func TestPageUnits(t *testing.T) {
	b, err := made().page()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<td>2.35s</td>", "<td>74", "<td>ping</td>"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	if strings.Contains(string(b), "e&#43;06") || strings.Contains(string(b), "e+06") {
		t.Error("the page has a number with an exponent")
	}
}

// An interval without answers interrupts the curves of latency: a line across it would say that
// there were some.
func TestPageGap(t *testing.T) {
	lines := func(r *report) int {
		charts, err := r.charts(r.json())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range charts {
			if strings.Contains(string(c), "Latency over time") {
				return strings.Count(string(c), "<path")
			}
		}
		t.Fatal("there is no chart of latency over time")
		return 0
	}
	gap, whole := made(), made()
	whole.result.Points[2] = whole.result.Points[1]
	whole.result.Points[2].Start = 2 * time.Second
	if a, b := lines(gap), lines(whole); a != b+3 {
		t.Errorf("%d lines with a gap in three curves, %d without", a, b)
	}
}

// A file keeps its content until there is a report.
func TestOldReportStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	js, page, fresh := filepath.Join(dir, "old.json"), filepath.Join(dir, "old.html"), filepath.Join(dir, "new.json")
	const old = "the figures of yesterday, which are longer than nothing"
	for _, name := range []string{js, page} {
		if err := os.WriteFile(name, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := silence(t)
	loadgen(t, "-t", to, "--timeout", "20ms", "--json", js, "--html", page).ok(t, cli.ExitFailed)
	loadgen(t, "-t", to, "--timeout", "20ms", "--json", fresh).ok(t, cli.ExitFailed)
	for _, name := range []string{js, page} {
		if b, err := os.ReadFile(name); err != nil || string(b) != old {
			t.Errorf("%s after a run that failed: %q, %v", filepath.Base(name), b, err)
		}
	}
	if _, err := os.Stat(fresh); !os.IsNotExist(err) {
		t.Errorf("a new file without a report is left: %v", err)
	}
	if err := os.WriteFile(js, []byte(strings.Repeat("old ", 1<<18)), 0o600); err != nil {
		t.Fatal(err)
	}
	n := node(t, "127.0.0.1:0")
	loadgen(t, "-t", n.LocalRecord().String(), "--requests", "10", "-n", "2", "--timeout", "20s", "--json", js).ok(t, cli.ExitOK)
	b, err := os.ReadFile(js)
	if err != nil {
		t.Fatal(err)
	}
	if r := readReport(t, b); r.Result.Total.Answered != 10 || strings.Contains(string(b), "old old") {
		t.Errorf("the report has %d bytes and counted %d answers", len(b), r.Result.Total.Answered)
	}
}

// A node of another network answers who knows that network's protocol ID, and nobody else.
func TestProtocolID(t *testing.T) {
	n, err := discv5.New(discv5.Config{
		ListenAddrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Protocol: codec.Protocol{ID: [6]byte([]byte("abcdef")), Version: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	args := []string{"-t", n.LocalRecord().String(), "--requests", "10", "-n", "2", "--timeout", "20s", "--json", "-"}
	o := loadgen(t, append(args, "--protocol-id", "abcdef")...).ok(t, cli.ExitOK)
	if r := readReport(t, []byte(o.out)); r.Result.Total.Answered != 10 || r.Settings.Protocol != "abcdef" {
		t.Errorf("report %s", o.out)
	}
	loadgen(t, "-t", n.LocalRecord().String(), "-m", "junk", "--requests", "10", "--timeout", "100ms").ok(t, cli.ExitFailed)
}

// The report distinguishes GRO batches of responses from calls and datagrams, and says why there
// are none.
func TestReportGRO(t *testing.T) {
	r := made()
	r.info = load.Info{Path: "recvmmsg", GSO: true, GSOBatch: 32, GRO: true, Sockets: 1, Sources: 1, Workers: 1}
	r.result.Traffic.TxDatagrams, r.result.Traffic.TxBatches = 900, 100
	r.result.Traffic.RxDatagrams, r.result.Traffic.RxBatches, r.result.Traffic.RxGRO, r.result.Traffic.KernelDrops = 800, 70, 60, 50
	j := r.json()
	if x := j.Result.Traffic; x.PacketsReceived != 800 || x.CallsReceived != 70 || x.GROBatchesReceived != 60 || x.KernelDrops != 50 || !j.Generator.GRO || j.Generator.GROReason != "" {
		t.Errorf("%+v, %+v", x, j.Generator)
	}
	check := func(wants ...string) {
		t.Helper()
		page, err := r.page()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if text := r.text(); !strings.Contains(text, want) || !strings.Contains(string(page), want) {
				t.Errorf("%q is not in the page, or not in\n%s", want, text)
			}
		}
	}
	check("in 70 calls, 60 GRO batches", "GSO batches of up to 32, GRO, 1 worker", "50 responses, or GRO batches of them, found")
	r.info.GRO, r.info.GROReason = false, "disabled"
	check("GSO batches of up to 32, no GRO (disabled), 1 worker")
	if g := r.json().Generator; g.GRO || g.GROReason != "disabled" {
		t.Errorf("%+v", g)
	}
}
