package archtest

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

// sharedValues are numbers that several packages need. The owner states each once, and the others
// name it: the test finds constants and fields whose names match and that repeat the value.
var sharedValues = []struct {
	owner, names string
	value        int64
}{
	{"fastpath.DefaultBatch", `(?i)^(?:default|receive|core|echo)?batch(?:size)?$`, 64},
	{"fastpath.BusyRecvBuffer", `(?i)buffer$`, 4 << 20},
	{"fastpath.BusySendBuffer", `(?i)sendbuffer$`, 1 << 20},
	{"table.DefaultBucketSize", `(?i)^(?:default|search)?bucket(?:size)?$|^default_?k$|^max(?:nodes|records)$|^fewnodes$|peers$`, 16},
	{"enr.MaxSize", `(?i)record.*(?:size|bytes|length)|^maxsize$`, 300},
	{"codec.MaxPacketSize", `(?i)(?:packet|datagram|echo)size$|^maxsize$`, 1280},
	{"aead.ChallengeDataSize", `(?i)minpacket|^minsize$|whoareyou`, 63},
	{"session.DefaultMaxChallenges", `(?i)challenges$`, 1 << 16},
}

// repeats are constants of one name and value in several packages that state different things, or
// whose packages import nothing that could own them. The key is the name in lower case.
var repeats = map[string]string{
	"cacheline":     "aead and fastpath import nothing in common",
	"connqueue":     "simnet and internal/wiretest are separate networks",
	"idsize":        "limits and enr import nothing in common",
	"retrypause":    "of requests in geth, of replayed messages in internal/engine",
	"saveinterval":  "of a crawl in cmd/discv5, of the database in geth",
	"signaturesize": "codec lays out the fields of scheme v4 and does not know internal/curve",
}

// declared is a constant, or a field in a literal, with a number.
type declared struct {
	where, dir, name string
	value            int64
	field            bool
}

// numbers returns the constants and fields of all modules, without tests, whose values are written
// as numbers. It leaves out those that name another constant.
func numbers(t *testing.T) (list []declared) {
	files(t, func(file string, text []byte) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || file == "bench/internal/results/example.go" {
			return
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		dir, _ := split(file)
		add := func(name string, e ast.Expr, field bool) {
			v, err := constantOf(nil, dir, e)
			if err != nil {
				return
			}
			if n, ok := constant.Int64Val(constant.ToInt(v)); ok {
				list = append(list, declared{set.Position(e.Pos()).String(), dir, name, n, field})
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && n.Tok == token.CONST {
						for i := range min(len(v.Names), len(v.Values)) {
							add(v.Names[i].Name, v.Values[i], false)
						}
					}
				}
			case *ast.KeyValueExpr:
				if name, ok := n.Key.(*ast.Ident); ok {
					add(name.Name, n.Value, true)
				}
			}
			return true
		})
	})
	if len(list) < 500 {
		t.Fatalf("found %d numbers: these cannot be all", len(list))
	}
	return list
}

// TestValuesAreStatedOnce: a number that several packages need has one owner, and no two packages
// declare constants of one name and value.
func TestValuesAreStatedOnce(t *testing.T) {
	type key struct {
		name  string
		value int64
	}
	first := make(map[key]declared)
	for _, d := range numbers(t) {
		for _, s := range sharedValues {
			owner, name, _ := strings.Cut(s.owner, ".")
			own := path.Base(d.dir) == owner && d.name == name
			if d.value == s.value && !own && regexp.MustCompile(s.names).MatchString(d.name) {
				t.Errorf("%s: %s repeats %s", d.where, d.name, s.owner)
			}
		}
		// Small numbers and names of one word, such as size, are equal by accident.
		if d.field || d.value < 16 || len(d.name) < 6 {
			continue
		}
		k := key{strings.ToLower(d.name), d.value}
		f, ok := first[k]
		switch {
		case !ok:
			first[k] = d
		case f.dir != d.dir && repeats[k.name] == "":
			t.Errorf("%s: %s repeats the constant at %s: one of them must name the other", d.where, d.name, f.where)
		}
	}
}
