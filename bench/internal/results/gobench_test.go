package results

import (
	"errors"
	"strings"
	"testing"
)

const output = `goos: linux
goarch: amd64
pkg: github.com/fastdisc/discv5/aead
cpu: Intel(R) Xeon(R)
BenchmarkOpen
BenchmarkOpen/default/16-2         	10219364	       110.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkOpen/default/16-2         	10219364	       120.5 ns/op	       8 B/op	       1 allocs/op
BenchmarkOpen/default/16-2         	10219364	       900 ns/op	       0 B/op	       0 allocs/op
BenchmarkOpen/default/32-2         	10219364	       130 ns/op
PASS
ok  	github.com/fastdisc/discv5/aead	1.2s
pkg: github.com/fastdisc/discv5/internal/session
BenchmarkLookup/sessions=100k-16   	  1000	   1.5e+02 ns/op	  33.10 MB/s
BenchmarkOpen/default/16 	10	 5 ns/op
PASS
`

func TestParseBench(t *testing.T) {
	list, err := ParseBench(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 6 {
		t.Fatalf("%d benchmarks: %+v", len(list), list)
	}
	b := list[4]
	if b.Package != "github.com/fastdisc/discv5/internal/session" || b.Name != "Lookup/sessions=100k" || b.Runs != 1000 || b.Values["ns/op"] != 150 || b.Values["MB/s"] != 33.1 {
		t.Errorf("%+v", b)
	}
	s, err := StageOf("open", "aead", "Open/default/16", list)
	if err != nil {
		t.Fatal(err)
	}
	if s.Nanos != 120.5 || s.Allocs != 1 || s.Bytes != 8 || s.Runs != 3*10219364 {
		t.Errorf("%+v: want the median of three lines, and the most that was allocated", s)
	}
	for _, missing := range [][2]string{{"aead", "Open/default/64"}, {"ead", "Open/default/16"}, {"codec", "Open/default/16"}} {
		if _, err := StageOf("x", missing[0], missing[1], list); !errors.Is(err, ErrBench) {
			t.Errorf("%v: %v", missing, err)
		}
	}
}

func TestParseBenchErrors(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "PASS\n",
		"failure":       "BenchmarkX-2 10 5 ns/op\n--- FAIL: BenchmarkY\nFAIL\n",
		"package fails": "FAIL\tgithub.com/fastdisc/discv5/aead [build failed]\n",
		"panic":         "panic: runtime error\n",
		"runs":          "BenchmarkX-2 ten 5 ns/op\n",
		"value":         "BenchmarkX-2 10 five ns/op\n",
		"no unit":       "BenchmarkX-2 10 5\n",
		"no time":       "BenchmarkX-2 10 5 B/op\n",
	} {
		if list, err := ParseBench(strings.NewReader(text)); !errors.Is(err, ErrBench) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}
