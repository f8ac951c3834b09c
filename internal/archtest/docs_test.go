package archtest

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestDocs: every package and every exported name has a doc comment.
func TestDocs(t *testing.T) {
	documented := map[string]bool{}
	packages := map[string]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		packages[s.dir] = s.path
		documented[s.dir] = documented[s.dir] || text(s.file.Doc) != ""
		missing := func(name string, at token.Pos) {
			t.Errorf("%s: %s has no doc comment", s.set.Position(at), name)
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && text(d.Doc) == "" {
					missing(d.Name.Name, d.Pos())
				}
			case *ast.GenDecl:
				general(d, missing)
			}
		}
	}
	for dir, path := range packages {
		if !documented[dir] {
			t.Errorf("%s: package %s has no package comment", path, dir)
		}
	}
}

// general checks types, constants and variables. The comment of a group counts for its constants
// and variables, but not for types.
func general(d *ast.GenDecl, missing func(string, token.Pos)) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			if text(spec.Doc) == "" && (d.Lparen.IsValid() || text(d.Doc) == "") {
				missing(spec.Name.Name, spec.Pos())
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					if len(m.Names) > 0 && m.Names[0].IsExported() && text(m.Doc) == "" && text(m.Comment) == "" {
						missing(spec.Name.Name+"."+m.Names[0].Name, m.Pos())
					}
				}
			}
		case *ast.ValueSpec:
			for _, n := range spec.Names {
				if n.IsExported() && text(spec.Doc) == "" && text(spec.Comment) == "" && text(d.Doc) == "" {
					missing(n.Name, n.Pos())
				}
			}
		}
	}
}

// exportedReceiver returns false for methods of unexported types.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	name, ok := typ.(*ast.Ident)
	return ok && name.IsExported()
}

func text(c *ast.CommentGroup) string { return strings.TrimSpace(c.Text()) }
