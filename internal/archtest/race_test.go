package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Some packages are serial: make race runs only their tests with Concurrent in the name. There, a
// test that starts a goroutine has such a name.
func TestConcurrentTestsHaveTheirName(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^SERIAL = (.+)$`).FindSubmatch(makefile)
	if line == nil {
		t.Fatal("Makefile names no packages")
	}
	found := map[string]int{}
	dirs := strings.Fields(string(line[1]))
	for _, s := range sources(t) {
		if !s.test || !slices.Contains(dirs, s.dir) {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !startsGoroutine(f) {
				continue
			}
			if found[s.dir]++; !strings.HasPrefix(f.Name.Name, "Test") || !strings.Contains(f.Name.Name, "Concurrent") {
				t.Errorf("%s: %s starts a goroutine, and make race does not run it", s.path, f.Name.Name)
			}
		}
	}
	for _, dir := range dirs {
		if found[dir] == 0 {
			t.Errorf("%s has no test that starts a goroutine", dir)
		}
	}
}

// startsGoroutine reports whether a function has a go statement, or names a method Go.
func startsGoroutine(f *ast.FuncDecl) bool {
	starts := false
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.SelectorExpr:
			starts = starts || n.Sel.Name == "Go"
		}
		return !starts
	})
	return starts
}
