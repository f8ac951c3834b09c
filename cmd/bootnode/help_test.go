package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
)

// TestHelpOfCommands: the help of every command fits a terminal of 100 columns and has all flags of
// the command.
func TestHelpOfCommands(t *testing.T) {
	// Flags of commands that parse them elsewhere.
	flags := map[string][]string{"health": {"config", "http", "metrics"}}
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub, append(slices.Clip(path), sub.Name()))
			}
		}
		want := flags[strings.Join(path, " ")]
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
				code, stdout, stderr := runIn(nil, args...)
				if code != cli.ExitOK || stderr != "" || !strings.Contains(stdout, "Usage:") {
					t.Fatalf("code %d, %q, errors %q", code, stdout, stderr)
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
	root := newCommands(testSystem(), os.Stdout, os.Stderr)
	walk(root, nil)
}

// TestHelpOfUnknownCommand: a wrong name is an error, not a help.
func TestHelpOfUnknownCommand(t *testing.T) {
	code, stdout, stderr := runIn(nil, "help", "nosuch")
	if code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, "nosuch") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("code %d, %q, errors %q", code, stdout, stderr)
	}
}
