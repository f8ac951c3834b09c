package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
)

// TestS47FlagsQuoteLittle: an error has at most 100 bytes of what was given for a flag.
func TestS47FlagsQuoteLittle(t *testing.T) {
	much := regexp.MustCompile("[7x]{101}")
	failed := 0
	for _, junk := range []string{strings.Repeat("7", 100_000), strings.Repeat("x", 300)} {
		calls := [][]string{{junk}, {"--" + junk}}
		flags(new(options)).VisitAll(func(f *pflag.Flag) { calls = append(calls, []string{"--" + f.Name + "=" + junk}) })
		for _, args := range calls {
			if _, err := parse(args); err == nil {
				continue // and so nothing is run
			}
			failed++
			var out, errs bytes.Buffer
			if code := run(args, &out, &errs); code == cli.ExitOK || much.Match(errs.Bytes()) || errs.Len() > 2500 {
				t.Errorf("%.60q: exit code %d, %d bytes: %.300s", args, code, errs.Len(), &errs)
			}
		}
	}
	if failed < 20 {
		t.Errorf("only %d errors", failed)
	}
}
