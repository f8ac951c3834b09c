package results

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Benchmark is one line that go test -bench printed.
type Benchmark struct {
	Package string
	Name    string // without "Benchmark" and the number of CPUs
	Runs    int
	Values  map[string]float64 // by unit: "ns/op", "B/op", "allocs/op"
}

// ErrBench: the output of go test is not as expected.
var ErrBench = errors.New("output of go test")

// ParseBench reads the output of go test -bench. It fails where a test did or where there is no
// benchmark at all.
func ParseBench(r io.Reader) ([]Benchmark, error) {
	var list []Benchmark
	pkg := ""
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "pkg: "):
			pkg = strings.TrimPrefix(line, "pkg: ")
		case strings.HasPrefix(line, "FAIL"), strings.HasPrefix(line, "--- FAIL"), strings.HasPrefix(line, "panic:"):
			return nil, fmt.Errorf("%w: line %d: %s", ErrBench, n, line)
		case strings.HasPrefix(line, "Benchmark"):
			b, ok, err := benchLine(line)
			if err != nil {
				return nil, fmt.Errorf("%w: line %d: %w", ErrBench, n, err)
			}
			if ok {
				b.Package = pkg
				list = append(list, b)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBench, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: no benchmark", ErrBench)
	}
	return list, nil
}

// benchLine reads "BenchmarkName/sub-2 1000 12.3 ns/op 0 B/op". A name alone, that go test prints
// before the log of a benchmark, is not a result.
func benchLine(line string) (b Benchmark, ok bool, err error) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return b, false, nil
	}
	b.Name = strings.TrimPrefix(f[0], "Benchmark")
	if i := strings.LastIndexByte(b.Name, '-'); i > 0 {
		if _, err := strconv.Atoi(b.Name[i+1:]); err == nil {
			b.Name = b.Name[:i]
		}
	}
	if b.Runs, err = strconv.Atoi(f[1]); err != nil {
		return b, false, fmt.Errorf("number of runs: %w", err)
	}
	if len(f)%2 != 0 {
		return b, false, errors.New("a value without unit")
	}
	b.Values = make(map[string]float64)
	for i := 2; i < len(f); i += 2 {
		if b.Values[f[i+1]], err = strconv.ParseFloat(f[i], 64); err != nil {
			return b, false, fmt.Errorf("value in %s: %w", f[i+1], err)
		}
	}
	if _, there := b.Values["ns/op"]; !there {
		return b, false, errors.New("no ns/op")
	}
	return b, true, nil
}

// StageOf finds the benchmark of a stage and takes the median of its lines. It fails if there is
// none.
func StageOf(name, pkg, benchmark string, list []Benchmark) (Stage, error) {
	s := Stage{Name: name, Package: pkg, Benchmark: benchmark}
	var nanos []float64
	for _, b := range list {
		if b.Name == benchmark && (b.Package == pkg || strings.HasSuffix(b.Package, "/"+pkg)) {
			nanos = append(nanos, b.Values["ns/op"])
			s.Bytes, s.Allocs = max(s.Bytes, b.Values["B/op"]), max(s.Allocs, b.Values["allocs/op"])
			s.Runs += b.Runs
		}
	}
	if len(nanos) == 0 {
		return s, fmt.Errorf("%w: no benchmark %s in %s", ErrBench, benchmark, pkg)
	}
	_, s.Nanos, _ = Quartiles(nanos)
	return s, nil
}
