package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/bench/internal/results"
)

func TestBenchPattern(t *testing.T) {
	got := benchPattern("MaskXOR/own/16+39")
	if want := `^BenchmarkMaskXOR$/^own$/^16\+39$`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	parts := strings.Split(got, "/")
	for i, name := range []string{"BenchmarkMaskXOR", "own", "16+39"} {
		if ok, err := regexp.MatchString(parts[i], name); !ok || err != nil {
			t.Errorf("%s does not match %s", parts[i], name)
		}
	}
}

func TestCommandLine(t *testing.T) {
	got := commandLine("./aead.test", []string{"-test.run", "^$", "-o=results/latest.json", "it's", ""})
	if want := `./aead.test -test.run '^$' -o=results/latest.json 'it'\''s' ''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestLoadAverage(t *testing.T) {
	var one, five float64
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Skipf("probed for /proc/loadavg: %v", err)
	}
	if n, _ := fmt.Sscan(string(text), &one, &five); n != 2 || results.LoadAverage() < five/2 || results.LoadAverage() > 2*five+1 {
		t.Errorf("%v, and the system says %s", results.LoadAverage(), text)
	}
}

func TestMemInfo(t *testing.T) {
	if all, free := results.MemInfo("MemTotal:"), available(); all <= 0 || free <= 0 || free > all {
		t.Errorf("%d of %d MiB", free, all)
	}
	if n := results.MemInfo("Nothing:"); n != 0 {
		t.Errorf("%d", n)
	}
}
