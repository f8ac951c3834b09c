package results

import (
	"slices"
	"time"
)

// Example is a complete file with made-up figures, for tests.
func Example() *File {
	f := &File{
		Version: Version, Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine:  Machine{CPU: "Example CPU", CPUs: 2, Memory: 1024, Kernel: "6.0", Go: "go1.26", System: "linux/amd64", Load: 0.25},
		Plan:     Plan{Rounds: 3, Slice: 100 * time.Millisecond, Window: 256, Burst: 64, Segments: true},
		Commands: []string{"go run ./cmd/perf -o results/latest.json", "go test -c -o aead.test ./aead"},
	}
	servers := Servers()
	for i, s := range servers {
		f.Servers = append(f.Servers, Server{Name: s, Version: "1." + string(rune('0'+i)), CPU: "a clock"})
	}
	echo := samples(2)
	for _, w := range Workloads() {
		for k, s := range servers {
			if !slices.Contains(needs(w), s) {
				continue
			}
			r := Row{Workload: w, Server: s, Sessions: 1000, Request: 88, Answer: []int{96}, P50: float64(20 + k), P99: float64(60 + k), Samples: samples(3 * k)}
			switch s {
			case Echo:
				r.Sessions, r.Samples = 0, echo
			case Own:
				r.Samples = samples(3)
			}
			if w == "findnode" {
				r.Answer, r.Records = []int{1100, 1100, 600}, 16
			}
			r.P99Low, r.P99High = r.P99-0.4, r.P99+0.4
			if w == "junk-repeated" && s == Rust {
				r.Answer, r.P50, r.P99, r.P99Low, r.P99High = nil, 0, 0, 0, 0
			}
			if s == Rust || s == TypeScript {
				r.Allocs = -1
			}
			if w == "handshake" {
				r.Request, r.Answer = 0, nil
				if s == Own {
					r.Samples = samples(700) // worse than all others
				}
			} else if s != Echo {
				r.Against(echo)
			}
			r.Sum()
			f.Rows = append(f.Rows, r)
		}
	}
	for i, s := range []string{Own, Geth, Rust, TypeScript} {
		f.Handshakes = append(f.Handshakes, Setup{s, 1000, float64(100 * i)})
		f.Memory = append(f.Memory, Memory{Server: s, Sessions: 1000, Before: 10 << 20, After: 10<<20 + 2000_000/uint64(i+1), Exact: s != TypeScript})
	}
	for k, s := range FloodServers() {
		for i, rate := range JunkRates() {
			x := Flood{Server: s, Junk: rate, Sessions: 1000, Rate: 2000}
			for n := range uint64(3) {
				one := FloodSample{Asked: 2000, Answered: 2000 - uint64(i*k)*150 - n, P50: float64(50 * (i + 1)), P99: float64(300*(k+1) + int(n)), Lag: 20, Elapsed: time.Second}
				if rate != NoJunk {
					one.Junk, one.Dropped = max(rate, 0)+1_000_000*btoi(rate == FullSpeed), uint64(100*k)
				}
				x.Samples = append(x.Samples, one)
			}
			x.Sum()
			f.Flood = append(f.Flood, x)
		}
	}
	for _, n := range []int{1, 2} {
		f.Workers = append(f.Workers, Workers{Workers: n, Sessions: 256, Median: 5, Low: 4.5, High: 5.5, Rate: 1e5 * float64(n), Shared: n == 2})
	}
	for i, n := range []int{10, 100, 1000, 10_000, 100_000, 1_000_000} {
		y := 4 + float64(i)/4
		f.Sessions = append(f.Sessions, Point{Sessions: n, Median: y, Low: y - 0.2, High: y + 0.3, Bytes: 1800})
	}
	for i, p := range []int{0, 25, 50, 75, 100} {
		y := 5 - float64(i)/10
		f.Junk = append(f.Junk, Share{Percent: p, Median: y, Low: y - 0.2, High: y + 0.3})
	}
	for i, w := range Stages() {
		f.Stages = append(f.Stages, Stage{Name: w.Name, Package: w.Package, Benchmark: w.Benchmark, Nanos: float64(10 * (i + 1)), Runs: 1000})
	}
	for _, s := range FactSources() {
		for i, x := range s.Finds {
			f.Facts = append(f.Facts, Fact{x.Name, float64(1000 * (i + 1)), "go test " + s.Test})
		}
	}
	return f
}

// samples are three slices with a cost around µs.
func samples(micros int) []Sample {
	var list []Sample
	for i := range 3 {
		list = append(list, Sample{
			Exchanges: 1000, Elapsed: 100 * time.Millisecond, CPU: time.Duration(10*micros+i) * 100 * time.Microsecond, Batch: 64,
		})
	}
	return list
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
