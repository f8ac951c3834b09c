// Command perftopics measures what a registrar of topics takes for its requests: end to end, in the
// engine alone, and in steps of the registrar.
//
//	go run ./cmd/perftopics [-rounds n] [-slices n] [-o file]
//
// It is run in bench/. The stages of the engine are measured in turn in one thread, by the CPU time
// of that thread, so that other load on the machine meets all alike. They are measured a second
// time without the instructions for four blocks of AES-GCM at a time, which not all processors
// have. End to end it runs cmd/perf, once for each workload.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
)

const (
	moduleDir = ".." // this project's module, seen from bench/
	timeout   = 5 * time.Minute
	attempts  = 3 // at one run of cmd/perf
	// without turns off the instructions in a Go program.
	without = "GODEBUG=cpu.avx512vaes=off"
)

func main() {
	rounds := flag.Int("rounds", 200, "rounds of the stages, 10 to 10000")
	slices := flag.Int("slices", 9, "rounds of cmd/perf, 1 to 100; 0 leaves it out and keeps its figures in the file")
	out := flag.String("o", "", "write the figures to this file as JSON")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 10 || *rounds > 10_000 || *slices < 0 || *slices > 100 {
		fmt.Fprintln(os.Stderr, "perftopics: want -rounds 10 to 10000, -slices 0 to 100, and no arguments")
		os.Exit(2)
	}
	if err := run(*rounds, *slices, *out); err != nil {
		fmt.Fprintln(os.Stderr, "perftopics:", err)
		os.Exit(1)
	}
}

// measurement is a run of this program.
type measurement struct {
	results.Topics
	dir string // for programs and files
}

