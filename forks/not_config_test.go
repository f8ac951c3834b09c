package forks

import (
	"errors"
	"strings"
	"testing"
)

// A file that is not a config.yaml gets an error with the line, but without the content of the file
// or types of Go.
func TestNotConfig(t *testing.T) {
	const want = "forks: not a config.yaml: want KEY: VALUE lines"
	for _, c := range []struct{ name, text, line string }{
		{"text", "root:x:0:0:secret:/bin/sh\ndaemon:x:1\n", " (line 1)"},
		{"list", "- secret\n- secret\n", " (line 1)"},
		{"number", "42", " (line 1)"},
		{"key without value", "A: 1\nB: 2\nsecret\n", " (line 3)"},
		{"key twice", "secret: 1\nB: 2\nsecret: 3\n", " (line 3)"},
		{"control characters", "\x00\x01secret", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConsensusConfig(strings.NewReader(c.text))
			if !errors.Is(err, ErrNotConfig) || err.Error() != want+c.line {
				t.Errorf("%v, want %s", err, want+c.line)
			}
		})
	}
}
