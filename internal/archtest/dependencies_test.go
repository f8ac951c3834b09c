package archtest

import (
	"regexp"
	"strings"
	"testing"
)

var (
	requirement   = regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`) // not "// indirect"
	dependencyRow = regexp.MustCompile(`(?m)^\| (\S+\.\S+) \| (v[^ ,]+), \d{4}-\d{2}-\d{2} \| [^|]+ \| [^|]+ \| [^|]+ \|$`)
)

// TestDependenciesAreDocumented: docs/DEPENDENCIES.md has one row for each module that go.mod
// requires directly, with its version, and no others.
func TestDependenciesAreDocumented(t *testing.T) {
	var doc, mod string
	files(t, func(path string, text []byte) {
		switch path {
		case "docs/DEPENDENCIES.md":
			doc = string(text)
		case "go.mod":
			mod = string(text)
		}
	})
	rows := make(map[string][]string)
	for _, m := range dependencyRow.FindAllStringSubmatch(doc, -1) {
		rows[m[1]] = append(rows[m[1]], m[2])
	}
	required := requirement.FindAllStringSubmatch(mod, -1)
	if len(required) < 20 {
		t.Fatalf("go.mod requires %d modules: these cannot be all", len(required))
	}
	for _, m := range required {
		if got := rows[m[1]]; len(got) != 1 || got[0] != m[2] {
			t.Errorf("%s %s has the rows %q, want one with that version", m[1], m[2], strings.Join(got, ", "))
		}
		delete(rows, m[1])
	}
	for module := range rows {
		t.Errorf("%s has a row but go.mod does not require it directly", module)
	}
}