func run(rounds, loads int, out string) error {
	dir, err := os.MkdirTemp("", "discv5-perftopics-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := &measurement{dir: dir}
	m.Date, m.Machine, m.Rounds = time.Now().UTC().Truncate(time.Second), results.Here(runtime.NumCPU()), rounds
	if err := m.stages(); err != nil {
		return fmt.Errorf("stages of the engine: %w", err)
	}
	if err := m.steps(); err != nil {
		return fmt.Errorf("steps of the registrar: %w", err)
	}
	if loads > 0 {
		if err := m.load(loads); err != nil {
			return fmt.Errorf("end to end: %w", err)
		}
	} else if err := m.keep(out); err != nil {
		return err
	}
	for _, list := range [][]results.TopicStage{m.Stages, m.Plain} {
		for _, s := range list {
			fmt.Printf("%-12s %6.0f ns  %.2f (%.2f-%.2f)\n", s.Name, s.Nanos, s.Ratio, s.Low, s.High)
		}
	}
	for _, s := range m.Times {
		fmt.Printf("%-20s %6.1f ns\n", s.Benchmark, s.Nanos)
	}
	for _, f := range m.Facts {
		fmt.Printf("%-20s %.0f bytes\n", f.Name, f.Value)
	}
	for _, r := range m.Load {
		fmt.Printf("%-20s %.2f µs (%.2f-%.2f), %.2f of the echo\n", r.Workload, r.Median, r.Low, r.High, r.Ratio)
	}
	if out == "" {
		return nil
	}
	return m.Save(out)
}

// stages measures the stages of the engine, with and without the instructions.
func (m *measurement) stages() error {
	program := filepath.Join(m.dir, "engine.test")
	if _, err := m.output(moduleDir, nil, "go", "test", "-c", "-o", program, "./internal/engine"); err != nil {
		return err
	}
	args := []string{"-test.run", "^$", "-test.bench", "^BenchmarkTopicRounds$", "-test.benchtime", fmt.Sprintf("%dx", m.Rounds)}
	for _, v := range []struct {
		env  []string
		list *[]results.TopicStage
	}{{nil, &m.Stages}, {[]string{without}, &m.Plain}} {
		m.note(program, v.env, args)
		list, err := m.bench(filepath.Join(moduleDir, "internal/engine"), v.env, program, args)
		if err != nil {
			return err
		}
		if *v.list, err = results.TopicStages(list[0]); err != nil {
			return err
		}
	}
	return nil
}

// steps measures steps of the registrar, and its memory.
func (m *measurement) steps() error {
	program := filepath.Join(m.dir, "topic.test")
	if _, err := m.output(moduleDir, nil, "go", "test", "-c", "-o", program, "./topic"); err != nil {
		return err
	}
	dir := filepath.Join(moduleDir, "topic")
	args := []string{"-test.run", "^$", "-test.bench", "^Benchmark(Score|WaitingTime|Sample)$", "-test.benchtime", "50000x", "-test.count", "25"}
	m.note(program, nil, args)
	list, err := m.bench(dir, nil, program, args)
	if err != nil {
		return err
	}
	for _, name := range []string{"Score", "WaitingTime", "Sample"} {
		for _, ads := range []string{"/1000", "/100000"} {
			s, err := results.StageOf(name+ads, "topic", name+ads, list)
			if err != nil {
				return err
			}
			// Beside other load, the median of such short steps means little.
			for _, b := range list {
				if b.Name == s.Benchmark {
					s.Nanos = min(s.Nanos, b.Values["ns/op"])
				}
			}
			m.Times = append(m.Times, s)
		}
	}
	args = []string{"-test.run", "^TestMemoryBudget$", "-test.v"}
	m.note(program, nil, args)
	log, err := m.output(dir, nil, program, args...)
	if err != nil {
		return err
	}
	source := results.FactSource{Package: "topic", Test: "TestMemoryBudget", Finds: []results.Find{
		{Name: "1,000 ads", Pattern: `1000 ads of 300 topics take (\d+) bytes`},
		{Name: "1,000 topics", Pattern: `1000 ads of 1000 topics take (\d+) bytes`},
		{Name: "100,000 ads", Pattern: `100000 ads of 300 topics take (\d+) bytes`},
		{Name: "100,000 topics", Pattern: `100000 ads of 100000 topics take (\d+) bytes`},
	}}
	m.Facts, err = source.Facts(log, m.Commands[len(m.Commands)-1])
	return err
}

// load measures exchanges end to end.
func (m *measurement) load(rounds int) error {
	m.LoadMachine, m.LoadDate = m.Machine, m.Date
	program := filepath.Join(m.dir, "perf")
	if _, err := m.output(".", nil, "go", "build", "-o", program, "./cmd/perf"); err != nil {
		return err
	}
	for _, workload := range []string{"ping", "findnode", "regtopic", "topicquery"} {
		file := filepath.Join(m.dir, workload+".json")
		args := []string{"-nogeth", "-sessions", "0", "-rounds", fmt.Sprint(rounds), "-slice", "150ms", "-only", workload}
		m.LoadCommands = append(m.LoadCommands, commandLine(program, nil, args))
		var err error
		for range attempts { // beside other load, a server may be too late for its handshakes
			if _, err = m.output(".", nil, program, append(args, "-partial", "-o", file)...); err == nil {
				break
			}
		}
		if err != nil {
			return err
		}
		f, err := results.Load(file)
		if err != nil {
			return err
		}
		r := f.Row(workload, results.Own)
		if r == nil {
			return fmt.Errorf("%w: %s on %s", results.ErrMissing, workload, results.Own)
		}
		r.Samples = nil
		m.Load = append(m.Load, *r)
	}
	return nil
}

// keep takes the figures end to end from a file that there is.
func (m *measurement) keep(file string) error {
	if file == "" {
		return nil
	}
	old, err := results.LoadTopics(file)
	if err != nil || old == nil {
		return err
	}
	m.Load, m.LoadDate, m.LoadMachine, m.LoadCommands = old.Load, old.LoadDate, old.LoadMachine, old.LoadCommands
	return nil
}

// note records a command.
func (m *measurement) note(program string, env, args []string) {
	m.Commands = append(m.Commands, commandLine(program, env, args))
}

// commandLine is a command as one would type it in the directory of the program.
func commandLine(program string, env, args []string) string {
	words := slices.Concat(env, []string{"./" + filepath.Base(program)})
	for _, a := range args {
		if strings.ContainsAny(a, "^$()|") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

func (m *measurement) bench(dir string, env []string, program string, args []string) ([]results.Benchmark, error) {
	out, err := m.output(dir, env, program, args...)
	if err != nil {
		return nil, err
	}
	return results.ParseBench(bytes.NewReader(out))
}

// output returns what a program prints. An error has its log.
func (m *measurement) output(dir string, env []string, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(program), err, strings.TrimSpace(log.String()+string(out)))
	}
	return out, nil
}
