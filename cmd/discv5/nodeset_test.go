package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
	"github.com/fastdisc/discv5/internal/cli"
)

// setNode is a node of a file for the tests of nodeset.
type setNode struct {
	seed  byte
	seq   uint64
	ip    string
	entry func(*enr.Builder)
	score int
	first string // times of a day
	last  string
	check string
	rtt   float64
}

func day(t testing.TB, clock string) time.Time {
	t.Helper()
	if clock == "" {
		return time.Time{}
	}
	at, err := time.Parse("2006-01-02 15:04", "2026-11-01 "+clock)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// setFile writes a nodes.json, and returns its name and the IDs of the nodes.
func setFile(t testing.TB, nodes ...setNode) (path string, ids []enr.ID) {
	t.Helper()
	s := nodeSet{}
	for _, n := range nodes {
		key, err := enr.ParsePrivateKey(slices.Repeat([]byte{n.seed}, enr.PrivateKeySize))
		if err != nil {
			t.Fatal(err)
		}
		ip := netip.MustParseAddr(n.ip)
		b := enr.NewBuilder().SetSeq(n.seq).SetIP(ip)
		if ip.Is4() {
			b.SetUDP(9000)
		} else {
			b.SetUDP6(9000)
		}
		if n.entry != nil {
			n.entry(b)
		}
		r, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		e := nodeEntry{Seq: n.seq, Record: r.String(), Score: n.score, FirstResponse: day(t, n.first), LastResponse: day(t, n.last), LastCheck: day(t, n.check)}
		e.RTT = n.rtt
		s[r.ID()] = e
		ids = append(ids, r.ID())
	}
	text, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "nodes.json", string(text)), ids
}

func eth2Of(digest ...byte) func(*enr.Builder) {
	return func(b *enr.Builder) { b.SetEth2(enr.Eth2{ForkDigest: [4]byte(digest)}) }
}

// mainnet returns the digest of mainnet's fork in force.
func mainnet(t testing.TB, layer forks.Layer) []byte {
	t.Helper()
	c, err := forks.ByName("mainnet", layer)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Forks()[c.At(time.Now())].Digest
	return d[:]
}

// someNodes has nodes that differ in all that the flags look at.
func someNodes(t testing.TB) (path string, ids []enr.ID) {
	return setFile(t,
		setNode{seed: 1, seq: 1, ip: "192.0.2.1", entry: eth2Of(mainnet(t, forks.ConsensusLayer)...), score: 10, first: "01:00", last: "20:00", check: "20:00", rtt: 30},
		setNode{seed: 2, seq: 1, ip: "192.0.2.2", entry: eth2Of(0xb5, 0x30, 0x3f, 0x2a), score: 30, first: "10:00", last: "12:00", check: "20:00", rtt: 5},
		setNode{seed: 3, seq: 1, ip: "198.51.100.3", score: 20, first: "02:00", last: "20:00", check: "20:00"},
		setNode{seed: 4, seq: 1, ip: "2001:db8::4", entry: func(b *enr.Builder) {
			b.SetEth(enr.ForkID{Hash: [4]byte(mainnet(t, forks.ExecutionLayer))}).SetClient(enr.Client{Name: "Geth", Version: "1.17"})
		}, score: 5, first: "03:00", last: "19:00", check: "19:00", rtt: 80},
	)
}

