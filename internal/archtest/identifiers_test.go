package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// avoided are words that names in the code avoid, and their replacements.
var avoided = map[string]string{
	"deaf":      "ignoreUntil",
	"departed":  "recentlyRemoved",
	"foreigner": "other client",
	"ghost":     "late slot",
	"greedy":    "overrepresented",
	"job":       "task",
	"jobs":      "tasks",
	"newcomer":  "new source",
	"outbox":    "sender, send queue",
	"sole":      "single, only",
	"stranger":  "unsolicited or unverified source",
	"strangers": "unsolicited or unverified sources",
	"train":     "GSO or GRO batch",
	"trains":    "GSO or GRO batches",
	"twin":      "reference implementation",
	"twins":     "reference implementations",
	"unheard":   "retrySeq",
	"warm":      "prefetch",
	"whom":      "the role of the node",
	"worthless": "eviction score",
}

// word matches a word of a name in camel case.
var word = regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+`)

// TestIdentifiers keeps words of the table out of names in the code, and of names of Go files.
func TestIdentifiers(t *testing.T) {
	check := func(where, name string) {
		for _, w := range word.FindAllString(name, -1) {
			if instead, ok := avoided[strings.ToLower(w)]; ok {
				t.Errorf("%s: %s; use: %s", where, name, instead)
			}
		}
	}
	files(t, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".go") || path == "internal/archtest/identifiers_test.go" {
			return
		}
		_, name := split(path)
		check(path, strings.TrimSuffix(name, ".go"))
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && !seen[id.Name] {
				seen[id.Name] = true
				check(set.Position(id.Pos()).String(), id.Name)
			}
			return true
		})
	})
}
