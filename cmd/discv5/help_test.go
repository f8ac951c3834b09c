package main

import (
	"testing"

	"github.com/fastdisc/discv5/internal/cli/clitest"
)

func TestHelpOfCommands(t *testing.T) {
	run := func(args ...string) (int, string, string) {
		r := try(t, args...)
		return r.code, r.out, r.err
	}
	clitest.Help(t, newRoot(&tool{}), run, nil)
}
