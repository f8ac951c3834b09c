package dnsdisc

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/dnstest"
)

// TestMakeResolve: trees of all shapes survive DNS, and each text fits.
func TestMakeResolve(t *testing.T) {
	s := dnstest.Start(t)
	for _, n := range []int{0, 1, 2, 13, 14, 27, 170} {
		tree, link := make1(t, 1000, domain, 5, records(t, n))
		s.Tree(domain, tree)
		c := fast(s)
		got := resolve(t, c, link)
		if !slices.Equal(ids(got), ids(records(t, n))) {
			t.Errorf("%d of %d records came back", len(got), n)
		}
		if seq, ok := c.Seq(link); seq != 5 || !ok {
			t.Errorf("sequence number %d", seq)
		}
		for label, text := range tree {
			if label != "" && HashOf(text) != label || len(text) > 420 || strings.HasPrefix(text, branchPrefix) && len(text) > 365 {
				t.Errorf("%s: %s", label, text)
			}
		}
		if q := s.Queries(); n == 170 && !slices.Contains(q, strings.ToLower(HashOf(record(t, 3, 1).String())+"."+domain)) {
			t.Error("the queries are not those of the tree")
		}
	}
}

func TestMakeDeterministic(t *testing.T) {
	list := records(t, 40)
	_, l1 := make1(t, 1001, "a.example.org", 1, nil)
	_, l2 := make1(t, 1002, "b.example.org", 1, nil)
	want, _ := make1(t, 1000, domain, 7, list, l1, l2)
	for range 3 {
		more := append(slices.Clone(list), list[3])
		rand.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
		if got, _ := make1(t, 1000, domain, 7, more, l2, l1, l2); !maps.Equal(got, want) {
			t.Fatal("another order, another tree")
		}
	}
	if got, _ := make1(t, 1000, domain, 8, list, l1, l2); got[""] == want[""] || len(got) != len(want) {
		t.Error("the sequence number does not matter")
	}
}

func TestMakeNewest(t *testing.T) {
	old, newer := record(t, 1, 3), record(t, 1, 4)
	for _, list := range [][]*enr.Record{{old, newer}, {newer, old}} {
		tree, _ := make1(t, 1000, domain, 1, list)
		if len(tree) != 3 || tree[HashOf(newer.String())] == "" { // root, record, empty branch
			t.Errorf("%v", tree)
		}
	}
}

func TestMakeBadLink(t *testing.T) {
	key := newKey(t, 1)
	good, _ := LinkOf(key, domain)
	for _, c := range []struct {
		link Link
		want error
	}{{Link{good.PublicKey, "a b"}, ErrDomain}, {Link{Domain: domain}, ErrPublicKey}} {
		if _, err := Make(nil, []Link{good, c.link}, key, 1); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "link 2") {
			t.Errorf("%v", err)
		}
	}
}
