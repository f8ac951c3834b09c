package archtest

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	// limitRow matches a row of docs/LIMITS.md that names a constant. The groups are the limit and
	// the constant.
	limitRow = regexp.MustCompile("(?m)^\\| [^|]+ \\| ([^|]+) \\|(?:[^|]*\\|)? `([A-Za-z0-9_/]+)\\.([A-Za-z0-9]+)` \\|$")
	// limitValue matches the last number of a limit, with its unit.
	limitValue = regexp.MustCompile(`([0-9][0-9,]*)( (?:s|min|h|MiB|KiB))?$`)
)

// units are those of docs/LIMITS.md.
var units = map[string]int64{
	"": 1, "s": int64(time.Second), "min": int64(time.Minute), "h": int64(time.Hour), "KiB": 1 << 10, "MiB": 1 << 20,
}

// TestLimits compares the numbers of docs/LIMITS.md with the constants that it names.
func TestLimits(t *testing.T) {
	var doc string
	files(t, func(path string, text []byte) {
		if path == "docs/LIMITS.md" {
			doc = string(text)
		}
	})
	values := make(map[string]ast.Expr) // "dir.Name" to the value of the constant or variable
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST && g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if i < len(v.Values) {
						values[s.dir+"."+name.Name] = v.Values[i]
					}
				}
			}
		}
	}
	compared := 0
	for _, row := range limitRow.FindAllStringSubmatch(doc, -1) {
		limit, dir := row[1], row[2]
		if dir == "discv5" {
			dir = "."
		}
		name := dir + "." + row[3]
		expr, ok := values[name]
		if !ok {
			t.Errorf("docs/LIMITS.md names %s, which does not exist", name)
			continue
		}
		compared++
		if c, ok := expr.(*ast.CompositeLit); ok { // several numbers
			var list []string
			for _, e := range c.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					e = kv.Value
				}
				n, err := evaluate(values, dir, e)
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				list = append(list, strconv.FormatInt(n, 10))
			}
			if got := strings.Join(list, ", "); got != limit {
				t.Errorf("docs/LIMITS.md says %s for %s, which is %s", limit, name, got)
			}
			continue
		}
		got, err := evaluate(values, dir, expr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		value := limitValue.FindStringSubmatch(limit)
		if value == nil {
			t.Errorf("docs/LIMITS.md says %q for %s: no number", limit, name)
			continue
		}
		number, err := strconv.ParseInt(strings.ReplaceAll(value[1], ",", ""), 10, 64)
		if err != nil {
			t.Errorf("docs/LIMITS.md: %s: %v", name, err)
			continue
		}
		if want := number * units[strings.TrimSpace(value[2])]; got != want {
			t.Errorf("docs/LIMITS.md says %s for %s, which is %d", limit, name, got)
		}
	}
	named := len(regexp.MustCompile("(?m)[A-Za-z0-9]\\.[A-Za-z0-9]+` \\|$").FindAllString(doc, -1))
	if compared < 40 || compared != named {
		t.Errorf("compared %d limits of %d that name a constant", compared, named)
	}
}

// evaluate computes an integer or duration of literals, constants of this module and those of
// package time.
func evaluate(values map[string]ast.Expr, dir string, e ast.Expr) (int64, error) {
	v, err := constantOf(values, dir, e)
	if err != nil {
		return 0, err
	}
	n, ok := constant.Int64Val(constant.ToInt(v))
	if !ok {
		return 0, fmt.Errorf("%s is no integer", v)
	}
	return n, nil
}

func constantOf(values map[string]ast.Expr, dir string, e ast.Expr) (constant.Value, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), nil
	case *ast.ParenExpr:
		return constantOf(values, dir, e.X)
	case *ast.Ident:
		if v, ok := values[dir+"."+e.Name]; ok {
			return constantOf(values, dir, v)
		}
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		if !ok {
			break
		}
		if pkg.Name == "time" {
			d, ok := map[string]time.Duration{
				"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
			}[e.Sel.Name]
			if ok {
				return constant.MakeInt64(int64(d)), nil
			}
		}
		for name, v := range values {
			d, n := split2(name)
			if n == e.Sel.Name && path.Base(d) == pkg.Name {
				return constantOf(values, d, v)
			}
		}
	case *ast.BinaryExpr:
		x, err := constantOf(values, dir, e.X)
		if err != nil {
			return nil, err
		}
		y, err := constantOf(values, dir, e.Y)
		if err != nil {
			return nil, err
		}
		if e.Op == token.SHL || e.Op == token.SHR {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(n)), nil
		}
		return constant.BinaryOp(x, e.Op, y), nil
	}
	return nil, fmt.Errorf("cannot evaluate the constant")
}

// split2 splits "dir.Name".
func split2(name string) (dir, short string) {
	i := strings.LastIndexByte(name, '.')
	return name[:i], name[i+1:]
}

// TestEvaluate checks the forms of constants that TestLimits supports.
func TestEvaluate(t *testing.T) {
	values := make(map[string]ast.Expr)
	expression := func(text string) ast.Expr {
		e, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	values["a.size"] = expression("1 << 20")
	values["internal/b.Other"] = expression("3")
	for text, want := range map[string]int64{
		"7": 7, "16_384": 16384, "4 * size": 4 << 20, "(1<<32 - 1<<16)": 1<<32 - 1<<16, "5 * time.Minute": 300e9, "time.Hour": 3600e9,
		"b.Other + 1": 4, "f()": -1, "unknown": -1, "c.Other": -1,
	} {
		t.Run(text, func(t *testing.T) {
			got, err := evaluate(values, "a", expression(text))
			if (err != nil) != (want < 0) || want >= 0 && got != want {
				t.Errorf("%d, %v; want %d", got, err, want)
			}
		})
	}
}
