package main

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/dnstest"
)

const listDomain = "nodes.example.org"

// publish makes a list with the tool, serves it by DNS and returns its URL.
func publish(t testing.TB, s *dnstest.Server, domain string, args ...string) string {
	t.Helper()
	args = append([]string{"dns", "make", "--json", "--key", testKey, "--domain", domain, "--seq", "7"}, args...)
	r := try(t, args...)
	if r.code != cli.ExitOK {
		t.Fatalf("%v: %+v", args, r)
	}
	for _, o := range parseObjects(t, r.out) {
		s.Text(o["name"].(string), o["text"].(string))
	}
	return r.err[strings.LastIndex("\n"+strings.TrimSpace(r.err), "\n"):len(strings.TrimSpace(r.err))]
}

func TestDNSMake(t *testing.T) {
	t.Parallel()
	r := try(t, "dns", "make", "--key", testKey, "--domain", listDomain, "--seq", "7", goodRecord)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if r.code != cli.ExitOK || len(lines) != 3 || r.err != "enrtree://APFGGTFOBVE2ZNAB3CSMNNX6RRK3ODIRLP2AA5U4YFAA6MSYZUYTQ@nodes.example.org\n" {
		t.Fatalf("%+v", r)
	}
	entry := dnsdisc.HashOf(goodRecord) + "." + listDomain + `. 86400 IN TXT "` + goodRecord + `"`
	if !strings.HasPrefix(lines[0], listDomain+`. 60 IN TXT "enrtree-root:v1 e=`) || !slices.Contains(lines, entry) {
		t.Errorf("%s", r.out)
	}
	// A text of more than 255 bytes needs two strings, which the server joins.
	long := strings.TrimSpace(must(t, "enr", "make", "--key", testKey, "--set", "client:"+strings.Repeat("a", 150)))
	if out := must(t, "dns", "make", "--key", testKey, "--domain", listDomain, "--seq", "7", long); !strings.Contains(out, `"`+long[:255]+`" "`+long[255:]+`"`) {
		t.Errorf("%s", out)
	}
	// A nodes.json, a file and standard input give the same list.
	var texts []string
	for _, e := range readSet(t, filepath.Join("testdata", "nodes.json")) {
		texts = append(texts, e.Record)
	}
	args := []string{"dns", "make", "--key", testKey, "--domain", listDomain, "--seq", "1"}
	want := must(t, append(args, "@"+filepath.Join("testdata", "nodes.json"))...)
	if r := try(t, append(args, "@"+file(t, "none", "# none"))...); r.code != cli.ExitOK || !strings.HasPrefix(r.err, "discv5: the list has no nodes\n") {
		t.Errorf("an empty list: %+v", r)
	}
	if got := must(t, append(args, "@"+file(t, "list", strings.Join(texts, "\n")))...); got != want || strings.Count(got, "\n") != 6 {
		t.Errorf("%s\n%s", got, want)
	}
	if r := tryInput(t, strings.Join(texts, ","), append(args, "-")...); r.out != want {
		t.Errorf("%+v", r)
	}
}

