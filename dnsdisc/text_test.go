package dnsdisc

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

func TestExample(t *testing.T) {
	tree := example(t)
	link, err := ParseLink(exampleLink)
	if err != nil {
		t.Fatal(err)
	}
	if link.Domain != domain || hex.EncodeToString(link.PublicKey[:]) != "029f88229042fef9200246f49f94d9b77c4e954721442714e85850cb6d9e5daf2d" {
		t.Errorf("%x at %s", link.PublicKey, link.Domain)
	}
	if link.String() != exampleLink {
		t.Errorf("comes back as %s", link)
	}
	root, err := ParseRoot(tree[""])
	if err != nil {
		t.Fatal(err)
	}
	if root.Records != "JWXYDBPXYWG6FX3GMDIBFA6CJ4" || root.Links != "C7HRFPF3BLGF3YR4DY5KX3SMBE" || root.Seq != 1 || root.Signature[64] != 0 {
		t.Errorf("%+v", root)
	}
	if root.String() != tree[""] {
		t.Errorf("comes back as %s", root)
	}
	if err := root.Verify(&link.PublicKey); err != nil {
		t.Error(err)
	}
	for label, text := range tree {
		if label != "" && (HashOf(text) != label || !hasHash(text, label)) {
			t.Errorf("%s has hash %s", label, HashOf(text))
		}
	}
	if list, err := ParseBranch(tree[root.Records]); err != nil || len(list) != 3 || list[2] != "MHTDO6TMUBRIA2XWG5LUDACK24" {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := ParseLink(tree[root.Links]); err != nil {
		t.Error(err)
	}
}

func TestParseLink(t *testing.T) {
	const key = "AKPYQIUQIL7PSIACI32J7FGZW56E5FKHEFCCOFHILBIMW3M6LWXS2"
	long := strings.Repeat(strings.Repeat("a", 62)+".", 4) + "z"
	for _, good := range []string{"a", "example.org", "EXAMPLE.org", "_dns.xn--bcher-kva.example", long, "1.2.3.4"} {
		l, err := ParseLink(LinkPrefix + key + "@" + good)
		if err != nil || l.Domain != good {
			t.Errorf("%s: %q, %v", good, l.Domain, err)
		}
		var m Link
		if b, _ := l.MarshalText(); m.UnmarshalText(b) != nil || m != l {
			t.Errorf("%s does not come back", b)
		}
	}
	for _, c := range []struct {
		in   string
		want error
	}{
		{"", ErrLink}, {"enrtree:", ErrLink}, {LinkPrefix, ErrLink}, {"ENRTREE://" + key + "@a", ErrLink},
		{LinkPrefix + key, ErrLink}, {LinkPrefix + "@a", ErrLink}, {LinkPrefix + key[:52] + "@a", ErrLink},
		{LinkPrefix + strings.ToLower(key) + "@a", ErrLink},
		{LinkPrefix + key[:52] + "3@a", ErrLink}, // an unused bit is set
		{LinkPrefix + key + "===@a", ErrLink}, {LinkPrefix + key[:9] + "\n" + key[9:] + "@a", ErrLink}, {LinkPrefix + key[:40] + "0" + key[41:] + "@a", ErrLink},
		{LinkPrefix + strings.Repeat("A", 53) + "@a", ErrPublicKey}, {LinkPrefix + "AQ" + key[2:] + "@a", ErrPublicKey},
		{LinkPrefix + key + "@", ErrDomain}, {LinkPrefix + key + "@a.", ErrDomain}, {LinkPrefix + key + "@.a", ErrDomain},
		{LinkPrefix + key + "@a..b", ErrDomain}, {LinkPrefix + key + "@a b", ErrDomain}, {LinkPrefix + key + "@a@b", ErrDomain},
		{LinkPrefix + key + "@a/b", ErrDomain}, {LinkPrefix + key + "@a\n", ErrDomain}, {LinkPrefix + key + "@bücher.example", ErrDomain},
		{LinkPrefix + key + "@-a", ErrDomain}, {LinkPrefix + key + "@a-", ErrDomain}, {LinkPrefix + key + "@" + long + "z", ErrDomain},
		{LinkPrefix + key + "@" + strings.Repeat("a", 64), ErrDomain},
	} {
		if l, err := ParseLink(c.in); err != c.want || l != (Link{}) {
			t.Errorf("%q: %v, want %v", c.in, err, c.want)
		}
	}
	if _, err := LinkOf(newKey(t, 1), "a b"); err != ErrDomain {
		t.Errorf("LinkOf: %v", err)
	}
	var l Link
	if err := l.UnmarshalText([]byte("x")); err != ErrLink || l != (Link{}) {
		t.Errorf("UnmarshalText: %v", err)
	}
}

func TestParseRoot(t *testing.T) {
	good := example(t)[""]
	const hash, sig = "JWXYDBPXYWG6FX3GMDIBFA6CJ4", " sig=o908WmNp7LibOfPsr4btQwatZJ5URBr2ZAuxvK4UWHlsB9sUOTJQaGAlLPVAhM__XJesCHxLISo94z5Z2a463gA"
	for _, in := range []string{
		strings.Replace(good, "seq=1", "seq=0", 1), strings.Replace(good, "seq=1", "seq=18446744073709551615", 1),
		strings.Replace(good, hash, strings.Repeat("A", 20), 1), strings.Replace(good, hash, strings.Repeat("A", 52), 1),
	} {
		if r, err := ParseRoot(in); err != nil || r.String() != in {
			t.Errorf("%s: %v", in, err)
		}
	}
	for _, in := range []string{
		"", rootPrefix, good[1:], good + " ", good + "\n", " " + good, strings.Replace(good, "v1", "v2", 1), strings.Replace(good, "v1", "v1 ", 1),
		strings.Replace(good, " l=", "  l=", 1), strings.Replace(good, " l=", "\tl=", 1), strings.Replace(good, "seq=1", "seq=01", 1),
		strings.Replace(good, "seq=1", "seq=+1", 1), strings.Replace(good, "seq=1", "seq=-1", 1), strings.Replace(good, "seq=1", "seq=", 1),
		strings.Replace(good, "seq=1", "seq=0x1", 1), strings.Replace(good, "seq=1", "seq=18446744073709551616", 1),
		strings.Replace(good, hash, hash[:19], 1), strings.Replace(good, hash, strings.Repeat("A", 18), 1), strings.Replace(good, hash, strings.Repeat("A", 54), 1),
		strings.Replace(good, hash, strings.ToLower(hash), 1), strings.Replace(good, hash, hash[:25]+"5", 1), strings.Replace(good, hash, "", 1),
		strings.Replace(good, sig, "", 1), strings.Replace(good, sig, " sig=", 1), good + "A", good + "==", good[:len(good)-1] + "B",
		strings.Replace(good, " e="+hash, " e="+hash+" e="+hash, 1), good + " x=1", strings.Replace(good, "_", "/", 1), good + strings.Repeat(" ", 1024),
	} {
		if r, err := ParseRoot(in); err != ErrRoot || r != (Root{}) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestRootVerify(t *testing.T) {
	link, _ := ParseLink(exampleLink)
	good, _ := ParseRoot(example(t)[""])
	for name, change := range map[string]func(*Root){
		"seq":     func(r *Root) { r.Seq++ },
		"hash":    func(r *Root) { r.Records, r.Links = r.Links, r.Records },
		"r":       func(r *Root) { r.Signature[0] ^= 1 },
		"s":       func(r *Root) { r.Signature[63] ^= 1 },
		"nothing": func(r *Root) { r.Signature = [65]byte{} },
	} {
		r := good
		change(&r)
		if err := r.Verify(&link.PublicKey); err != ErrSignature {
			t.Errorf("%s changed: %v", name, err)
		}
	}
	other := newKey(t, 1).PublicKey()
	if err := good.Verify(&other); err != ErrSignature {
		t.Errorf("other key: %v", err)
	}
}

func TestParseBranch(t *testing.T) {
	const h = "JWXYDBPXYWG6FX3GMDIBFA6CJ4"
	for in, n := range map[string]int{branchPrefix: 0, branchPrefix + h: 1, branchPrefix + h + "," + h: 2} {
		if list, err := ParseBranch(in); err != nil || len(list) != n {
			t.Errorf("%s: %v, %v", in, list, err)
		}
	}
	for _, in := range []string{
		"", "enrtree-branch", h, branchPrefix + ",", branchPrefix + h + ",", branchPrefix + "," + h, branchPrefix + h + ", " + h,
		branchPrefix + h + ",," + h, branchPrefix + " " + h, branchPrefix + strings.ToLower(h), branchPrefix + "JWXY", branchPrefix + h + "\n",
		branchPrefix + strings.Repeat("A", 22), branchPrefix + strings.Repeat(h+",", 40) + h,
	} {
		if list, err := ParseBranch(in); err != ErrBranch || list != nil {
			t.Errorf("%q: %v, %v", in, list, err)
		}
	}
}

func TestParseEntry(t *testing.T) {
	rec := record(t, 1, 1).String()
	for _, c := range []struct {
		in   string
		sub  subtree
		want error
	}{
		{rec, recordsSubtree, nil}, {rec, linksSubtree, ErrMisplaced}, {exampleLink, linksSubtree, nil}, {exampleLink, recordsSubtree, ErrMisplaced},
		{branchPrefix, recordsSubtree, nil}, {branchPrefix, linksSubtree, nil}, {branchPrefix + "x", linksSubtree, ErrBranch},
		{strings.TrimPrefix(rec, "enr:"), recordsSubtree, ErrEntry}, {"", recordsSubtree, ErrEntry}, {"v=spf1 -all", recordsSubtree, ErrEntry},
		{rec + "=", recordsSubtree, enr.ErrText}, {rec[:50] + "A" + rec[51:], recordsSubtree, enr.ErrBadSignature},
		{LinkPrefix + "x", linksSubtree, ErrLink}, {branchPrefix + strings.Repeat("A", MaxText), recordsSubtree, ErrTooLong},
	} {
		if _, err := parseEntry(c.in, c.sub); err != c.want {
			t.Errorf("%q: %v, want %v", c.in, err, c.want)
		}
	}
}
