// Package clitest has tests of command lines, for every program to run on its own.
package clitest

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// A Run runs a program with arguments, and returns its exit code and what it writes.
type Run func(args ...string) (code int, stdout, stderr string)

// Help tests that the help of root and of every command below it fits a terminal of 100 columns and
// has all flags of the command. others lists flags that a command parses itself, by the words that
// call it.
func Help(t *testing.T, root *cobra.Command, run Run, others map[string][]string) {
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub, append(slices.Clip(path), sub.Name()))
			}
		}
		want := slices.Clone(others[strings.Join(path, " ")])
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%v: --%s has no description", path, f.Name)
			}
			want = append(want, f.Name)
		})
		if len(path) > 0 && c.Short == "" {
			t.Errorf("%v has no description", path)
		}
		forms := [][]string{append(slices.Clip(path), "--help"), append(slices.Clip(path), "-h"), append([]string{"help"}, path...)}
		for _, args := range forms {
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				code, stdout, stderr := run(args...)
				if code != cli.ExitOK || stderr != "" || !strings.Contains(stdout, "Usage:") {
					t.Fatalf("exit code %d, %q, errors %q", code, stdout, stderr)
				}
				for _, name := range want {
					if !strings.Contains(stdout, "--"+name) {
						t.Errorf("nothing about --%s", name)
					}
				}
				for line := range strings.Lines(stdout) {
					if len(line) > 101 {
						t.Errorf("%q is too long", line)
					}
				}
			})
		}
	}
	walk(root, nil)
}

// QuoteLittle tests that an error quotes at most 100 bytes of what was given for a flag. It calls
// run only with arguments, those of before included, that parse refuses, so nothing is run.
func QuoteLittle(t *testing.T, flags *pflag.FlagSet, parse func(args []string) error, run Run, before ...string) {
	failed := 0
	for _, junk := range []struct{ char, text string }{{"7", strings.Repeat("7", 100_000)}, {"x", strings.Repeat("x", 300)}} {
		calls := [][]string{{junk.text}, {"--" + junk.text}}
		flags.VisitAll(func(f *pflag.Flag) {
			calls = append(calls, append(slices.Clip(before), "--"+f.Name+"="+junk.text))
		})
		for _, args := range calls {
			if parse(args) == nil {
				continue
			}
			failed++
			if code, _, stderr := run(args...); code == cli.ExitOK || LongestRun(stderr, junk.char) > quote.Max || len(stderr) > 2500 {
				t.Errorf("%.60q: exit code %d, %d bytes: %.300s", args, code, len(stderr), stderr)
			}
		}
	}
	if failed < 20 {
		t.Errorf("only %d errors", failed)
	}
}

// LongestRun returns the length, in characters, of the longest run of the given ones in a text.
func LongestRun(text, chars string) (most int) {
	n := 0
	for _, c := range text {
		if n++; !strings.ContainsRune(chars, c) {
			n = 0
		}
		most = max(most, n)
	}
	return most
}
