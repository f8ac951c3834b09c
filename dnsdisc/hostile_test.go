package dnsdisc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/dnstest"
)

// TestBadEntries: bad entries are left out and reported as their own errors; the good ones are
// used.
func TestBadEntries(t *testing.T) {
	good, bad := record(t, 1, 1).String(), record(t, 2, 1).String()
	broken := bad[:50] + "A" + bad[51:]
	long := branchPrefix + strings.Repeat(HashOf("x")+",", 60) + HashOf("x")
	for _, c := range []struct {
		name string
		text string // an entry beside the good record
		want error
	}{
		{"signature", broken, enr.ErrBadSignature},
		{"base64", good + "!", enr.ErrText},
		{"link among records", exampleLink, ErrMisplaced},
		{"unknown", "hello", ErrEntry},
		{"branch with garbage", branchPrefix + "not-base32", ErrBranch},
		{"branch in lower case", branchPrefix + strings.ToLower(HashOf(good)), ErrBranch},
		{"too long", long, ErrTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := dnstest.Start(t)
			tree, l := handmade(t, 1000, branch(good, c.text), branchPrefix, good, c.text)
			s.Tree(domain, tree)
			if got := resolve(t, fast(s), l, c.want); len(got) != 1 || got[0].String() != good {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestMisplacedRecord(t *testing.T) {
	s := dnstest.Start(t)
	good, other := record(t, 1, 1).String(), record(t, 2, 1).String()
	tree, l := handmade(t, 1000, good, other)
	s.Tree(domain, tree)
	if got := resolve(t, fast(s), l, ErrMisplaced); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// TestWrongHash: the text at a name does not have the hash, or there is none. The error contains
// name and text.
func TestWrongHash(t *testing.T) {
	s := dnstest.Start(t)
	list := records(t, 3)
	tree, l := make1(t, 1000, domain, 1, list)
	s.Tree(domain, tree)
	name := HashOf(list[0].String()) + "." + domain
	c := fast(s)

	s.Text(name, list[1].String())
	if got := resolve(t, c, l, ErrHash); len(got) != 2 {
		t.Errorf("%v", got)
	}
	_, err := c.Resolve(t.Context(), l.String())
	if e := err.(*Errors).List[0]; e.Name != name || e.Text != list[1].String() || e.Tree != l {
		t.Errorf("%+v", e)
	}
	if want := "dnsdisc: " + name + `: "enr:`; !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	// The right text is found among others.
	s.Text(name, "v=spf1 -all", list[1].String(), list[0].String())
	if got := resolve(t, c, l); len(got) != 3 {
		t.Errorf("%v", got)
	}
	s.Text(name, "v=spf1 -all")
	if got := resolve(t, c, l, ErrNoEntry); len(got) != 2 {
		t.Errorf("%v", got)
	}
	s.Text(name)
	_, err = c.Resolve(t.Context(), l.String())
	if want := "dnsdisc: " + name + ": no such host"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
	s.Text(name, strings.Repeat("a", MaxText+1), strings.Repeat("b", 20000)) // which takes TCP
	if got := resolve(t, c, l, ErrTooLong); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestRoots(t *testing.T) {
	s := dnstest.Start(t)
	list := records(t, 2)
	tree, l := make1(t, 1000, domain, 5, list)
	s.Tree(domain, tree)
	foreign, _ := make1(t, 1001, domain, 9, list)
	old, _ := make1(t, 1000, domain, 4, list[:1])
	c := fast(s)
	for _, r := range []struct {
		texts []string
		want  []error
		n     int
	}{
		{[]string{"v=spf1 -all", tree[""]}, nil, 2},
		{[]string{foreign[""], tree[""]}, nil, 2}, // a root of somebody else
		{[]string{foreign[""]}, []error{ErrSignature}, 0},
		{[]string{old[""], tree[""]}, nil, 2}, // the newer one counts
		{[]string{tree[""], old[""]}, nil, 2},
		{[]string{old[""]}, []error{ErrSeq}, 0}, // which would have been good before
		{[]string{"v=spf1 -all"}, []error{ErrNoRoot}, 0},
		{[]string{tree[""] + " "}, []error{ErrRoot}, 0},
		{[]string{rootPrefix}, []error{ErrRoot}, 0},
		{[]string{tree[""]}, nil, 2}, // the same one again
	} {
		s.Text(domain, r.texts...)
		if got := resolve(t, c, l, r.want...); len(got) != r.n {
			t.Errorf("%q: %d records", r.texts, len(got))
		}
	}
	other := l
	other.Domain = strings.ToUpper(other.Domain)
	if seq, ok := c.Seq(other); !ok || seq != 5 {
		t.Errorf("case matters: %d", seq)
	}
	fresh := fast(s)
	fresh.Remember(other, 6)
	fresh.Remember(l, 2)
	resolve(t, fresh, l, ErrSeq)
}

// Links lead to further trees, whatever is wrong with one of them.
func TestLinks(t *testing.T) {
	s := dnstest.Start(t)
	list := records(t, 4)
	dead, _ := LinkOf(newKey(t, 1009), "dead.example.org")
	c, lc := make1(t, 1003, "c.example.org", 1, list[2:])
	b, lb := make1(t, 1002, "b.example.org", 1, list[1:2], lc, dead)
	a, la := make1(t, 1001, "a.example.org", 1, list[:1], lb)
	s.Tree("a.example.org", a)
	s.Tree("b.example.org", b)
	s.Tree("c.example.org", c)
	got, err := fast(s).Resolve(t.Context(), la.String())
	if len(got) != 4 || err == nil || !strings.HasPrefix(err.Error(), "dnsdisc: dead.example.org: no such host") {
		t.Errorf("%d records, %v", len(got), err)
	}
	// A newer record of the same node in another tree wins.
	s2 := dnstest.Start(t)
	b, lb = make1(t, 1002, "b.example.org", 1, []*enr.Record{record(t, 0, 7)})
	a, la = make1(t, 1001, "a.example.org", 1, list[:1], lb)
	s2.Tree("a.example.org", a)
	s2.Tree("b.example.org", b)
	if got := resolve(t, fast(s2), la); len(got) != 1 || got[0].Seq() != 7 {
		t.Errorf("%v", got)
	}
}

func TestLinkCycle(t *testing.T) {
	s := dnstest.Start(t)
	list := records(t, 2)
	// Trees that link to each other and to themselves, also in capital letters.
	_, la := make1(t, 1001, "a.example.org", 1, nil)
	_, lb := make1(t, 1002, "b.example.org", 1, nil)
	loud := la
	loud.Domain = strings.ToUpper(la.Domain)
	a, _ := make1(t, 1001, "a.example.org", 1, list[:1], la, lb, loud)
	b, _ := make1(t, 1002, "b.example.org", 1, list[1:], la, lb)
	s.Tree("a.example.org", a)
	s.Tree("b.example.org", b)
	if got := resolve(t, fast(s), la); len(got) != 2 {
		t.Errorf("%d records", len(got))
	}
	seen := map[string]bool{}
	for _, q := range s.Queries() {
		if seen[q] {
			t.Errorf("%s was asked for twice", q)
		}
		seen[q] = true
	}
}

func TestLinkLimits(t *testing.T) {
	s := dnstest.Start(t)
	const n = 9
	var next []Link
	var first Link
	for i := n - 1; i >= 0; i-- { // each tree links to the next one
		at := fmt.Sprintf("t%d.example.org", i)
		tree, l := make1(t, 1000+i, at, 1, []*enr.Record{record(t, i, 1)}, next...)
		s.Tree(at, tree)
		next, first = []Link{l}, l
	}
	for _, c := range []struct {
		limits Limits
		want   []error
		n      int
	}{
		{Limits{}, []error{ErrLinkDepth}, 5},
		{Limits{LinkDepth: 100}, nil, n},
		{Limits{LinkDepth: 1}, []error{ErrLinkDepth}, 2},
		{Limits{LinkDepth: -1}, nil, 1},
		{Limits{LinkDepth: 100, Trees: 3}, []error{ErrTrees}, 3},
	} {
		c.limits.Rate = -1
		if got := resolve(t, &Client{Resolver: s.Resolver(), Limits: c.limits}, first, c.want...); len(got) != c.n {
			t.Errorf("%+v: %d records, want %d", c.limits, len(got), c.n)
		}
	}
}

// Entries that hang on many branches, and branches that list an entry many times, are asked for
// once.
func TestDuplicates(t *testing.T) {
	s := dnstest.Start(t)
	good := record(t, 1, 1).String()
	low := branch(good, good, good)
	top := branch(low, low, good, low)
	sum := keccak256(good)
	// known by other names
	top += "," + base32Encoding.EncodeToString(sum[:minHash]) + "," + base32Encoding.EncodeToString(sum[:])
	tree, l := handmade(t, 1000, top, branchPrefix, low, good)
	s.Tree(domain, tree)
	if got := resolve(t, fast(s), l); len(got) != 1 || len(s.Queries()) != 5 {
		t.Errorf("%d records, %d queries: %q", len(got), len(s.Queries()), s.Queries())
	}
}

// TestFanOut: the limits bound the cost of an endless tree, in which each branch lists 27 new ones.
func TestFanOut(t *testing.T) {
	s := dnstest.Start(t)
	// From the bottom up: five levels, the branches of each shared by nothing.
	level := []string{}
	for i := range 700 {
		level = append(level, branchPrefix+HashOf(fmt.Sprint("nothing ", i)))
	}
	all := level
	for len(level) > 1 {
		var above []string
		for i := 0; i < len(level); i += 27 {
			above = append(above, branch(level[i:min(i+27, len(level))]...))
		}
		level = above
		all = append(all, above...)
	}
	tree, l := handmade(t, 1000, level[0], branchPrefix, all...)
	s.Tree(domain, tree)
	for _, c := range []struct {
		limits Limits
		want   error
		most   int
	}{
		{Limits{Requests: 100}, ErrRequests, 100},
		{Limits{Entries: 50}, ErrEntries, 51},
		{Limits{Depth: 1}, ErrDepth, 2 + 1 + 27},
	} {
		c.limits.Rate = -1
		before := len(s.Queries())
		_, err := (&Client{Resolver: s.Resolver(), Limits: c.limits}).Resolve(t.Context(), l.String())
		found := 0
		for _, e := range err.(*Errors).List {
			if e.Err == c.want {
				found++
			}
		}
		asked := len(s.Queries()) - before
		if found == 0 || c.want != ErrDepth && found != 1 || asked > c.most || asked < c.most/2 {
			t.Errorf("%+v: %d queries, %d times %v: %v", c.limits, asked, found, c.want, err)
		}
	}
}

// Branches above each other without end.
func TestDeepChain(t *testing.T) {
	s := dnstest.Start(t)
	good := record(t, 1, 1).String()
	text := good
	var all []string
	for range 40 {
		all = append(all, text)
		text = branch(text)
	}
	tree, l := handmade(t, 1000, text, branchPrefix, all...)
	s.Tree(domain, tree)
	if got := resolve(t, fast(s), l, ErrDepth); len(got) != 0 || len(s.Queries()) != 2+1+12 {
		t.Errorf("%d records, %d queries", len(got), len(s.Queries()))
	}
	c := fast(s)
	c.Limits.Depth = 40
	if got := resolve(t, c, l); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}
