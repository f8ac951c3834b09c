package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testName matches the name of a test, a fuzz target or an example in a document.
var testName = regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Z_][A-Za-z0-9_]*)(\\*?)`")

// TestDocumentsNameTests: tests that a document names exist, in this module or in one below it. A
// name may end with a star.
func TestDocumentsNameTests(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)[A-Za-z0-9_]*)\(`)
	tests := make(map[string]bool)
	documents := make(map[string]string)
	files(t, func(path string, text []byte) {
		switch {
		case strings.HasSuffix(path, "_test.go"):
			for _, m := range declared.FindAllSubmatch(text, -1) {
				tests[string(m[1])] = true
			}
		case strings.HasSuffix(path, ".md"):
			documents[path] = string(text)
		}
	})
	named := 0
	for path, text := range documents {
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			named++
			found := tests[m[1]]
			for name := range tests {
				found = found || m[2] == "*" && strings.HasPrefix(name, m[1])
			}
			if !found {
				t.Errorf("%s names %s%s, which does not exist", path, m[1], m[2])
			}
		}
	}
	if named == 0 {
		t.Error("no document names a test: this tests nothing")
	}
}

// TestDocumentLinks checks that the files that documents link to exist.
func TestDocumentLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	seen := 0
	files(t, func(file string, text []byte) {
		if !strings.HasSuffix(file, ".md") {
			return
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			seen++
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
			}
		}
	})
	if seen < 50 {
		t.Errorf("saw %d links: these cannot be all", seen)
	}
}

// TestSecurityRowsHaveTests: each row of docs/THREATS.md names a test with the number of the row.
func TestSecurityRowsHaveTests(t *testing.T) {
	var text string
	files(t, func(path string, b []byte) {
		if path == "docs/THREATS.md" {
			text = string(b)
		}
	})
	rows := regexp.MustCompile(`(?m)^\| (S\d\d) \|.*$`).FindAllStringSubmatch(text, -1)
	if len(rows) < 26 {
		t.Errorf("docs/THREATS.md has %d rows, want 26 or more", len(rows))
	}
	for _, r := range rows {
		if !strings.Contains(r[0], "`Test"+r[1]) {
			t.Errorf("docs/THREATS.md, %s: no test of that name", r[1])
		}
	}
}
