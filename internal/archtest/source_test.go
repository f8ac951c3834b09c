package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/fastdisc/discv5"

// root is the module's directory, relative to this one.
var root = filepath.Join("..", "..")

// source is one Go file.
type source struct {
	path string // relative to root, with slashes
	dir  string // of path; "." for the root
	test bool
	set  *token.FileSet
	file *ast.File
	text string
}

// files calls f with the path, relative to root, and content of each file of the repository. It
// skips testdata, bin, and hidden directories except .ci.
func files(t *testing.T, f func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") && name != ".ci" || slices.Contains([]string{"bin", "testdata", "node_modules", "target"}, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if name == ".git" { // in a linked worktree: the path of the repository
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		f(filepath.ToSlash(rel), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses the Go files of this module, without those of nested modules such as interop.
func sources(t *testing.T) (list []source) {
	t.Helper()
	var others []string
	var texts []source
	files(t, func(path string, text []byte) {
		dir, name := split(path)
		switch {
		case name == "go.mod" && dir != ".":
			others = append(others, dir)
		case strings.HasSuffix(name, ".go") && !strings.HasPrefix(dir, ".ci"):
			texts = append(texts, source{path: path, dir: dir, test: strings.HasSuffix(name, "_test.go"), text: string(text)})
		}
	})
	for _, s := range texts {
		if slices.ContainsFunc(others, func(dir string) bool { return s.dir == dir || strings.HasPrefix(s.dir, dir+"/") }) {
			continue
		}
		s.set = token.NewFileSet()
		var err error
		if s.file, err = parser.ParseFile(s.set, s.path, s.text, parser.ParseComments); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if len(list) < 50 {
		t.Fatalf("found %d Go files: this cannot be all", len(list))
	}
	return list
}

func split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return ".", path
}
