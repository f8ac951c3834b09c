package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

// manyRecords returns records of different nodes, the same ones in each call.
func manyRecords(count int) (list []*enr.Record) {
	keys := rand.NewChaCha8([32]byte{3})
	for i := range count {
		key, err := enr.GenerateKey(keys)
		if err != nil {
			panic(err)
		}
		r, err := enr.NewBuilder().SetIP(netip.AddrFrom4([4]byte{52, byte(i >> 8), byte(i), 1})).SetUDP(9000).
			SetEth2(enr.Eth2{}).SetAttnets(uint64(i)).SetTCP(9000).Sign(key)
		if err != nil {
			panic(err)
		}
		list = append(list, r)
	}
	return list
}

// loadTime returns the shortest of three times to load a file of nodes.
func loadTime(t testing.TB, records []*enr.Record) time.Duration {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nodes.json")
	listOf(t, path, records...)
	count := len(records)
	best := time.Hour
	for range 3 {
		began := time.Now()
		set, targets, err := loadNodes(path)
		if err != nil || len(set) != count || len(targets) != count {
			t.Fatalf("%d nodes, %d to visit, %v", len(set), len(targets), err)
		}
		best = min(best, time.Since(began))
	}
	return best
}

// Eight times as many nodes take about eight times as long, not 64 times.
func TestLoadIsLinear(t *testing.T) {
	if slowness > 1 {
		t.Skip("probed for the race detector: it makes thousands of signatures in one goroutine take long")
	}
	records := manyRecords(16000)
	for attempt := range 5 { // the machine may be busy with something else for a while
		few, many := loadTime(t, records[:2000]), loadTime(t, records)
		t.Logf("2,000 nodes: %v; 16,000 nodes: %v", few, many)
		if many <= 20*few || many <= 2*time.Second {
			return
		}
		if attempt == 4 {
			t.Errorf("2,000 nodes take %v, 16,000 take %v", few, many)
		}
	}
}

func BenchmarkLoadNodes(b *testing.B) {
	path := filepath.Join(b.TempDir(), "nodes.json")
	records := manyRecords(16000)
	listOf(b, path, records...)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := loadNodes(path); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/node")
}

// Commands read lists of any size: in the forms of crawl and dns resolve, from a file and from
// standard input.
func TestLargeLists(t *testing.T) {
	t.Parallel()
	const count, size = 300, maxInput + 1<<20
	records := manyRecords(count)
	path := filepath.Join(t.TempDir(), "nodes.json")
	listOf(t, path, records...)
	// The size of a file with 25,000 nodes.
	text := strings.ReplaceAll(readText(t, path), "\n    }", "\n"+strings.Repeat(strings.Repeat(" ", 79)+"\n", size/count/80)+"    }")
	if len(text) < maxInput {
		t.Fatalf("%d bytes", len(text))
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, r := range records {
		fmt.Fprintf(&list, "- %s # %s\n", r, strings.Repeat("comment ", size/count/8))
	}
	plain := file(t, "list.yaml", list.String())
	for _, c := range []struct{ name, in, input string }{
		{"nodes.json", "@" + path, ""}, {"list", "@" + plain, ""}, {"nodes.json, standard input", "-", text}, {"list, standard input", "-", list.String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tryInput(t, c.input, "enr", "inspect", "--json", c.in)
			if n := len(parseObjects(t, r.out)); r.code != cli.ExitOK || n != count {
				t.Errorf("enr inspect: exit code %d, %d records: %.200s", r.code, n, r.err)
			}
			r = tryInput(t, c.input, "dns", "make", "--key", testKey, "--domain", listDomain, "--seq", "1", c.in)
			if n := strings.Count(r.out, `"enr:`); r.code != cli.ExitOK || n != count {
				t.Errorf("dns make: exit code %d, %d records: %.200s", r.code, n, r.err)
			}
		})
	}
	if set, targets, err := loadNodes(path); err != nil || len(set) != count || len(targets) != count {
		t.Errorf("crawl: %d nodes, %d to visit, %v", len(set), len(targets), err)
	}
}

// The nodes of a nodes.json that answered last serve as bootnodes.
func TestBootnodesOfNodesFile(t *testing.T) {
	t.Parallel()
	live := loopback(t, "127.0.0.1:0", nil)
	path := filepath.Join(t.TempDir(), "nodes.json")
	s := listOf(t, path, manyRecords(500)...)
	s.answered(live.LocalRecord(), time.Unix(2e9, 0))
	text, err := s.encode()
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	tool := &tool{}
	texts, err := tool.bootTexts("@" + path)
	if err != nil || len(texts) != maxBoot || texts[0] != live.LocalRecord().String() {
		t.Errorf("%d nodes, %v", len(texts), err)
	}
}

// Commands read the lists that operators have.
func TestListForms(t *testing.T) {
	t.Parallel()
	other := manyRecords(1)[0].String()
	for name, text := range map[string]string{
		"YAML":            "# mainnet\n- " + goodRecord + " # 127.0.0.1 | here\n- " + other + "\n",
		"YAML with a key": "---\nbootnodes:\n  - \"" + goodRecord + "\"\n  - '" + other + "' # there\n",
		"JSON":            "[\n  \"" + goodRecord + "\",\n  \"" + other + "\"\n]\n",
		"plain":           goodRecord + "\n" + other + "\n",
		"commas":          goodRecord + ", " + other,
	} {
		t.Run(name, func(t *testing.T) {
			list := objects(t, "enr", "inspect", "@"+file(t, "list", text))
			if len(list) != 2 || list[0]["record"] != goodRecord || list[1]["record"] != other {
				t.Errorf("%v", list)
			}
			tool := &tool{}
			if texts, err := tool.bootTexts("@" + file(t, "list", text)); err != nil || len(texts) != 2 || texts[0] != goodRecord || texts[1] != other {
				t.Errorf("bootnodes: %q, %v", texts, err)
			}
		})
	}
}

// The crawl finds a record that its node has not signed when it visits the node. Other nodes are
// not affected.
func TestCrawlBadSignature(t *testing.T) {
	t.Parallel()
	live, forged := loopback(t, "127.0.0.1:0", nil), manyRecords(1)[0]
	path := filepath.Join(t.TempDir(), "nodes.json")
	listOf(t, path, live.LocalRecord(), forged)
	good := forged.String()
	bad := good[:20] + string('A'+(good[20]-'A'+1)%26) + good[21:]
	text := strings.Replace(readText(t, path), good, bad, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := objects(t, "crawl", path, "--request-timeout", patient)[0]
	if o["answered"] != 1.0 || o["skipped"] != 1.0 || readSet(t, path)[forged.ID()].Score != 1 {
		t.Errorf("%v", o)
	}
}

// crawl does not replace a read-only file, and fails before it starts.
func TestCrawlReadOnlyFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("probed for file modes: this platform has none")
	}
	path := filepath.Join(t.TempDir(), "nodes.json")
	listOf(t, path, manyRecords(1)[0])
	before := readText(t, path)
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	r := try(t, "crawl", path, "--request-timeout", "100ms", "--timeout", "300ms")
	if r.code != cli.ExitUsage || !strings.Contains(r.err, "argument 1: "+path) || !strings.Contains(r.err, "read-only (mode 0444)") {
		t.Errorf("%+v", r)
	}
	if readText(t, path) != before || mode(t, path) != 0o444 {
		t.Errorf("the file has changed; mode %o", mode(t, path))
	}
}
