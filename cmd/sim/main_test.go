package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// small is a swarm that takes a moment.
var small = []string{"--nodes=30", "--join=30s", "--duration=3m", "--sample=1m", "--refresh=1m", "--revalidate=20s", "--bootnodes=2", "--audit=1", "--lookups=600", "--churn=1", "--settled=20s", "--memory=200"}

func simulated(t *testing.T, args ...string) (r report) {
	t.Helper()
	var out, err bytes.Buffer
	if code := run(slices.Concat(small, args, []string{"--json=-"}), &out, &err); code != cli.ExitOK {
		t.Fatalf("code %d: %s", code, err.String())
	}
	if e := json.Unmarshal(out.Bytes(), &r); e != nil {
		t.Fatalf("%v in %q", e, out.String())
	}
	return r
}

// The report is JSON, it is about what was asked for, and a seed gives the same run again.
func TestReport(t *testing.T) {
	seed := func(n string) report { return simulated(t, "--seed="+n) }
	one, again, other := seed("5"), seed("5"), seed("6")
	if one.Trace != again.Trace || one.Traffic != again.Traffic || one.Trace == other.Trace {
		t.Errorf("traces %s and %s of one seed, %s of another", one.Trace, again.Trace, other.Trace)
	}
	// So long that nodes leave, whatever the seed.
	a := simulated(t, "--seed=5", "--duration=12m", "--sample=4m")
	if a.Seed != 5 || a.Nodes != 30 || a.Simulated < 750 || len(a.Samples) != 3 || a.Traffic.Sent == 0 || a.NodeBytes == 0 || a.Compared == 0 {
		t.Errorf("%+v", a)
	}
	if w := a.Whole; w.Seconds != 720 || w.Lookups.Ended < a.Samples[2].Lookups.Ended || a.Left == 0 || a.Checks.Relay == 0 || a.Checks.Sessions != uint64(a.Compared) || a.MaxBytes < a.HeapBytes {
		t.Errorf("%+v", a)
	}
	p := a.Samples[2]
	if p.Running < 25 || p.Entries < 5 || p.Datagrams == 0 || p.Lookups.Ended == 0 || p.Lookups.Recall < 0.5 || len(a.Violated) > 0 {
		t.Errorf("%+v, violated: %v", p, a.Violated)
	}
}

func TestLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	var out, err bytes.Buffer
	if code := run(slices.Concat(small, []string{"--json=" + file, "--duration=2m"}), &out, &err); code != cli.ExitOK {
		t.Fatalf("code %d: %s", code, err.String())
	}
	for _, s := range []string{"seed 1, 30 nodes", "recall", "trace ", "all invariants held", " 0 violations", "nodes have left", "a node in an hour", "bytes for each node"} {
		if !strings.Contains(out.String(), s) {
			t.Errorf("the output does not say %q:\n%s", s, out.String())
		}
	}
	if b, e := os.ReadFile(file); e != nil || !json.Valid(b) {
		t.Errorf("report: %v", e)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, cli.ExitOK, "--churn share"},
		{[]string{"--nodes=x"}, cli.ExitUsage, "nodes"},
		{[]string{"--nodes=0"}, cli.ExitUsage, "--nodes"},
		{[]string{"--loss=2"}, cli.ExitUsage, "--loss"},
		{[]string{"--wait-scale=0"}, cli.ExitUsage, "--wait-scale 0"},
		{[]string{"--wait-scale=NaN"}, cli.ExitUsage, "--wait-scale NaN"},
		{[]string{"--duration=0s"}, cli.ExitUsage, "--duration"},
		{[]string{"day"}, cli.ExitUsage, `"day"`},
		{append(slices.Clone(small), "--json=/nowhere/at/all"), cli.ExitFailed, "report"},
	} {
		var out, err bytes.Buffer
		code := run(c.args, &out, &err)
		said := err.String()
		if c.code == cli.ExitOK {
			said = out.String()
		}
		if code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("%v: code %d, %q; want %d, %q", c.args, code, said, c.code, c.says)
		}
	}
}

// A run that is stopped reports what there is, and says that it was stopped.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o, err := parse(append(slices.Clone(small), "--json=-"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := simulate(ctx, o, nil, &out); err == nil || !strings.Contains(err.Error(), "stopped after 30s") {
		t.Errorf("stopped immediately: %v", err)
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Traffic.Sent == 0 || r.Simulated != 30 {
		t.Errorf("report %+v, %v", r, err)
	}
}

// The command that repeats a run names the seed once.
func TestAgain(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "--seed=7"},
		{[]string{"--nodes=5"}, "--seed=7 --nodes=5"},
		{[]string{"--seed=7", "--nodes=5"}, "--seed=7 --nodes=5"},
		{[]string{"--seed", "7"}, "--seed 7"},
	} {
		if got := strings.Join(again(c.args, 7), " "); got != c.want {
			t.Errorf("%v: %q, want %q", c.args, got, c.want)
		}
	}
}
