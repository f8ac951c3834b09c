package main

import (
	"os"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/cli/clitest"
)

func TestHelpOfCommands(t *testing.T) {
	run := func(args ...string) (int, string, string) { return runIn(nil, args...) }
	clitest.Help(t, newCommands(testSystem(), os.Stdout, os.Stderr), run, map[string][]string{"health": {"config", "http", "metrics"}})
}

// TestHelpOfUnknownCommand: a wrong name is an error, not a help.
func TestHelpOfUnknownCommand(t *testing.T) {
	code, stdout, stderr := runIn(nil, "help", "nosuch")
	if code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, "nosuch") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("code %d, %q, errors %q", code, stdout, stderr)
	}
}
