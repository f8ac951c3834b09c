package archtest

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// public returns the directories of the packages that programs outside this module may import:
// those of this module except internal packages, programs and tests.
func public(t *testing.T) (list []string) {
	t.Helper()
	for _, s := range sources(t) {
		first, _, _ := strings.Cut(s.dir, "/")
		if s.test || s.file.Name.Name == "main" || slices.Contains([]string{"internal", "fuzz", "test"}, first) || slices.Contains(list, s.dir) {
			continue
		}
		list = append(list, s.dir)
	}
	for _, dir := range []string{".", "enr", "fastpath", "nodestore", "simnet", "topic"} {
		if !slices.Contains(list, dir) {
			t.Fatalf("public packages are %q: %q is missing", list, dir)
		}
	}
	return list
}

// Every type that the exported API of a public package names can be named by its users: a type of
// an internal package has an alias in a public one.
func TestPublicAPINamesNoInternalType(t *testing.T) {
	build.Default.CgoEnabled = false // the importer would run cgo for package net
	imp := importer.ForCompiler(token.NewFileSet(), "source", nil).(types.ImporterFrom)
	w := apiWalk{seen: make(map[types.Type]bool), aliased: make(map[*types.TypeName]bool)}
	var packages []*types.Package
	for _, dir := range public(t) {
		p, err := imp.ImportFrom(importPath(dir), root, 0)
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
		for _, name := range p.Scope().Names() {
			o, ok := p.Scope().Lookup(name).(*types.TypeName)
			if !ok || !o.Exported() || !o.IsAlias() {
				continue
			}
			if named, ok := types.Unalias(o.Type()).(*types.Named); ok {
				w.aliased[named.Origin().Obj()] = true
			}
		}
	}
	for _, p := range packages {
		for _, name := range p.Scope().Names() {
			if o := p.Scope().Lookup(name); o.Exported() {
				w.object(p.Name()+"."+name, o)
			}
		}
	}
	slices.Sort(w.leaks)
	for _, l := range slices.Compact(w.leaks) {
		t.Error(l)
	}
	if w.objects < 500 {
		t.Errorf("walked %d exported objects: this cannot be all", w.objects)
	}
}

func importPath(dir string) string {
	if dir == "." {
		return modulePath
	}
	return modulePath + "/" + dir
}

// apiWalk visits the exported parts of types.
type apiWalk struct {
	seen    map[types.Type]bool
	aliased map[*types.TypeName]bool // internal types that have a public name
	leaks   []string
	objects int
}

func (w *apiWalk) object(where string, o types.Object) {
	w.objects++
	if tn, ok := o.(*types.TypeName); ok && tn.IsAlias() {
		w.named(where, types.Unalias(tn.Type()))
		return
	}
	w.typ(where, o.Type())
}

// named visits a type that has a public name.
func (w *apiWalk) named(where string, t types.Type) {
	n, ok := t.(*types.Named)
	if !ok {
		w.typ(where, t)
		return
	}
	if w.seen[n] {
		return
	}
	w.seen[n] = true
	w.typ(where, n.Underlying())
	for m := range n.Methods() {
		if m.Exported() {
			w.object(where+"."+m.Name(), m)
		}
	}
}

// typ visits a type that the API mentions.
func (w *apiWalk) typ(where string, t types.Type) {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		for a := range t.TypeArgs().Types() {
			w.typ(where, a)
		}
		o := t.Obj()
		if o.Pkg() == nil || !strings.HasPrefix(o.Pkg().Path(), modulePath) {
			return
		}
		if strings.Contains(o.Pkg().Path(), "/internal/") && !w.aliased[t.Origin().Obj()] {
			w.leaks = append(w.leaks, fmt.Sprintf("%s names %s.%s, which has no public alias", where, o.Pkg().Name(), o.Name()))
			return
		}
		if o.Exported() {
			w.named(o.Pkg().Name()+"."+o.Name(), t)
		}
	case *types.Pointer:
		w.typ(where, t.Elem())
	case *types.Slice:
		w.typ(where, t.Elem())
	case *types.Array:
		w.typ(where, t.Elem())
	case *types.Chan:
		w.typ(where, t.Elem())
	case *types.Map:
		w.typ(where, t.Key())
		w.typ(where, t.Elem())
	case *types.Signature:
		for _, list := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range list.Variables() {
				w.typ(where, v.Type())
			}
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() {
				w.object(where+"."+f.Name(), f)
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			if m.Exported() {
				w.object(where+"."+m.Name(), m)
			}
		}
	}
}

// Exported declarations of public packages read without their internal imports: only the right-hand
// side of an alias, a constant or a variable may mention one.
func TestPublicDeclarationsMentionNoInternalPackage(t *testing.T) {
	found, packages := 0, public(t)
	for _, s := range sources(t) {
		if s.test || !slices.Contains(packages, s.dir) {
			continue
		}
		internal := make(map[string]bool)
		for _, i := range s.file.Imports {
			if path := strings.Trim(i.Path.Value, `"`); strings.HasPrefix(path, modulePath+"/internal/") {
				internal[path[strings.LastIndexByte(path, '/')+1:]] = true
			}
		}
		check := func(what string, n ast.Node) {
			_, isStruct := n.(*ast.StructType)
			ast.Inspect(n, func(n ast.Node) bool {
				if f, ok := n.(*ast.Field); ok && isStruct && len(f.Names) > 0 && !slices.ContainsFunc(f.Names, (*ast.Ident).IsExported) {
					return false
				}
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && internal[x.Name] {
						t.Errorf("%s: %s mentions %s.%s", s.set.Position(n.Pos()), what, x.Name, sel.Sel.Name)
					}
				}
				return true
			})
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) {
					found++
					check("func "+d.Name.Name, d.Type)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() && !ts.Assign.IsValid() {
						found++
						check("type "+ts.Name.Name, ts.Type)
					}
				}
			}
		}
	}
	if found < 300 {
		t.Errorf("checked %d declarations: this cannot be all", found)
	}
}

// The documentation of each public package says what its users can rely on.
func TestPublicPackagesStateStability(t *testing.T) {
	stated := make(map[string]bool)
	for _, s := range sources(t) {
		if !s.test && strings.Contains(s.file.Doc.Text(), "# Stability\n") {
			stated[s.dir] = true
		}
	}
	for _, dir := range public(t) {
		if !stated[dir] {
			t.Errorf("package %s: its documentation has no section about stability", dir)
		}
	}
}
