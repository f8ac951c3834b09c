package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// internals knows the internal packages of all modules of the repository.
type internals struct {
	prefix   *regexp.Regexp             // an error that begins with the name of one
	exported map[string]map[string]bool // the exported identifiers of each name
}

var qualified = regexp.MustCompile(`\b([a-z][a-z0-9]*)\.([A-Z]\w*)`)

var (
	internalOnce sync.Once
	internalRead internals
)

// internalPackages reads the internal packages, once for all tests. A name that a public package
// has too is none: its users know it.
func internalPackages(t *testing.T) internals {
	t.Helper()
	internalOnce.Do(func() { internalRead = readInternalPackages(t) })
	return internalRead
}

func readInternalPackages(t *testing.T) internals {
	t.Helper()
	in := internals{exported: make(map[string]map[string]bool)}
	shared := make(map[string]bool)
	files(t, func(path string, text []byte) {
		dir, name := split(path)
		if !strings.HasSuffix(name, ".go") || strings.HasPrefix(dir, ".ci") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg := strings.TrimSuffix(file.Name.Name, "_test")
		if !strings.Contains("/"+dir+"/", "/internal/") {
			shared[pkg] = true
			return
		}
		if in.exported[pkg] == nil {
			in.exported[pkg] = make(map[string]bool)
		}
		for _, d := range file.Decls {
			for _, n := range declaredNames(d) {
				in.exported[pkg][n] = ast.IsExported(n)
			}
		}
	})
	var names []string
	for pkg := range in.exported {
		if shared[pkg] {
			delete(in.exported, pkg)
		} else {
			names = append(names, pkg)
		}
	}
	for _, pkg := range []string{"engine", "session", "load"} {
		if !slices.Contains(names, pkg) {
			t.Fatalf("internal packages are %q: %q is missing", names, pkg)
		}
	}
	in.prefix = regexp.MustCompile(`^(?:` + strings.Join(names, "|") + `): `)
	return in
}

// declaredNames returns the names of functions, types, constants and variables that d declares.
func declaredNames(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// mention returns the first place in text that names an internal package: its import path, or one
// of its exported identifiers. A directory in a command, ./internal/x, is none.
func (in internals) mention(text string) string {
	if i := strings.Index(text, "internal/"); i >= 0 && (i == 0 || strings.ContainsRune(" `(", rune(text[i-1])) || strings.HasSuffix(text[:i], modulePath+"/")) {
		return strings.Fields(text[i:])[0]
	}
	for _, m := range qualified.FindAllStringSubmatch(text, -1) {
		if in.exported[m[1]][m[2]] {
			return m[0]
		}
	}
	return ""
}

// TestErrorsNameNoInternalPackage: an error begins with the name of a public package, or says what
// was being done. Nobody who sees it knows the internal packages. The rule covers all modules.
func TestErrorsNameNoInternalPackage(t *testing.T) {
	in, found := internalPackages(t), 0
	files(t, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name := ""
			switch fun := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = fun.Sel.Name
			case *ast.Ident:
				name = fun.Name
			}
			if !slices.Contains([]string{"New", "Errorf", "Usagef", "errorf"}, name) {
				return true
			}
			arg := call.Args[0]
			for b, ok := arg.(*ast.BinaryExpr); ok; b, ok = arg.(*ast.BinaryExpr) {
				arg = b.X
			}
			if lit, ok := arg.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				s, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				found++
				if m := in.prefix.FindString(s); m != "" {
					t.Errorf("%s: the error %q begins with an internal package", set.Position(lit.Pos()), s)
				} else if m := in.mention(s); m != "" {
					t.Errorf("%s: the error %q names %s", set.Position(lit.Pos()), s, m)
				}
			}
			return true
		})
	})
	if found < 500 {
		t.Errorf("found %d errors: these cannot be all", found)
	}
}

// TestPublicDocsNameNoInternalPackage: the documentation of exported declarations of public
// packages names only what its readers can look up.
func TestPublicDocsNameNoInternalPackage(t *testing.T) {
	in, packages, found := internalPackages(t), public(t), 0
	for _, s := range sources(t) {
		if s.test || !slices.Contains(packages, s.dir) {
			continue
		}
		check := func(groups ...*ast.CommentGroup) {
			for _, g := range groups {
				if g == nil {
					continue
				}
				found++
				if m := in.mention(g.Text()); m != "" {
					t.Errorf("%s: documentation names %s", s.set.Position(g.Pos()), m)
				}
			}
		}
		check(s.file.Doc)
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) {
					check(d.Doc)
				}
			case *ast.GenDecl:
				if slices.ContainsFunc(declaredNames(d), ast.IsExported) {
					check(d.Doc)
				}
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						if slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported) {
							check(spec.Doc, spec.Comment)
						}
					case *ast.TypeSpec:
						if !spec.Name.IsExported() {
							continue
						}
						check(spec.Doc, spec.Comment)
						ast.Inspect(spec.Type, func(n ast.Node) bool {
							if f, ok := n.(*ast.Field); ok && (len(f.Names) == 0 || slices.ContainsFunc(f.Names, (*ast.Ident).IsExported)) {
								check(f.Doc, f.Comment)
							}
							return true
						})
					}
				}
			}
		}
	}
	if found < 800 {
		t.Errorf("found %d comments: these cannot be all", found)
	}
}

// TestProgramsNameNoInternalPackage: no text of a program, and no document for its users, names an
// internal package. docs/LIMITS.md names the owner of each number, in a column for readers of the
// code.
func TestProgramsNameNoInternalPackage(t *testing.T) {
	in, found := internalPackages(t), 0
	for _, s := range sources(t) {
		if s.test || !strings.HasPrefix(s.dir, "cmd/") && s.dir != "internal/cli" {
			continue
		}
		imports := make(map[*ast.BasicLit]bool)
		for _, i := range s.file.Imports {
			imports[i.Path] = true
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING || imports[lit] {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			found++
			if m := in.mention(text); m != "" {
				t.Errorf("%s: a text of the program names %s", s.set.Position(lit.Pos()), m)
			}
			return true
		})
	}
	if found < 3000 {
		t.Errorf("found %d texts: these cannot be all", found)
	}
	documents := []string{"README.md", "docs/OPERATING.md", "docs/TOOL.md", "docs/LOADGEN.md", "docs/TOPICS.md", "docs/UPGRADING.md"}
	seen := 0
	files(t, func(path string, text []byte) {
		if !slices.Contains(documents, path) && !strings.HasPrefix(path, "deploy/") {
			return
		}
		if slices.Contains(documents, path) {
			seen++
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := in.mention(line); m != "" {
				t.Errorf("%s:%d: names %s", path, i+1, m)
			}
		}
	})
	if seen != len(documents) {
		t.Errorf("found %d of %d documents", seen, len(documents))
	}
}

func TestInternalMention(t *testing.T) {
	in := internals{exported: map[string]map[string]bool{"engine": {"MaxVotes": true, "seed": false}}}
	for _, tc := range []struct{ text, want string }{
		{"at most engine.MaxVotes votes", "engine.MaxVotes"},
		{"see internal/engine for more", "internal/engine"},
		{"the engine. Maximum", ""},
		{"engine.Unknown", ""},
		{"go test ./internal/session", ""},
		{"the game engine: MaxVotes", ""},
		{"codec.MaxPacketSize", ""},
	} {
		t.Run(tc.text, func(t *testing.T) {
			if got := in.mention(tc.text); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
