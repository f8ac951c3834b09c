package dnsdisc

import (
	"context"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// A parsed text encodes to the same text, so no two texts have the same meaning.

func FuzzParseLink(f *testing.F) {
	f.Add(exampleLink)
	f.Add(LinkPrefix + "@a")
	f.Add(exampleLink + ".")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLink(s)
		if err == nil && l.String() != s {
			t.Fatalf("%q comes back as %q", s, l)
		}
		if err != nil && l != (Link{}) {
			t.Fatalf("%v, and %+v", err, l)
		}
		if err == nil && len(l.Domain) > maxDomain {
			t.Fatalf("domain of %d characters", len(l.Domain))
		}
	})
}

func FuzzParseRoot(f *testing.F) {
	root := example(f)[""]
	f.Add(root)
	f.Add(strings.Replace(root, "seq=1", "seq=18446744073709551615", 1))
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRoot(s)
		if err == nil && (r.String() != s || !strings.HasPrefix(s, r.signed()+" sig=")) {
			t.Fatalf("%q comes back as %q", s, r)
		}
		if err != nil && r != (Root{}) {
			t.Fatalf("%v, and %+v", err, r)
		}
		if err == nil {
			r.Verify((*[33]byte)(r.Signature[:])) // any key; most are invalid
		}
	})
}

func FuzzParseBranch(f *testing.F) {
	f.Add(branchPrefix)
	f.Add(example(f)["JWXYDBPXYWG6FX3GMDIBFA6CJ4"])
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseBranch(s)
		if err == nil && branchPrefix+strings.Join(list, ",") != s {
			t.Fatalf("%q is taken for %q", s, list)
		}
		for _, h := range list {
			if len(h) < sameHash {
				t.Fatalf("hash %q", h)
			}
			hasHash(s, h)
		}
	})
}

func FuzzEntry(f *testing.F) {
	for label, text := range example(f) {
		f.Add(text, label, true)
		f.Add(text, label, false)
	}
	f.Fuzz(func(t *testing.T, s, other string, links bool) {
		in := recordsSubtree
		if links {
			in = linksSubtree
		}
		e, text, err := chooseEntry([]string{other, s}, HashOf(s), in)
		if err != nil {
			return
		}
		if text != s {
			t.Fatalf("%q was taken for what hashes to %s", text, HashOf(s))
		}
		var back string
		switch {
		case e.record != nil:
			back = e.record.String()
		case e.link != nil:
			back = e.link.String()
		default:
			back = branchPrefix + strings.Join(e.children, ",")
		}
		if back != s || (e.record != nil) && links || (e.link != nil) && !links {
			t.Fatalf("%q is taken for %q", s, back)
		}
	})
}

// FuzzWalk reads trees through a lying resolver: the input selects the answer for each name. The
// walk yields only entries that the owners signed, and it ends. Answers do not depend on the order
// of queries, which is random.
func FuzzWalk(f *testing.F) {
	list := records(f, 20)
	low, next := make1(f, 1001, "b.example.org", 1, list[15:])
	tree, link := make1(f, 1000, domain, 5, list[:15], next)
	old, _ := make1(f, 1000, domain, 4, list[:3])
	foreign, _ := make1(f, 1002, domain, 9, records(f, 25)[20:])
	right := map[string]string{}
	var texts []string
	for _, m := range []struct {
		at   string
		tree map[string]string
	}{{domain, tree}, {"b.example.org", low}, {"", old}, {"", foreign}} {
		for label, s := range m.tree {
			texts = append(texts, s)
			if m.at != "" {
				right[strings.TrimPrefix(label+"."+m.at+".", ".")] = s
			}
		}
	}
	slices.Sort(texts)
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 1, 40, 2, 50, 3, 4, 5, 60, 6, 7})
	f.Add([]byte{6, 6, 6, 6, 6, 6})
	f.Fuzz(func(t *testing.T, script []byte) {
		var queries atomic.Int32
		c := &Client{Limits: Limits{Rate: -1, Requests: 200, Entries: 100}, Resolver: resolverFunc(func(_ context.Context, name string) ([]string, error) {
			queries.Add(1)
			answer, at := right[name], crc32.ChecksumIEEE([]byte(name))
			if len(script) < 2 {
				return []string{answer}, nil
			}
			op, n := script[at%uint32(len(script))], int(script[at/7%uint32(len(script))])
			switch op % 8 {
			case 1: // another text of a tree
				return []string{texts[n%len(texts)]}, nil
			case 2: // a changed character
				b := []byte(answer + " ")
				b[n%len(b)] ^= op | 1
				return []string{string(b)}, nil
			case 3:
				return nil, errors.New("refused")
			case 4:
				return []string{"v=spf1", texts[n%len(texts)], answer}, nil
			case 5:
				return []string{answer[:n%(len(answer)+1)]}, nil
			case 6: // an older root, entries of another tree
				if name == domain+"." {
					return []string{old[""], foreign[""]}, nil
				}
				return []string{foreign[strings.TrimSuffix(name, "."+domain+".")]}, nil
			case 7:
				return nil, nil
			}
			return []string{answer}, nil
		})}
		c.Remember(link, 5)
		got, err := c.Resolve(t.Context(), link.String())
		for _, r := range got {
			if !slices.ContainsFunc(list, func(g *enr.Record) bool { return g.ID() == r.ID() }) {
				t.Fatalf("record of a node that is in neither tree")
			}
		}
		if queries.Load() > 200 {
			t.Fatalf("%d queries", queries.Load())
		}
		if err == nil && len(got) != len(list) {
			t.Fatalf("%d of %d records, and no error", len(got), len(list))
		}
		if err != nil {
			for _, e := range err.(*Errors).List {
				if e.Name == "" || e.Err == nil || strings.Contains(e.Error(), "\n") {
					t.Fatalf("%+v", e)
				}
			}
		}
	})
}
