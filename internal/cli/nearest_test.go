package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestNearest(t *testing.T) {
	names := []string{"addr", "bootnodes", "bootnodes-file", "log-json", "log-level", "nat", "table-limits"}
	for _, c := range []struct{ name, want string }{
		{"addr", "addr"},
		{"adr", "addr"},            // a letter is missing
		{"addrs", "addr"},          // a letter too many
		{"abdr", "addr"},           // another letter
		{"adrd", "addr"},           // two letters swapped
		{"adxx", ""},               // two mistakes in four letters
		{"nta", "nat"},             // one swap is one mistake
		{"na", "nat"},              // one mistake is always allowed
		{"xy", ""},                 // nothing is near
		{"boot-nods", "bootnodes"}, // two mistakes in nine letters
		{"bootnodefile", "bootnodes-file"},
		{"loglevel", "log-level"},
		{"tablelimit", "table-limits"},
		{"table-xxxxxx", ""},
		{"", ""},
		{strings.Repeat("addr", 17), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Nearest(c.name, names); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if got := Nearest("aa", []string{"ac", "ab"}); got != "ab" {
		t.Errorf("%q of two equally near names, want the first in alphabetical order", got)
	}
}

func TestFlagError(t *testing.T) {
	for _, c := range []struct {
		args, want string
	}{
		{"--timeuot 1", "unknown flag --timeuot; did you mean --timeout?"},
		{"--xyz 1", "unknown flag --xyz"},
		{"-timeout 1", "unknown flag -timeout; a long name has two dashes: --timeout"},
		{"-timeout=1", "unknown flag -timeout; a long name has two dashes: --timeout"},
		{"-z", "unknown flag -z"},
		{"--timeout x", `invalid argument "x" for "-W, --timeout" flag: must be an integer`},
	} {
		t.Run(c.args, func(t *testing.T) {
			f := pflag.NewFlagSet("test", pflag.ContinueOnError)
			f.IntP("timeout", "W", 0, "")
			err := f.Parse(strings.Fields(c.args))
			if err == nil {
				t.Fatal("no error")
			}
			if got := FlagError(err, f).Error(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
