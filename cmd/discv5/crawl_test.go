package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
)

// swarm starts nodes that find each other through the first one, and waits until it has checked all
// of them.
func swarm(t testing.TB, addr string, count int) []*discv5.Node {
	t.Helper()
	var nodes []*discv5.Node
	for range count {
		nodes = append(nodes, loopback(t, addr, func(c *discv5.Config) {
			if len(nodes) > 0 {
				c.Bootnodes = discv5.Contacts(nodes[0].LocalRecord())
			}
		}))
	}
	until(t, "the first node knows all others", func() bool { return nodes[0].Stats().Live >= count-1 })
	return nodes
}

func readSet(t testing.TB, path string) nodeSet {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := nodeSet{}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCrawl(t *testing.T) {
	t.Parallel()
	nodes := swarm(t, "127.0.0.1:0", 15)
	path := file(t, "nodes.json", "") // as mktemp makes it
	last := nodes[len(nodes)-1].LocalRecord()
	summary := objects(t, "crawl", path, "--bootnodes", last.String(), "--request-timeout", patient)[0]
	if summary["nodes"] != 15.0 || summary["answered"] != 15.0 || summary["added"] != 15.0 || summary["file"] != path {
		t.Errorf("summary %v", summary)
	}
	set := readSet(t, path)
	for i, n := range nodes {
		e, ok := set[n.ID()]
		if !ok {
			t.Errorf("node %d was not found", i)
			continue
		}
		if e.Record != n.LocalRecord().String() || e.Seq != n.LocalRecord().Seq() || e.Score != 1 || e.FirstResponse.IsZero() || e.LastCheck != e.LastResponse {
			t.Errorf("node %d: %+v", i, e)
		}
	}

	// The next crawl starts from the file, without bootnodes. Two nodes have gone; one of them has
	// a high score.
	for i, n := range nodes[:2] {
		n.Close()
		e := set[n.ID()]
		e.Score = 1 + 4*i
		set[n.ID()] = e
	}
	text, err := set.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, text); err != nil {
		t.Fatal(err)
	}
	out := must(t, "crawl", path, "--request-timeout", hasty, "--parallel", "4")
	if !strings.Contains(out, "14 nodes in ") || !strings.Contains(out, "13 answered") || !strings.Contains(out, "0 added, 1 removed") {
		t.Errorf("summary %q", out)
	}
	again := readSet(t, path)
	for i, n := range nodes {
		e, ok := again[n.ID()]
		switch {
		case i == 0:
			if ok {
				t.Errorf("a silent node without points stays: %+v", e)
			}
		case i == 1:
			if e.Score != 2 || e.LastResponse != set[n.ID()].LastResponse {
				t.Errorf("a silent node with points: %+v", e)
			}
		case e.Score != 2 || e.FirstResponse != set[n.ID()].FirstResponse:
			t.Errorf("node %d: %+v after %+v", i, e, set[n.ID()])
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("files left over: %v", left)
	}
}

func TestCrawlIPv6(t *testing.T) {
	t.Parallel()
	nodes := swarm(t, "[::1]:0", 3)
	path := filepath.Join(t.TempDir(), "nodes.json")
	must(t, "crawl", path, "--request-timeout", patient, "--bootnodes", "@"+file(t, "boot", nodes[1].LocalRecord().String()))
	if set := readSet(t, path); len(set) != 3 {
		t.Errorf("%d nodes", len(set))
	}
}

// A crawl that is interrupted or out of time writes its results, and does not change the scores of
// nodes that it did not visit.
func TestCrawlEnds(t *testing.T) {
	t.Parallel()
	n := loopback(t, "127.0.0.1:0", nil)
	silent := silence(t)
	path := filepath.Join(t.TempDir(), "nodes.json")
	args := []string{"crawl", path, "--json", "--request-timeout", "1m"}

	s := nodeSet{}
	s.answered(silent, time.Unix(1e9, 0).UTC())
	text, _ := s.encode()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(what string, out string) {
		t.Helper()
		if o := parseObjects(t, out); len(o) != 1 || o[0][what] != true || o[0]["waiting"] == 0.0 {
			t.Errorf("summary %v", o)
		}
		e := readSet(t, path)[silent.ID()]
		if e.LastTry.IsZero() {
			t.Errorf("the node does not go to the end: %+v", e)
		}
		if e.LastTry = (time.Time{}); e != s[silent.ID()] {
			t.Errorf("file holds %+v", e)
		}
		if runtime.GOOS != "windows" && mode(t, path) != 0o600 {
			t.Errorf("file has mode %o now", mode(t, path))
		}
	}
	r := try(t, append(args, "--timeout", hasty)...) // enough to ask the node
	if r.code != cli.ExitFailed || !strings.Contains(r.err, "no node answered") {
		t.Errorf("%+v", r)
	}
	check("timedOut", r.out)

	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	p := start(t, append(args, "--bootnodes", n.LocalRecord().String())...)
	// The crawl walks the buckets of the node after it has returned its record.
	until(t, "the node has been asked for its buckets", func() bool { return n.Stats().Counters[engine.InFindNode] >= 3 })
	p.interrupt(t)
	code, out := p.wait(t)
	if code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
	check("interrupted", out)
	if _, ok := readSet(t, path)[n.ID()]; !ok {
		t.Error("the node that answered is not in the file")
	}
}

func TestCrawlNobody(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "nodes.json")
	r := try(t, "crawl", path, "--request-timeout", "100ms", "--bootnodes", silence(t).String())
	if r.code != cli.ExitFailed || !strings.Contains(r.err, "no node answered") || len(readSet(t, path)) != 0 {
		t.Errorf("%+v", r)
	}
}

