package results

import (
	"errors"
	"fmt"
	"slices"
)

// ErrMissing is wrapped by errors about figures that a complete run has.
var ErrMissing = errors.New("figures are missing")

// Names of servers.
const (
	Own        = "discv5"
	Single     = "discv5, no GSO" // which is what requests of as many peers cost
	Echo       = "echo"
	Geth       = "go-ethereum"
	Rust       = "rust"
	TypeScript = "typescript"
)

// Workloads in the order of the document.
func Workloads() []string {
	return []string{"ping", "findnode", "talk", "regtopic", "topicquery", "ping-many", "junk-repeated", "junk-new", "handshake"}
}

// Servers are all, in the order of the document.
func Servers() []string { return []string{Own, Single, Echo, Geth, Rust, TypeScript} }

// topics is the first version of the file with figures of topic advertisement.
const topics = 4

// Since is the first version of the file that has a workload, 0 for all.
func Since(workload string) int {
	if workload == "regtopic" || workload == "topicquery" {
		return topics
	}
	return 0
}

// needs says which servers a workload is measured on. The large map is that of this node alone, and
// no server can do without anything in place of a handshake.
func needs(workload string) []string {
	switch workload {
	case "ping-many":
		return []string{Own, Echo}
	case "regtopic", "topicquery": // no other implementation serves topics
		return []string{Own, Single, Echo}
	case "handshake":
		return []string{Own, Geth, Rust, TypeScript}
	}
	return Servers()
}

// StageNames are the stages in the order of the document.
func StageNames() (names []string) {
	for _, s := range Stages() {
		names = append(names, s.Name)
	}
	return names
}

// Row finds a row, or nil.
func (f *File) Row(workload, server string) *Row {
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Workload == workload && r.Server == server {
			return r
		}
	}
	return nil
}

// WhySkipped tells why something was not measured.
func (f *File) WhySkipped(name string) (why string, skipped bool) {
	for _, s := range f.Skipped {
		if s.Name == name {
			return s.Why, true
		}
	}
	return "", false
}

// Check reports everything that a complete file has and f lacks. A foreign server may be missing if
// f says why.
func (f *File) Check() error {
	var errs []error
	miss := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrMissing}, args...)...))
	}
	if f.Date.IsZero() || f.Machine.CPU == "" || f.Machine.Kernel == "" || f.Machine.Go == "" || f.Machine.CPUs == 0 {
		miss("the machine or the date")
	}
	if len(f.Commands) == 0 {
		miss("the commands")
	}
	for _, w := range Workloads() {
		if f.Version < Since(w) {
			continue
		}
		for _, s := range needs(w) {
			r := f.Row(w, s)
			if _, skipped := f.WhySkipped(s); skipped && s != Own && s != Single && s != Echo || s == Single && f.Version < 3 {
				continue
			}
			switch {
			case r == nil:
				miss("%s on %s", w, s)
			case !(r.Median > 0) || len(r.Samples) == 0:
				miss("cost of %s on %s", w, s)
			case s != Echo && w != "handshake" && !(r.Ratio > 0):
				miss("ratio of %s on %s", w, s)
			}
		}
	}
	for _, s := range FloodServers() {
		for _, rate := range JunkRates() {
			x := f.Flooded(s, rate)
			if _, skipped := f.WhySkipped(s); f.Version > 2 && !(skipped && s != Own && s != Single) && (x == nil || len(x.Samples) == 0) {
				miss("%s beside %d junk packets a second", s, rate)
			}
		}
	}
	for _, s := range []string{Own, Geth, Rust, TypeScript} {
		if _, skipped := f.WhySkipped(s); !skipped && !slices.ContainsFunc(f.Memory, func(m Memory) bool { return m.Server == s && m.Sessions > 0 }) {
			miss("memory of sessions of %s", s)
		}
	}
	for _, n := range []int{1, 2} {
		if !slices.ContainsFunc(f.Workers, func(w Workers) bool { return w.Workers == n && w.Median > 0 }) {
			miss("cost with workers: %d", n)
		}
	}
	for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
		if !slices.ContainsFunc(f.Sessions, func(p Point) bool { return p.Sessions == n && p.Median > 0 }) {
			miss("cost with %d sessions", n)
		}
	}
	for _, p := range []int{0, 50, 100} {
		if !slices.ContainsFunc(f.Junk, func(s Share) bool { return s.Percent == p && s.Median > 0 }) {
			miss("cost with %d %% junk", p)
		}
	}
	for _, w := range Stages() {
		name := w.Name
		if _, skipped := f.WhySkipped(name); skipped || f.Version < w.Since {
			continue
		}
		if !slices.ContainsFunc(f.Stages, func(s Stage) bool { return s.Name == name && s.Nanos > 0 }) {
			miss("stage %q", name)
		}
	}
	for _, s := range FactSources() {
		for _, x := range s.Finds {
			if f.Version >= s.Since && !slices.ContainsFunc(f.Facts, func(have Fact) bool { return have.Name == x.Name }) {
				miss("%s, of %s", x.Name, s.Test)
			}
		}
	}
	return errors.Join(errs...)
}
