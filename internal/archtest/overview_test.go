package archtest

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOverview: the overview of the root package lists every method of a Node by purpose, names no
// method that does not exist, and each purpose has an example.
func TestOverview(t *testing.T) {
	var doc string
	methods, named, examples := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.dir != "." && s.dir != "nodestore" {
			continue
		}
		if s.path == "doc.go" {
			doc = s.file.Doc.Text()
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			switch {
			case !ok:
			case s.test && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example"):
				examples[s.dir+":"+f.Name.Name] = true
			case !s.test && f.Recv != nil && s.dir == "." && f.Name.IsExported():
				if p, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
					if id, ok := p.X.(*ast.Ident); ok && id.Name == "Node" {
						methods[f.Name.Name] = true
					}
				}
			}
		}
	}
	_, list, _ := strings.Cut(doc, "# What a program does with a node\n")
	list, _, ok := strings.Cut(list, "\n# ")
	if !ok || len(methods) < 50 {
		t.Fatalf("%d methods, and an overview of %d bytes: this cannot be all", len(methods), len(list))
	}
	purposes := strings.Split(list, "\n  - ")[1:]
	for _, purpose := range purposes {
		title, _, _ := strings.Cut(purpose, ":")
		found := strings.Contains(purpose, "package nodestore") && examples["nodestore:Example"]
		for _, m := range regexp.MustCompile(`\[(Node\.)?(\w+)\]`).FindAllStringSubmatch(purpose, -1) {
			example := ".:Example" + strings.ReplaceAll(m[1], ".", "_") + m[2]
			found = found || examples[example] || examples[strings.Replace(example, "New", "", 1)]
			if m[1] != "" {
				if !methods[m[2]] {
					t.Errorf("doc.go: %q names %s, which is no method of a Node", title, m[2])
				}
				named[m[2]] = true
			}
		}
		if !found {
			t.Errorf("doc.go: no example for %q", title)
		}
	}
	var missing []string
	for m := range methods {
		if !named[m] {
			missing = append(missing, m)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("the overview in doc.go does not list %q", missing)
	}
}
