package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestIntegerFlagError(t *testing.T) {
	const huge = "99999999999999999999"
	for _, c := range []struct{ args, want string }{
		{"--udp 65536", `--udp "65536": want a port from 1 to 65535`},
		{"--udp -1", `--udp "-1": want a port from 1 to 65535`},
		{"--udp x", `--udp "x": want a port from 1 to 65535`},
		{"--seq " + huge, `--seq "` + huge + `": too large`},
		{"--count " + huge, `--count "` + huge + `": too large`},
		{"--count -" + huge, `--count "-` + huge + `": too small`},
		{"--count x", `invalid argument "x" for "--count" flag: must be an integer`},
		{"--seq -1", `invalid argument "-1" for "--seq" flag: must be a non-negative integer`},
		{"--rate " + huge + "x", `invalid argument "` + huge + `x" for "--rate" flag: must be a number`},
	} {
		t.Run(c.args, func(t *testing.T) {
			f := pflag.NewFlagSet("test", pflag.ContinueOnError)
			f.Uint16("udp", 0, "`PORT` of key udp")
			f.Uint64("seq", 0, "sequence `NUMBER`")
			f.Int("count", 0, "`NUMBER`")
			f.Float64("rate", 0, "`RATE`")
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
