package diff

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	gethdns "github.com/ethereum/go-ethereum/p2p/dnsdisc"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"golang.org/x/crypto/sha3"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

const domain = "n.example.org"

// zone is a resolver: texts by name.
type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if text, ok := z[strings.TrimSuffix(name, ".")]; ok {
		return []string{text}, nil
	}
	return nil, errors.New("no such name")
}

// readOurs reads a tree, without the trees that it links to.
func readOurs(z zone) (records []*enr.Record, links []string, err error) {
	link, err := dnsdisc.LinkOf(key, domain)
	if err != nil {
		return nil, nil, err
	}
	c := &dnsdisc.Client{Resolver: z, Limits: dnsdisc.Limits{Rate: -1, LinkDepth: -1, Concurrency: 1}}
	for f, e := range c.Walk(context.Background(), link.String()) {
		switch {
		case e != nil && err == nil:
			err = e
		case f.Record != nil:
			records = append(records, f.Record)
		case f.Link != nil:
			links = append(links, f.Link.String())
		}
	}
	return records, links, err
}

func readTheirs(z zone) (*gethdns.Tree, error) {
	link, err := dnsdisc.LinkOf(key, domain)
	if err != nil {
		return nil, err
	}
	return gethdns.NewClient(gethdns.Config{Resolver: z, RateLimit: 1e9}).SyncTree(link.String())
}

// newZone returns a zone with a root and the given tops of the two subtrees.
func newZone(records, links string) zone {
	z := zone{dnsdisc.HashOf(records) + "." + domain: records, dnsdisc.HashOf(links) + "." + domain: links}
	z[domain] = signRoot("enrtree-root:v1 e=" + dnsdisc.HashOf(records) + " l=" + dnsdisc.HashOf(links) + " seq=1")
	return z
}

func signRoot(text string) string {
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte(text))
	scalar := key.Bytes()
	sig, err := curve.SignRecoverable(&scalar, (*[32]byte)(h.Sum(nil)))
	if err != nil {
		panic(err)
	}
	return text + " sig=" + base64.RawURLEncoding.EncodeToString(sig[:])
}

const emptyBranch = "enrtree-branch:"

// zoneOf puts a text at the place that the first byte selects: 0 the top of the records, 1 the top
// of the links, 2 the signed part of the root, 3 a branch above entries that the branch names.
func zoneOf(b []byte) zone {
	if len(b) == 0 {
		b = []byte{0}
	}
	text := string(b[1:])
	switch b[0] % 4 {
	case 0:
		return newZone(text, emptyBranch)
	case 1:
		return newZone(emptyBranch, text)
	case 2:
		z := newZone(emptyBranch, emptyBranch)
		z[domain] = signRoot(text)
		return z
	}
	z := newZone(text, emptyBranch)
	for _, h := range strings.Split(strings.TrimPrefix(text, emptyBranch), ",") {
		for _, r := range pool() {
			if sum := keccak(r.String()); strings.HasPrefix(base32.StdEncoding.EncodeToString(sum), h) {
				z[h+"."+domain] = r.String()
			}
		}
	}
	return z
}

func keccak(s string) []byte {
	h := sha3.NewLegacyKeccak256()
	h.Write([]byte(s))
	return h.Sum(nil)
}

func treeVerdict(b []byte) (ours, theirs error) {
	_, _, ours = readOurs(zoneOf(b))
	_, theirs = readTheirs(zoneOf(b))
	return ours, theirs
}

// pool returns records of different nodes.
var pool = sync.OnceValue(func() (list []*enr.Record) {
	for i := range 40 {
		k := mustKey(fmt.Sprintf("%064x", i+1))
		r, err := enr.NewBuilder().SetUDP(uint16(i + 1)).Sign(k)
		if err != nil {
			panic(err)
		}
		list = append(list, r)
	}
	return list
})

// FuzzTree reads a text at some place of a tree with both. If count is not 0, it also makes a tree
// of some records and links with both.
func FuzzTree(f *testing.F) {
	r := pool()[0].String()
	f.Add([]byte("\x00"+r), byte(0), uint64(1))
	f.Add([]byte("\x01enrtree://AM5FCQLWIZX2QFPNJAP7VUERCCRNGRHWZG3YYHIUV7BVDQ5FDPRT2@more.example.org"), byte(14), uint64(2))
	empty := dnsdisc.HashOf(emptyBranch)
	f.Add([]byte("\x02enrtree-root:v1 e="+empty+" l="+empty+" seq=18446744073709551615"), byte(40), uint64(3))
	f.Add([]byte("\x03"+emptyBranch+dnsdisc.HashOf(r)+","+dnsdisc.HashOf(pool()[1].String())), byte(1), uint64(1<<63))
	f.Add([]byte("\x03"+emptyBranch+dnsdisc.HashOf(r)[:24]+","+base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(keccak(r))), byte(13), uint64(0))
	for _, d := range differences {
		if d.target == "tree" {
			f.Add([]byte(d.sample), byte(0), uint64(0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, count byte, seq uint64) {
		if agree(t, "tree", b) {
			compareTrees(t, zoneOf(b))
		}
		if count > 0 {
			compareTrees(t, makeBoth(t, int(count)%(len(pool())+1), int(count)/41, seq))
		}
	})
}

// compareTrees compares the results of both for a tree that both accept.
func compareTrees(t *testing.T, z zone) {
	records, links, err := readOurs(z)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := readTheirs(z)
	if err != nil {
		t.Fatal(err)
	}
	var ours, theirs []string
	for _, r := range records {
		ours = append(ours, r.String())
	}
	for _, n := range tree.Nodes() {
		theirs = append(theirs, n.String())
	}
	for _, l := range [][]string{ours, theirs, links} {
		slices.Sort(l)
	}
	// Theirs counts an entry once for each of its names.
	ours, theirs = slices.Compact(ours), slices.Compact(theirs)
	their := tree.Links()
	slices.Sort(their)
	if !slices.Equal(ours, theirs) || !slices.Equal(slices.Compact(links), slices.Compact(their)) {
		t.Fatalf("records %q and links %q, theirs %q and %q", ours, links, theirs, their)
	}
}

// makeBoth makes the same tree with both, whose texts must be equal.
func makeBoth(t *testing.T, records, links int, seq uint64) zone {
	list := pool()[:records]
	var nodes []*enode.Node
	var linked []dnsdisc.Link
	var urls []string
	for _, r := range list {
		n, err := gethRecord(r.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	for i := range links {
		l, err := dnsdisc.LinkOf(key, fmt.Sprintf("l%d.example.org", i))
		if err != nil {
			t.Fatal(err)
		}
		linked, urls = append(linked, l), append(urls, l.String())
	}
	ours, err := dnsdisc.Make(list, linked, key, seq)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := gethdns.MakeTree(uint(seq), nodes, urls)
	if err != nil {
		t.Fatal(err)
	}
	scalar := key.Bytes()
	theirKey, err := crypto.ToECDSA(scalar[:])
	if err != nil {
		t.Fatal(err)
	}
	url, err := tree.Sign(theirKey, domain)
	if link, _ := dnsdisc.LinkOf(key, domain); err != nil || url != link.String() {
		t.Fatalf("%s, theirs %s, %v", link, url, err)
	}
	z := zone{}
	for label, text := range ours {
		z[strings.TrimPrefix(label+"."+domain, ".")] = text
	}
	if theirs := tree.ToTXT(domain); !maps.Equal(z, zone(theirs)) {
		t.Fatalf("%v, theirs %v", z, theirs)
	}
	return z
}