func readText(t testing.TB, path string) string {
	t.Helper()
	b, err := readFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDNSResolve(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	second := publish(t, s, "more.example.org", "@"+filepath.Join("testdata", "nodes.json"))
	url := publish(t, s, listDomain, "--link", second, goodRecord)
	// goodRecord is in both lists.
	list := objects(t, "dns", "resolve", url, "--dns", s.Addr(), "--rate", "1000")
	if len(list) != 3 {
		t.Errorf("%d records: %v", len(list), list)
	}
	if out := must(t, "dns", "resolve", url, "--dns", s.Addr(), "--no-links"); out != goodRecord+"\n" {
		t.Errorf("%s", out)
	}
	if out := must(t, "dns", "resolve", second, "--dns", s.Addr(), "-n", "2"); strings.Count(out, "\n") != 2 {
		t.Errorf("%s", out)
	}
	// resolve reports the invalid entry and leaves it out.
	s.Text(dnsdisc.HashOf(goodRecord)+"."+listDomain, "enr:-abc")
	r := try(t, "dns", "resolve", url, "--dns", s.Addr())
	want := "discv5: dnsdisc: " + dnsdisc.HashOf(goodRecord) + "." + listDomain + `: "enr:-abc": entry does not match the hash in its name` + "\n"
	if r.code != cli.ExitOK || strings.Count(r.out, "\n") != 3 || r.err != want {
		t.Errorf("%+v", r)
	}
	if r := try(t, "dns", "resolve", url, "--dns", s.Addr(), "--no-links"); r.code != cli.ExitFailed || !strings.HasSuffix(r.err, "discv5: no record found\n") {
		t.Errorf("%+v", r)
	}
}

func TestDNSCheck(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	second := publish(t, s, "more.example.org", "@"+filepath.Join("testdata", "nodes.json"))
	url := publish(t, s, listDomain, "--link", second, goodRecord)
	list := objects(t, "dns", "check", url, "--dns", s.Addr())
	if len(list) != 3 || list[0]["seq"] != 7.0 || list[0]["records"] != 1.0 || list[0]["links"] != 1.0 || list[1]["records"] != 3.0 ||
		list[2]["event"] != "summary" || list[2]["nodes"] != 3.0 || list[2]["problems"] != 0.0 {
		t.Errorf("%v", list)
	}
	name := dnsdisc.HashOf(goodRecord) + "." + listDomain
	s.Text(name)
	r := try(t, "dns", "check", url, "--dns", s.Addr())
	if r.code != cli.ExitFailed || !strings.HasPrefix(r.out, "problem  "+name+": no such host") || !strings.HasSuffix(r.out, "summary  2 trees, 3 nodes, 1 problem\n") || r.err != "discv5: problems found: 1\n" {
		t.Errorf("%+v", r)
	}
}

// The same server resolves lists of bootnodes and host names.
func TestListedBootnodes(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	nodes := swarm(t, "127.0.0.1:0", 3)
	var records []string
	for _, n := range nodes {
		records = append(records, n.LocalRecord().String())
	}
	url := publish(t, s, listDomain, append(records, goodRecord)...) // the last one is not there
	list := objects(t, "lookup", "-W", hasty, "--bootnodes", url, "--dns", s.Addr())
	if len(list) != 3 {
		t.Errorf("%d nodes found", len(list))
	}
	path := filepath.Join(t.TempDir(), "nodes.json")
	if sum := objects(t, "crawl", path, "--request-timeout", hasty, "--bootnodes", url, "--dns", s.Addr())[0]; sum["answered"] != 3.0 {
		t.Errorf("%v", sum)
	}

	e, ok := nodes[0].LocalRecord().View().Enode()
	if !ok {
		t.Fatal("no enode URL")
	}
	e.Addr, e.Host = netip.Addr{}, "boot.example.org"
	s.Host(e.Host, netip.MustParseAddr("127.0.0.1"))
	must(t, "ping", "-c", "1", "-W", patient, "--dns", s.Addr(), e.String())
}

func TestListErrors(t *testing.T) {
	t.Parallel()
	s := dnstest.Start(t)
	bare := strings.TrimSpace(must(t, "enr", "make", "--key", testKey))
	empty, mute := publish(t, s, "empty.example.org", "@"+file(t, "none", "# none")), publish(t, s, "mute.example.org", bare)
	gone := strings.Replace(empty, "empty", "gone", 1)
	for _, c := range []struct {
		url, says string
		code      int
	}{
		{gone, "--bootnodes: node 1: dnsdisc: gone.example.org: no such host (" + s.Addr() + ")", cli.ExitFailed},
		{empty, "--bootnodes: node 1: the list is empty", cli.ExitFailed},
		{mute, "--bootnodes: node 1: no node of the list has a UDP address", cli.ExitFailed},
		{empty[:20] + "@x", "--bootnodes: node 1: dnsdisc: not of the form enrtree://", cli.ExitUsage},
	} {
		r := try(t, "lookup", "--dns", s.Addr(), "--bootnodes", c.url)
		if r.code != c.code {
			t.Errorf("%s: exit code %d", c.url, r.code)
		}
		checkLine(t, r, c.says)
	}
	if r := try(t, "dns", "resolve", empty, "--dns", s.Addr()); r.code != cli.ExitFailed || r.err != "discv5: the list is empty\n" {
		t.Errorf("%+v", r)
	}
	link, err := dnsdisc.LinkOf(mustKey(t), listDomain)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, says string }{
		{"ping " + link.String(), "argument 1: this is a list of nodes, not a node"},
		{"dns resolve x", "argument 1: dnsdisc: not of the form"},
		{"dns check " + link.String() + "/", "argument 1: dnsdisc: not a domain name"},
		{"dns resolve --dns nowhere " + link.String(), `--dns: "nowhere": want HOST:PORT`},
		{"dns resolve --dns a:0 " + link.String(), `--dns: "a:0": port`},
		{"dns resolve --rate 0 " + link.String(), "--rate 0"},
		{"lookup --dns :53 --bootnodes " + goodRecord, `--dns: ":53"`},
		{"dns make x", "--key is missing"},
		{"dns make --key " + testKey + " x", "--domain is missing"},
		{"dns make --key " + testKey + " --domain a x", "--seq is missing"},
		{"dns make --key " + testKey + " --domain a..b --seq 1 x", `--domain: "a..b"`},
		{"dns make --key " + testKey + " --domain a --seq 1 --link b x", "--link 1: dnsdisc: not of the form"},
		{"dns make --key " + testKey + " --domain a --seq 1 " + goodRecord + " x", `argument 2: "x" is not a record`},
		{"dns make --key " + testKey + " --domain a --seq 1 @" + file(t, "nodes.json", "{1"), "nodes.json: line 1: not a node set"},
	} {
		r := try(t, strings.Fields(c.args)...)
		if r.code != cli.ExitUsage {
			t.Errorf("%s: exit code %d", c.args, r.code)
		}
		checkLine(t, r, c.says)
	}
}

func mustKey(t testing.TB) *enr.PrivateKey {
	t.Helper()
	k, err := enr.ParsePrivateKeyHex(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
