package main

import (
	"bytes"
	"testing"

	"github.com/fastdisc/discv5/internal/cli/clitest"
)

// TestS47FlagsQuoteLittle: an error has at most 100 bytes of what was given for a flag.
func TestS47FlagsQuoteLittle(t *testing.T) {
	parse := func(args []string) error { _, err := parse(args); return err }
	run := func(args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := run(args, &out, &errs)
		return code, out.String(), errs.String()
	}
	clitest.QuoteLittle(t, flags(new(options)), parse, run)
}
