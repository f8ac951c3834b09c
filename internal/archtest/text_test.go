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

// The program in README.md is the package's example, which is compiled and run.
func TestReadmeProgram(t *testing.T) {
	var readme, example string
	files(t, func(path string, text []byte) {
		switch path {
		case "README.md":
			readme = string(text)
		case "example_test.go":
			example = string(text)
		}
	})
	_, rest, _ := strings.Cut(readme, "```go\n")
	program, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README.md has no program")
	}
	example = regexp.MustCompile(`(?m)^\s*// Output:.*\n`).ReplaceAllString(example, "")
	want := strings.NewReplacer("package discv5_test", "package main", "func Example()", "func main()").Replace(example)
	if program != want {
		t.Errorf("the program in README.md is not that of example_test.go:\n%s", program)
	}
}
