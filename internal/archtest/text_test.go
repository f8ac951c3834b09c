package archtest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Longest files. One idea has room in a hundred lines; these are for the exceptions.
const (
	maxLines     = 500
	maxTestLines = 700
)

func TestFileLength(t *testing.T) {
	for _, s := range sources(t) {
		limit := maxLines
		if s.test {
			limit = maxTestLines
		}
		if n := strings.Count(s.text, "\n"); n > limit {
			t.Errorf("%s has %d lines, more than %d", s.path, n, limit)
		}
	}
}

// unwanted finds notes to oneself and places that exist on one machine only. The words are put
// together here, so that this file does not hold them.
var unwanted = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	"to" + "do", "fix" + "me", "x" + "xx", "not " + "implemented", "not yet " + "implemented", "st" + "ub", "st" + "ubs",
	"cl" + "aude", "anthr" + "opic", "chat" + "gpt", "open" + "ai", "l" + "lm", "language " + "model",
}, "|") + `)\b|` + strings.Join([]string{"/wo" + "rk/(main|shared)", "/ro" + "ot/", "/tm" + "p/contract"}, "|"))

func TestWords(t *testing.T) {
	files(t, func(path string, text []byte) {
		_, name := split(path)
		if strings.HasSuffix(name, ".sum") || !isText(text) {
			return
		}
		for i, line := range strings.Split(string(text), "\n") {
			if w := unwanted.FindString(line); w != "" {
				t.Errorf("%s holds %q", fmt.Sprintf("%s:%d", path, i+1), w)
			}
		}
	})
}

func isText(b []byte) bool { return !strings.Contains(string(b[:min(len(b), 4096)]), "\x00") }

// TestReadmePrograms compares every program in README.md with a file below examples, which is
// compiled, and run by its test unless it would contact others.
func TestReadmePrograms(t *testing.T) {
	var readme string
	examples := make(map[string]string) // text to path
	files(t, func(path string, text []byte) {
		if path == "README.md" {
			readme = string(text)
		}
		if strings.HasPrefix(path, "examples/") && strings.HasSuffix(path, "/main.go") {
			examples[string(text)] = path
		}
	})
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme, -1) {
		if _, ok := examples[block[1]]; !ok {
			t.Errorf("a program in README.md is none of examples/*/main.go:\n%s", block[1])
		}
		delete(examples, block[1])
	}
	for _, path := range examples {
		t.Errorf("README.md does not show %s", path)
	}
}
