package document

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// ErrTemplate: the template cannot be used.
var ErrTemplate = errors.New("template")

// Document describes the document to write.
type Document struct {
	Text     []byte
	Pictures map[string][]byte // by file name
}

// Make makes the document. images is the directory of the pictures as the document names it. The
// error wraps results.ErrMissing if there are not all figures, or ErrTemplate.
func Make(f *results.File, text, images string) (*Document, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	pictures, err := pictures(f)
	if err != nil {
		return nil, err
	}
	t, err := template.New("perf.md.tmpl").Option("missingkey=error").Funcs(Functions(f, images)).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return &Document{[]byte(wrap(b.String())), pictures}, nil
}

// Functions are the functions of templates, beside the fields of the results file:
//
//	machine             the machine of the run, as a sentence
//	commands            the commands of the run
//	servers             table of implementations, with those that were left out
//	workloads           table of all workloads
//	handshakes          table of handshakes
//	flood               table of steady sessions beside junk
//	newpeers           table of new peers beside junk
//	topics              tables of what a registrar of topics takes
//	manypeers           tables of many peers with one packet each
//	memory              table of memory by session
//	workers             table of one and two workers
//	sessions            table of cost by number of sessions
//	junk                table of cost by share of junk
//	stages              table of stages
//	losing              list of what this node is worse in than another server
//	picture NAME TEXT   picture NAME, one of cost, ratio, sessions, junk, stages
//	cost W S            µs of workload W on server S
//	ratio W S           the same, of the echo
//	stage NAME          ns of a stage
//	times A B           ns of stage A divided by that of B
//	outgrown A B        cost with B sessions divided by that with A
//	goals               table of the project's goals, and which are reached
//	slower W S          whether this node takes more than server S, if that was measured
//	fact NAME           a figure that a test prints; ? in files older than these
func Functions(f *results.File, images string) template.FuncMap {
	return template.FuncMap{
		"machine":    func() string { return machine(f) },
		"commands":   func() string { return commands(f) },
		"servers":    func() string { return servers(f) },
		"workloads":  func() string { return workloads(f) },
		"handshakes": func() string { return handshakes(f) },
		"flood":      func() string { return flood(f) },
		"newpeers":   func() string { return newpeers(f.NewPeers) },
		"topics":     func() string { return topics(f.Topics) },
		"manypeers":  func() string { return ManyPeers(f.ManyPeers) },
		"memory":     func() string { return memory(f) },
		"workers":    func() string { return workers(f) },
		"sessions":   func() string { return sessions(f) },
		"junk":       func() string { return junk(f) },
		"stages":     func() string { return stages(f) },
		"losing":     func() string { return losing(f) },
		"picture": func(name, text string) (string, error) {
			if _, ok := names()[name]; !ok {
				return "", fmt.Errorf("no picture %q", name)
			}
			return fmt.Sprintf("![%s](%s/%s)", text, images, names()[name]), nil
		},
		"cost": func(workload, server string) (string, error) {
			r, err := need(f, workload, server)
			if err != nil {
				return "", err
			}
			return number(r.Median), nil
		},
		"ratio": func(workload, server string) (string, error) {
			r, err := need(f, workload, server)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%.2f", r.Ratio), nil
		},
		"stage": func(name string) (string, error) {
			if n := nanosOf(f, name); n > 0 {
				return nanos(n), nil
			}
			if slices.ContainsFunc(results.Stages(), func(w results.Where) bool { return w.Name == name && f.Version < w.Since }) {
				return "?", nil
			}
			return "", fmt.Errorf("%w: stage %q", results.ErrMissing, name)
		},
		"times": func(a, b string) string {
			if x, y := nanosOf(f, a), nanosOf(f, b); x > 0 && y > 0 {
				return fmt.Sprintf("%.2f", x/y)
			}
			return "?"
		},
		"outgrown": func(a, b int) (string, error) {
			v, err := outgrown(f, a, b)
			return fmt.Sprintf("%.2f", v), err
		},
		"goals":  func() string { return goals(f) },
		"slower": func(workload, server string) bool { return slower(f, workload, server) },
		"fact": func(name string) (string, error) {
			for _, x := range f.Facts {
				if x.Name == name {
					return group(x.Value), nil
				}
			}
			if slices.ContainsFunc(results.FactSources(), func(s results.FactSource) bool {
				return f.Version < s.Since && slices.ContainsFunc(s.Finds, func(x results.Find) bool { return x.Name == name })
			}) {
				return "?", nil
			}
			return "", fmt.Errorf("%w: %s", results.ErrMissing, name)
		},
	}
}

func need(f *results.File, workload, server string) (*results.Row, error) {
	if r := f.Row(workload, server); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%w: %s on %s", results.ErrMissing, workload, server)
}

func machine(f *results.File) string {
	quick := ""
	if f.Quick {
		quick = "**This was a quick run: its figures are not to be trusted.** "
	}
	load := ""
	if f.Machine.Load > 0 {
		load = fmt.Sprintf(", with a load average of %.1f before the run", f.Machine.Load)
	}
	return fmt.Sprintf("%s%s, %d CPUs, %d MiB of memory, Linux %s, %s %s, on %s%s. %d rounds of slices of %v; window %d, bursts of %d.",
		quick, f.Machine.CPU, f.Machine.CPUs, f.Machine.Memory, f.Machine.Kernel, f.Machine.Go, f.Machine.System,
		f.Date.UTC().Format("2006-01-02"), load, f.Plan.Rounds, f.Plan.Slice, f.Plan.Window, f.Plan.Burst)
}

func commands(f *results.File) string {
	return "    " + strings.Join(f.Commands, "\n    ")
}
