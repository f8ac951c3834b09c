package dnsdisc

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/dnstest"
)

const domain = "nodes.example.org"

// exampleLink is the URL of the tree of dnsdisc.md, with the key that the document states in
// hexadecimal. The URL in the document has another key, which did not sign the example.
const exampleLink = "enrtree://AKPYQIUQIL7PSIACI32J7FGZW56E5FKHEFCCOFHILBIMW3M6LWXS2@nodes.example.org"

// example returns the tree of dnsdisc.md. The root has the empty label.
func example(t testing.TB) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/eip1459.txt")
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]string{}
	for line := range strings.Lines(string(b)) {
		label, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok && label != "#" {
			tree[strings.TrimPrefix(label, "@")] = text
		}
	}
	if len(tree) != 6 {
		t.Fatalf("%d entries", len(tree))
	}
	return tree
}

// newKey returns the i-th of many keys.
func newKey(t testing.TB, i int) *enr.PrivateKey {
	t.Helper()
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(i)+1)
	key, err := enr.GenerateKey(rand.NewChaCha8(seed))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// record returns the record of the i-th key.
func record(t testing.TB, i int, seq uint64) *enr.Record {
	t.Helper()
	r, err := enr.NewBuilder().SetSeq(seq).SetIP(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})).SetUDP(9000).Sign(newKey(t, i))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func records(t testing.TB, n int) (list []*enr.Record) {
	t.Helper()
	for i := range n {
		list = append(list, record(t, i, 1))
	}
	return list
}

// make1 returns a tree signed by the key with the given number, and its link.
func make1(t testing.TB, key int, at string, seq uint64, records []*enr.Record, links ...Link) (map[string]string, Link) {
	t.Helper()
	k := newKey(t, key)
	tree, err := Make(records, links, k, seq)
	if err != nil {
		t.Fatal(err)
	}
	link, err := LinkOf(k, at)
	if err != nil {
		t.Fatal(err)
	}
	return tree, link
}

// handmade returns a tree of any texts below the given tops of the two subtrees.
func handmade(t testing.TB, key int, top, links string, texts ...string) (map[string]string, Link) {
	t.Helper()
	tree := map[string]string{}
	for _, s := range append(texts, top, links) {
		tree[HashOf(s)] = s
	}
	return rooted(t, key, HashOf(top), HashOf(links), tree)
}

// rooted adds a root to a tree.
func rooted(t testing.TB, key int, top, links string, tree map[string]string) (map[string]string, Link) {
	t.Helper()
	k := newKey(t, key)
	root := Root{Records: top, Links: links, Seq: 1}
	if err := root.sign(k); err != nil {
		t.Fatal(err)
	}
	tree[""] = root.String()
	link, _ := LinkOf(k, domain)
	return tree, link
}

func branch(texts ...string) string {
	var list []string
	for _, s := range texts {
		list = append(list, HashOf(s))
	}
	return branchPrefix + strings.Join(list, ",")
}

// fast returns a client of s that does not wait.
func fast(s *dnstest.Server) *Client {
	return &Client{Resolver: s.Resolver(), Limits: Limits{Rate: -1}}
}

// ids returns the sorted node IDs of records.
func ids(list []*enr.Record) (ids []enr.ID) {
	for _, r := range list {
		ids = append(ids, r.ID())
	}
	slices.SortFunc(ids, func(a, b enr.ID) int { return slices.Compare(a[:], b[:]) })
	return ids
}

// resolve resolves and checks the errors: one for each wanted error, in any order.
func resolve(t *testing.T, c *Client, link Link, want ...error) []*enr.Record {
	t.Helper()
	list, err := c.Resolve(t.Context(), link.String())
	var got []*Error
	var errs *Errors
	if errors.As(err, &errs) {
		got = errs.List
	} else if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		i := slices.IndexFunc(got, func(e *Error) bool { return errors.Is(e, w) })
		if i < 0 {
			t.Errorf("no error %q among %v", w, err)
			continue
		}
		got = slices.Delete(slices.Clone(got), i, i+1)
	}
	for _, e := range got {
		t.Errorf("unexpected: %v", e)
	}
	return list
}
