package archtest

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// importRule is one rule of depguard, the linter that .golangci.yml configures.
type importRule struct {
	ListMode string   `yaml:"list-mode"` // strict: what is not allowed is denied; lax: the reverse
	Files    []string // globs; "!" excludes
	Allow    []string // prefixes of import paths; with "$" at the end, whole paths
	Deny     []struct{ Pkg, Desc string }
}

// importRules reads the rules of .golangci.yml. The linter sees the files of one platform only, and
// not everybody has it, so the tests apply the rules too.
func importRules(t *testing.T) map[string]importRule {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules map[string]importRule }
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatalf(".golangci.yml: %v", err)
	}
	rules := config.Linters.Settings.Depguard.Rules
	if len(rules) < 30 {
		t.Fatalf(".golangci.yml has %d import rules: these cannot be all", len(rules))
	}
	return rules
}

// standard reports whether path is a package of the standard library.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// longest returns the length of the longest entry of list that matches path, -1 for none.
func longest(path string, list []string) int {
	best := -1
	for _, entry := range list {
		exact, whole := strings.CutSuffix(entry, "$")
		if entry == "$gostd" && standard(path) || whole && path == exact || !whole && strings.HasPrefix(path, entry) {
			best = max(best, len(entry))
		}
	}
	return best
}

// allows reports whether a file that the rule applies to may import path, and if not, why.
func (r importRule) allows(path string) (ok bool, why string) {
	denied := make([]string, len(r.Deny))
	for i, d := range r.Deny {
		denied[i] = d.Pkg
		if longest(path, denied[i:i+1]) >= 0 {
			why = d.Desc
		}
	}
	a, d := longest(path, r.Allow), longest(path, denied)
	if r.ListMode == "strict" {
		return a > d, "no rule allows it"
	}
	return d < 0 || a > d, why
}

// applies reports whether the rule is for a file of the module.
func (r importRule) applies(path string) bool {
	included := false
	for _, glob := range r.Files {
		glob, excludes := strings.CutPrefix(glob, "!")
		match := false
		switch glob {
		case "$all":
			match = true
		case "$test":
			match = strings.HasSuffix(path, "_test.go")
		default:
			pattern := regexp.QuoteMeta(strings.TrimPrefix(glob, "${base-path}/"))
			pattern = strings.ReplaceAll(pattern, `\*\*`, `.*`)
			pattern = strings.ReplaceAll(pattern, `\*`, `[^/]*`)
			match = regexp.MustCompile("^" + pattern + "$").MatchString(path)
		}
		if match && excludes {
			return false
		}
		included = included || match
	}
	return included
}

// TestImports applies the rules of .golangci.yml to the files of all platforms.
func TestImports(t *testing.T) {
	rules := importRules(t)
	list := sources(t)
	placed := map[string]bool{} // directories that have a rule of their own
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rule := rules[name]
		for _, s := range list {
			if !rule.applies(s.path) {
				continue
			}
			if !slices.Contains(rule.Files, "$all") {
				placed[s.dir] = true
			}
			for _, spec := range s.file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if ok, why := rule.allows(path); !ok {
					t.Errorf("%s must not import %s: %s (.golangci.yml, %s)", s.path, path, why, name)
				}
			}
		}
	}
	for _, s := range list {
		if !placed[s.dir] {
			placed[s.dir] = true
			t.Errorf("%s: .golangci.yml has no import rule for package %s", s.path, s.dir)
		}
	}
}

// TestLintCoversModules: "make lint" runs the linter in every module of the repository.
func TestLintCoversModules(t *testing.T) {
	files(t, func(path string, text []byte) {
		if path != "Makefile" {
			return
		}
		for _, pattern := range []string{
			`(?m)^MODULES\s*\?= \. .*find \. .*-name go\.mod`,
			`(?m)^\t.*\$\(GOLANGCI\).*for d in \$\(MODULES\)`,
		} {
			if !regexp.MustCompile(pattern).Match(text) {
				t.Errorf("the Makefile does not match %s", pattern)
			}
		}
	})
}

// TestImportRule shows what the forms of a rule mean.
func TestImportRule(t *testing.T) {
	lax := importRule{
		ListMode: "lax",
		Files:    []string{"${base-path}/enr/*.go", "!$test"},
		Allow:    []string{"example.org/m/rlp$"},
		Deny:     []struct{ Pkg, Desc string }{{"example.org/m", "not in this module"}},
	}
	strict := importRule{ListMode: "strict", Files: []string{"$all", "!${base-path}/cmd/**.go"}, Allow: []string{"$gostd", "example.org/m"}}
	for _, test := range []struct {
		rule importRule
		path string
		want bool
	}{
		{lax, "example.org/m/rlp", true},
		{lax, "example.org/m/rlp/x", false},
		{lax, "example.org/m", false},
		{lax, "example.org/other", true},
		{lax, "go/ast", true},
		{strict, "go/ast", true},
		{strict, "unsafe", true},
		{strict, "example.org/m/rlp", true},
		{strict, "example.org/other", false},
	} {
		t.Run(test.rule.ListMode+" "+test.path, func(t *testing.T) {
			if got, _ := test.rule.allows(test.path); got != test.want {
				t.Errorf("allowed: %v, want %v", got, test.want)
			}
		})
	}
	for _, test := range []struct {
		rule importRule
		file string
		want bool
	}{
		{lax, "enr/parse.go", true},
		{lax, "enr/parse_test.go", false},
		{lax, "enr/sub/parse.go", false},
		{strict, "enr/sub/parse.go", true},
		{strict, "cmd/a/b/c.go", false},
	} {
		t.Run(test.rule.ListMode+" "+test.file, func(t *testing.T) {
			if got := test.rule.applies(test.file); got != test.want {
				t.Errorf("applies: %v, want %v", got, test.want)
			}
		})
	}
}
