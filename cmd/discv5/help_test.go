package main

import (
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
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub, append(slices.Clip(path), sub.Name()))
			}
		}
		var want []string
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
				r := try(t, args...)
				if r.code != cli.ExitOK || r.err != "" || !strings.Contains(r.out, "Usage:") {
					t.Fatalf("exit code %d, %q, errors %q", r.code, r.out, r.err)
				}
				for _, name := range want {
					if !strings.Contains(r.out, "--"+name) {
						t.Errorf("nothing about --%s", name)
					}
				}
				for line := range strings.Lines(r.out) {
					if len(line) > 101 {
						t.Errorf("%q is too long", line)
					}
				}
			})
		}
	}
	root := newRoot(&tool{})
	walk(root, nil)
}