// The golden file has the format of the devp2p tool.
func TestNodesFormat(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "nodes.json"))
	if err != nil {
		t.Fatal(err)
	}
	set, targets, err := loadNodes(filepath.Join("testdata", "nodes.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := set.encode()
	if err != nil || string(text) != string(golden) {
		t.Errorf("%v; written again:\n%s", err, text)
	}
	// One of the three has no address.
	if len(set) != 3 || len(targets) != 2 {
		t.Errorf("%d nodes, %d to visit", len(set), len(targets))
	}

	// The same file, made by the test.
	made := nodeSet{}
	checked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for id, e := range set {
		r, err := enr.ParseText(e.Record)
		if err != nil {
			t.Fatal(err)
		}
		switch e.Score {
		case 0:
			made[id] = nodeEntry{Seq: r.Seq(), Record: r.String()}
		default:
			for i := range e.Score {
				made.answered(r, checked.Add(time.Duration(i)*time.Hour))
			}
		}
	}
	if text, err = made.encode(); err != nil || string(text) != string(golden) {
		t.Errorf("%v; made up:\n%s", err, text)
	}
}

func TestScore(t *testing.T) {
	r, err := enr.ParseText(goodRecord)
	if err != nil {
		t.Fatal(err)
	}
	s, now := nodeSet{}, time.Unix(1e9, 0).UTC()
	for range 5 {
		s.answered(r, now)
	}
	for i, want := range []int{2, 1, 0} {
		if removed := s.failed(r.ID(), now); removed != (want == 0) || s[r.ID()].Score != want {
			t.Errorf("failure %d: score %d, removed %t", i+1, s[r.ID()].Score, removed)
		}
	}
	if s.failed(r.ID(), now) || len(s) != 0 {
		t.Error("a node that is not in the set was removed")
	}
}

// The crawl skips nodes whose addresses are of a family that it does not have. They keep their
// scores.
func TestCrawlUnreachable(t *testing.T) {
	t.Parallel()
	n := loopback(t, "[::1]:0", nil)
	s := nodeSet{}
	s.answered(n.LocalRecord(), time.Unix(1e9, 0).UTC())
	text, _ := s.encode()
	path := file(t, "nodes.json", string(text))
	r := try(t, "crawl", path, "--addr", netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0).String())
	if r.code != cli.ExitFailed || readSet(t, path)[n.ID()] != s[n.ID()] {
		t.Errorf("%+v", r)
	}
}