func TestNodesetFilter(t *testing.T) {
	t.Parallel()
	path, ids := someNodes(t)
	for _, test := range []struct {
		args string
		want []int // of ids
	}{
		{"", []int{0, 1, 2, 3}},
		{"--network mainnet", []int{0}}, // not the one that names a fork of long ago
		{"--network mainnet --layer execution", []int{3}},
		{"--fork 0xb5303f2a", []int{1}},
		{"--fork b5303f2a --fork none", []int{1, 2}},
		{"--min-score 20", []int{1, 2}},
		{"--min-age 15h", []int{0, 2, 3}},
		{"--min-age 17h", []int{0, 2}},
		{"--net 192.0.2.0/24", []int{0, 1}},
		{"--net ::/0", []int{3}},
		{"--net ::/0 --net 198.51.100.3/32", []int{2, 3}},
		{"--client geth", []int{3}},
		{"--protocol eth2", []int{0, 1}},
		{"--protocol eth2 --protocol eth", []int{0, 1, 3}},
		{"--protocol eth2 --min-score 20", []int{1}},
		{"--limit 2", []int{1, 2}},
		{"--limit 2 --by rtt", []int{0, 1}},
		{"--limit 1 --by age", []int{0}},
	} {
		t.Run(test.args, func(t *testing.T) {
			text, _, code := invoke(t, append([]string{"nodeset", "filter", path}, strings.Fields(test.args)...)...)
			if code != cli.ExitOK {
				t.Fatalf("exit code %d: %s", code, text)
			}
			s := nodeSet{}
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				if _, there := s[id]; there != slices.Contains(test.want, i) {
					t.Errorf("node %d: %v", i, there)
				}
			}
		})
	}
	if out, _, code := invoke(t, "nodeset", "filter", path, "--min-score", "99"); code != cli.ExitFailed || out != "" {
		t.Errorf("exit code %d and output %q with no node left", code, out)
	}
	keep := file(t, "keep.json", "precious")
	if _, _, code := invoke(t, "nodeset", "filter", path, "--min-score", "99", "-o", keep); code != cli.ExitFailed {
		t.Errorf("exit code %d with no node left for a file", code)
	}
	if text, err := os.ReadFile(keep); err != nil || string(text) != "precious" {
		t.Errorf("with no node left the file has %q, %v", text, err)
	}
	if _, _, code := invoke(t, "nodeset", "filter", path, "--seen-within", "1s"); code != cli.ExitFailed {
		t.Errorf("exit code %d with no node left", code)
	}
	for _, args := range []string{"--net x", "--fork 0x12", "--limit -1", "--by luck", "--network main", "--layer execution"} {
		if _, _, code := invoke(t, append([]string{"nodeset", "filter", path}, strings.Fields(args)...)...); code != cli.ExitUsage {
			t.Errorf("%s: exit code %d", args, code)
		}
	}
}

func TestNodesetSort(t *testing.T) {
	t.Parallel()
	path, ids := someNodes(t)
	for by, want := range map[string][]int{"score": {1, 2, 0, 3}, "rtt": {1, 0, 3, 2}, "age": {0, 2, 3, 1}, "last": nil, "id": nil} {
		var got []int
		for _, o := range objects(t, "nodeset", "sort", path, "--by", by) {
			got = append(got, slices.IndexFunc(ids, func(id enr.ID) bool { return id.String() == o["id"] }))
		}
		if len(got) != 4 || want != nil && !slices.Equal(got, want) {
			t.Errorf("--by %s: %v, want %v", by, got, want)
		}
	}
	text, _, _ := invoke(t, "nodeset", "sort", path, "--limit", "3")
	if n := strings.Count(text, "enr:"); n != 3 || strings.Count(text, "\n") != 3 {
		t.Errorf("%d records: %s", n, text)
	}
}

func TestNodesetInfo(t *testing.T) {
	t.Parallel()
	path, _ := someNodes(t)
	o := objects(t, "nodeset", "info", path)[0]
	if o["nodes"] != 4.0 || o["ipv4"] != 3.0 || o["ipv6"] != 1.0 || o["answered"] != 3.0 || o["medianRttMs"] != 30.0 {
		t.Errorf("%v", o)
	}
	for group, want := range map[string]map[string]float64{
		"forks": {"none": 1, hex0x(mainnet(t, forks.ConsensusLayer)): 1, hex0x(mainnet(t, forks.ExecutionLayer)): 1}, "clients": {"Geth": 1, "unknown": 3}, "protocols": {"eth2": 2, "client": 1, "id": 4},
	} {
		got := o[group].(map[string]any)
		for name, n := range want {
			if got[name] != n {
				t.Errorf("%s: %v", group, got)
			}
		}
	}
	text, _, _ := invoke(t, "nodeset", "info", path)
	if !strings.Contains(text, "nodes      4, with IPv4 3, with IPv6 1\n") || !strings.Contains(text, "client     Geth  1") {
		t.Error(text)
	}
}

