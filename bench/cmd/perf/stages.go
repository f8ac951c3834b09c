package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fastdisc/discv5/bench/internal/results"
)

// moduleDir is this project's module, seen from bench/.
const moduleDir = ".."

const stageTimeout = 5 * time.Minute

// stages runs the Go benchmark of every stage, on the driver's CPU, when all servers have ended.
func (b *bench) stages() error {
	if !b.wanted("stages") {
		return nil
	}
	began := time.Now()
	dir, err := os.MkdirTemp("", "discv5-perf-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	count, length := "5", "300ms"
	if b.quick {
		count, length = "1", "20ms"
	}
	list := results.Stages()
	packages := []string{"test", "-c", "-o", dir + string(filepath.Separator)}
	for _, w := range list {
		if p := "./" + w.Package; !slices.Contains(packages, p) {
			packages = append(packages, p)
		}
	}
	b.command(commandLine("go test -c -o ./", packages[4:]))
	if _, err := output(moduleDir, "go", packages...); err != nil {
		return fmt.Errorf("stages: %w", err)
	}
	for _, w := range list {
		if b.quick && w.Large {
			b.skip(w.Name, "-quick")
			continue
		}
		binary := filepath.Join(dir, path.Base(w.Package)+".test")
		args := []string{"-test.run", "^$", "-test.bench", benchPattern(w.Benchmark), "-test.benchmem", "-test.count", count, "-test.benchtime", length}
		b.command(commandLine("./"+filepath.Base(binary), args))
		out, err := output(filepath.Join(moduleDir, w.Package), binary, args...)
		if err != nil {
			return fmt.Errorf("stage %q: %w", w.Name, err)
		}
		// A binary that was made by go test -c prints its package like go test does.
		list, err := results.ParseBench(bytes.NewReader(out))
		if err != nil {
			return fmt.Errorf("stage %q: %w", w.Name, err)
		}
		s, err := results.StageOf(w.Name, w.Package, w.Benchmark, list)
		if err != nil {
			return fmt.Errorf("stage %q: %w", w.Name, err)
		}
		b.report.Stages = append(b.report.Stages, s)
	}
	if err := b.facts(); err != nil {
		return err
	}
	b.logf("stages measured in %.0f s", time.Since(began).Seconds())
	return nil
}

// facts notes what tests print.
func (b *bench) facts() error {
	for _, s := range results.FactSources() {
		args := []string{"test", "-count", "1", "-run", "^" + s.Test + "$", "-v"}
		if b.quick {
			args = append(args, "-short")
		}
		args = append(args, "./"+path.Clean(s.Package))
		line := commandLine("go", args)
		b.command(line)
		out, err := output(moduleDir, "go", args...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Test, err)
		}
		list, err := s.Facts(out, line)
		if err != nil {
			return err
		}
		b.report.Facts = append(b.report.Facts, list...)
	}
	return nil
}

// benchPattern is the regular expression for one benchmark alone.
func benchPattern(name string) string {
	parts := strings.Split("Benchmark"+name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// commandLine quotes arguments that a shell would change.
func commandLine(name string, args []string) string {
	plain := regexp.MustCompile(`^[A-Za-z0-9_./=:,@%+-]+$`)
	list := []string{name}
	for _, a := range args {
		if !plain.MatchString(a) {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		list = append(list, a)
	}
	return strings.Join(list, " ")
}

func (b *bench) command(line string) { b.report.Commands = append(b.report.Commands, line) }

// output returns the standard output of a program. An error has its log.
func output(dir, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stageTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.Join(err, errors.New(strings.TrimSpace(log.String()+string(out))))
	}
	return out, nil
}
