package archtest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Largest numbers of lines of a file. Most files should have far fewer: one idea fits in a hundred.
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

// columns is the width of comments and documents. A tab has four columns.
const columns = 100

// unwrappable matches text that cannot be wrapped: addresses of pages, and long code in Markdown.
var unwrappable = regexp.MustCompile("https?://|`[^`]{60,}`|]\\([^)]{60,}\\)")

// comment matches the start of a comment of Go or assembly.
var comment = regexp.MustCompile(`(?:^|\s)// `)

// TestWidth: comments, and lines of code with one, and paragraphs of documents have at most 100
// columns. Tables, code blocks and code without a comment may be wider.
func TestWidth(t *testing.T) {
	files(t, func(path string, text []byte) {
		_, name := split(path)
		document := strings.HasSuffix(name, ".md")
		if !document && !slices.Contains([]string{".go", ".s", ".h"}, filepath.Ext(name)) && name != "Makefile" {
			return
		}
		fenced := false
		for i, line := range strings.Split(string(text), "\n") {
			fenced = fenced != (document && strings.HasPrefix(line, "```"))
			n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
			if n <= columns || unwrappable.MatchString(line) {
				continue
			}
			switch {
			case document && !fenced && !strings.HasPrefix(line, "    ") && !strings.HasPrefix(strings.TrimSpace(line), "|"),
				name == "Makefile" && strings.HasPrefix(line, "#"),
				!document && name != "Makefile" && comment.MatchString(line):
				t.Errorf("%s:%d has %d columns, more than %d", path, i+1, n, columns)
			}
		}
	})
}

// unwanted matches names of tools and of paths on one machine. The parts are joined here so that
// this file does not match.
var unwanted = regexp.MustCompile(`(?i)\b(` + strings.Join([]string{
	"cl" + "aude", "anthr" + "opic", "chat" + "gpt", "open" + "ai", "l" + "lm", "language " + "model",
}, "|") + `)\b|` + strings.Join([]string{"/wo" + "rk/(main|shared)", "/ro" + "ot/", "/tm" + "p/contract"}, "|"))

// note matches a note about unfinished work. It must name an issue, as in "TO" + "DO(#12): ...", so
// that somebody tracks it.
var (
	note    = regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	tracked = regexp.MustCompile(`^TO` + `DO\(#[0-9]+\): .`)
)

// noteAllowed reports whether all notes of a line name an issue.
func noteAllowed(line string) bool {
	for _, at := range note.FindAllStringIndex(line, -1) {
		if !tracked.MatchString(line[at[0]:]) {
			return false
		}
	}
	return true
}

// TestWords: no file names a tool or a machine's path, and each note about unfinished work names an
// issue.
func TestWords(t *testing.T) {
	files(t, func(path string, text []byte) {
		_, name := split(path)
		if strings.HasSuffix(name, ".sum") || !isText(text) {
			return
		}
		for i, line := range strings.Split(string(text), "\n") {
			where := fmt.Sprintf("%s:%d", path, i+1)
			if w := unwanted.FindString(line); w != "" {
				t.Errorf("%s contains %q", where, w)
			}
			if !noteAllowed(line) {
				t.Errorf("%s: a note about unfinished work must name an issue, as in TO"+"DO(#12): what to do", where)
			}
		}
	})
}

func TestNoteAllowed(t *testing.T) {
	for _, tt := range []struct {
		line string
		want bool
	}{
		{"x := 1 // TO" + "DO(#12): measure", true},
		{"x := 1 // TO" + "DO: measure", false},
		{"x := 1 // TO" + "DO(#12)", false},
		{"// FIX" + "ME(#12): measure", false},
		{"// TO" + "DO(#12): a. TO" + "DO: b", false},
		{"an ordinary line", true},
	} {
		t.Run(tt.line, func(t *testing.T) {
			if got := noteAllowed(tt.line); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func isText(b []byte) bool { return !strings.Contains(string(b[:min(len(b), 4096)]), "\x00") }

// TestReadmePrograms compares every program in README.md with a file below examples. The examples
// are compiled, and their tests run them unless they would contact other hosts.
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
			t.Errorf("a program in README.md differs from all of examples/*/main.go:\n%s", block[1])
		}
		delete(examples, block[1])
	}
	for _, path := range examples {
		t.Errorf("README.md does not show %s", path)
	}
}

// TestParagraphsStandOnce: no line of prose stands twice in a document, as it does after a merge
// that kept both sides. Code and the heads of tables may repeat.
func TestParagraphsStandOnce(t *testing.T) {
	checked := 0
	files(t, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".md") {
			return
		}
		first, code := make(map[string]int), false
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			if code || len(line) < 50 || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "| #") {
				continue
			}
			checked++
			if n, ok := first[line]; ok {
				t.Errorf("%s:%d repeats line %d: %s", path, i+1, n, line)
			}
			first[line] = i + 1
		}
	})
	if checked < 1000 {
		t.Errorf("checked %d lines: these cannot be all", checked)
	}
}