// TestNodesetMerge: the newest record, the first and the last response, the score of the last
// check.
func TestNodesetMerge(t *testing.T) {
	t.Parallel()
	old, ids := setFile(t,
		setNode{seed: 1, seq: 9, ip: "192.0.2.1", score: 10, first: "01:00", last: "10:00", check: "10:00", rtt: 7, entry: eth2Of(1, 2, 3, 4)},
		setNode{seed: 2, seq: 1, ip: "192.0.2.2", score: 1, first: "01:00", last: "10:00", check: "10:00"})
	now, _ := setFile(t,
		setNode{seed: 1, seq: 8, ip: "192.0.2.9", score: 5, first: "05:00", last: "06:00", check: "12:00"},
		setNode{seed: 3, seq: 1, ip: "192.0.2.3", score: 1, first: "01:00", last: "10:00", check: "10:00"})
	for _, order := range [][]string{{old, now}, {now, old}} {
		out := file(t, "merged.json", "")
		if text, _, code := invoke(t, "nodeset", "merge", order[0], order[1], "-o", out); code != cli.ExitOK {
			t.Fatalf("exit code %d: %s", code, text)
		}
		s := readSet(t, out)
		e := s[ids[0]]
		if len(s) != 3 || e.Seq != 9 || e.Score != 5 || !e.FirstResponse.Equal(day(t, "01:00")) || !e.LastResponse.Equal(day(t, "10:00")) || !e.LastCheck.Equal(day(t, "12:00")) || e.RTT != 7 {
			t.Errorf("%d nodes, %+v", len(s), e)
		}
	}
	bad := file(t, "bad.json", strings.Replace(`{"ID": {"seq": 1, "record": "enr:-", "score": 1}}`, "ID", ids[0].String(), 1))
	if _, errs, code := invoke(t, "nodeset", "merge", old, bad); code != cli.ExitUsage || !strings.Contains(errs, "argument 2") {
		t.Errorf("a bad file: %d %s", code, errs)
	}
	if _, _, code := invoke(t, "nodeset", "info", "/nowhere"); code != cli.ExitUsage {
		t.Errorf("no file: exit code %d", code)
	}
}

// TestCrawlNetwork: crawl lists the nodes of the chain only, with what it learns about them. It
// finds them by way of the others, and drops those that have left the chain.
func TestCrawlNetwork(t *testing.T) {
	t.Parallel()
	current := mainnet(t, forks.ConsensusLayer)
	client := enr.Client{Name: "Test", Version: "2", Build: "\x1b[31m"}
	other := loopback(t, "127.0.0.1:0", func(c *discv5.Config) {
		c.Entries = func(b *enr.Builder) { b.SetEth2(enr.Eth2{ForkDigest: [4]byte{1, 2, 3, 4}}) }
	})
	ours := loopback(t, "127.0.0.1:0", func(c *discv5.Config) {
		c.Bootnodes = discv5.Contacts(other.LocalRecord())
		c.Entries = func(b *enr.Builder) { b.SetEth2(enr.Eth2{ForkDigest: [4]byte(current)}).SetClient(client) }
	})
	until(t, "the nodes know each other", func() bool { return other.Stats().Live > 0 && ours.Stats().Live > 0 })
	path := file(t, "nodes.json", "")
	all := objects(t, "crawl", path, "--bootnodes", other.LocalRecord().String(), "--request-timeout", patient)[0]
	if all["nodes"] != 2.0 {
		t.Errorf("without a chain: %v", all)
	}
	summary := objects(t, "crawl", path, "--network", "mainnet", "--bootnodes", other.LocalRecord().String(), "--request-timeout", patient)[0]
	if summary["nodes"] != 1.0 || summary["answered"] != 2.0 || summary["other"] != 1.0 || summary["removed"] != 1.0 {
		t.Errorf("summary %v", summary)
	}
	e, ok := readSet(t, path)[ours.ID()]
	if !ok || e.Fork != hex0x(current) || e.Client != "Test/2/?[31m" || e.RTT <= 0 {
		t.Errorf("%v: %+v", ok, e)
	}
}

// invoke runs the program.
func invoke(t testing.TB, args ...string) (out, errs string, code int) {
	t.Helper()
	r := try(t, args...)
	return r.out, r.err, r.code
}
