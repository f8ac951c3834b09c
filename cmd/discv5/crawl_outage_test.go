package main

import (
	cryptorand "crypto/rand"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

var net4, net6 = netip.MustParseAddr("52.16.0.1"), netip.MustParseAddr("2a00:1450::1")

// silentNode is a node that never answers. It counts the packets that are meant for it, and not
// those for a node of another test that had its port before.
type silentNode struct {
	rec *enr.Record
	got atomic.Int64
}

// silentNodes starts silent nodes that listen until the test ends.
func silentNodes(t testing.TB, count int) (list []*silentNode) {
	t.Helper()
	for range count {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		key, err := enr.GenerateKey(cryptorand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		at := c.LocalAddr().(*net.UDPAddr).AddrPort()
		n := &silentNode{}
		if n.rec, err = enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()).Sign(key); err != nil {
			t.Fatal(err)
		}
		id := [32]byte(n.rec.ID())
		decoder := codec.NewDecoder(&id, codec.DefaultProtocol)
		go func() {
			for b := make([]byte, 2048); ; {
				size, err := c.Read(b)
				if err != nil {
					return
				}
				if err := decoder.Decode(b[:size], new(codec.Packet)); err == nil {
					n.got.Add(1)
				}
			}
		}()
		list = append(list, n)
	}
	return list
}

// listOf writes a nodes.json of nodes that have answered once.
func listOf(t testing.TB, path string, records ...*enr.Record) nodeSet {
	t.Helper()
	s := nodeSet{}
	for _, r := range records {
		s.answered(r, time.Unix(1e9, 0).UTC())
	}
	text, err := s.encode()
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A crawl with no answers, or hardly any, proves nothing about the nodes: they keep their scores.
func TestCrawlDuringOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		boot, in bool // where is the one that answers?
		exit     int
		heard    float64
	}{
		{"nothing answers", false, false, cli.ExitFailed, 0},
		{"a bootnode answers", true, false, cli.ExitOK, 1},
		{"one of the list answers", false, true, cli.ExitOK, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var records []*enr.Record
			silent := silentNodes(t, 16)
			for _, n := range silent {
				records = append(records, n.rec)
			}
			live := loopback(t, "127.0.0.1:0", nil).LocalRecord()
			path := filepath.Join(t.TempDir(), "nodes.json")
			args := []string{"crawl", path, "--json", "--request-timeout", hasty}
			if c.in {
				records = append(records, live)
			}
			if c.boot {
				args = append(args, "--bootnodes", live.String())
			}
			before := listOf(t, path, records...)
			for run := range 2 {
				r := try(t, args...)
				o := parseObjects(t, r.out)
				if r.code != c.exit || len(o) != 1 || o[0]["answered"] != c.heard || o[0]["undecided"] != 16.0 || o[0]["removed"] != 0.0 {
					t.Fatalf("run %d: %+v", run+1, r)
				}
			}
			after := readSet(t, path)
			for _, n := range silent {
				e := after[n.rec.ID()]
				if e.LastTry.IsZero() {
					t.Errorf("node was not asked: %+v", e)
				}
				until(t, "a packet for the node", func() bool { return n.got.Load() > 0 })
				if e.LastTry = (time.Time{}); e != before[n.rec.ID()] {
					t.Errorf("%+v, before %+v", e, before[n.rec.ID()])
				}
			}
		})
	}
}

// Scores fall if the other nodes answer. A node without points is not in the list.
func TestCrawlWithoutOutage(t *testing.T) {
	t.Parallel()
	nodes := swarm(t, "127.0.0.1:0", 5)
	silent := silentNodes(t, 3)
	path := filepath.Join(t.TempDir(), "nodes.json")
	s := listOf(t, path, silent[0].rec, silent[1].rec, silent[2].rec)
	e := s[silent[0].rec.ID()]
	e.Score = 5
	s[silent[0].rec.ID()] = e
	text, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, text); err != nil {
		t.Fatal(err)
	}
	o := objects(t, "crawl", path, "--request-timeout", hasty, "--bootnodes", nodes[1].LocalRecord().String())[0]
	if o["failed"] != 3.0 || o["removed"] != 2.0 || o["undecided"] != nil {
		t.Errorf("%v", o)
	}
	after := readSet(t, path)
	if got := after[silent[0].rec.ID()]; got.Score != 2 || got.LastCheck.Equal(e.LastCheck) || !got.LastTry.IsZero() || len(after) != 6 {
		t.Errorf("%d nodes, %+v", len(after), got)
	}
}

// Nodes keep their scores after an outage in the middle of a crawl, or of one family.
func TestEvidence(t *testing.T) {
	contact := discv5.Contact{}
	v4, v6 := "enr4", "enr6"
	makeKnown := func(which string, expected bool) *known {
		b := enr.NewBuilder().SetUDP(9000)
		if which == v4 {
			b.SetIP(net4)
		} else {
			b.SetIP(net6)
		}
		key, err := enr.GenerateKey(rand.NewChaCha8([32]byte{2}))
		if err != nil {
			t.Fatal(err)
		}
		r, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		to, err := recordTarget(r)
		if err != nil {
			t.Fatal(err)
		}
		return &known{to: to, expected: expected}
	}
	type step struct {
		wait     time.Duration
		which    string
		answers  int
		silent   int
		expected bool
	}
	for _, c := range []struct {
		name   string
		steps  []step
		blamed int
	}{
		{"silent between answers", []step{{0, v4, 10, 0, true}, {time.Second, v4, 0, 5, true}, {time.Second, v4, 1, 0, true}}, 5},
		{"silent at the start", []step{{0, v4, 0, 5, true}, {2 * time.Second, v4, 10, 0, true}}, 5},
		{"silent at the end", []step{{0, v4, 10, 0, true}, {time.Second, v4, 0, 5, true}}, 0},
		{"silent while nothing answers for long", []step{{0, v4, 10, 0, true}, {time.Minute, v4, 0, 5, true}, {time.Second, v4, 10, 0, true}}, 0},
		{"outage in the middle", []step{{0, v4, 10, 1, true}, {time.Second, v4, 1, 0, true}, {time.Minute, v4, 0, 50, true}, {time.Minute, v4, 20, 2, true}, {time.Second, v4, 1, 0, true}}, 3},
		{"hardly any answer", []step{{0, v4, 1, 20, true}, {time.Second, v4, 1, 0, true}}, 0},
		{"one in eight answers", []step{{0, v4, 1, 14, true}, {time.Second, v4, 1, 0, true}}, 14},
		{"dead nodes outnumber those that answered the last time", []step{{0, v4, 0, 1000, false}, {time.Second, v4, 3, 0, true}}, 1000},
		{"one family is down", []step{{0, v4, 20, 0, true}, {time.Second, v6, 0, 20, true}, {time.Second, v4, 20, 1, true}, {time.Second, v4, 1, 0, true}}, 1},
		{"nothing", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := evidence{began: time.Now(), quiet: minQuiet}
				for _, s := range c.steps {
					time.Sleep(s.wait)
					n := makeKnown(s.which, s.expected)
					for range s.answers {
						e.answer(n, contact)
					}
					for range s.silent {
						e.silent(n, &visit{at: time.Now()})
					}
				}
				if blamed := e.verdict(); len(blamed) != c.blamed {
					t.Errorf("%d blamed, want %d", len(blamed), c.blamed)
				}
			})
		})
	}
}

// Crawls that are interrupted visit the nodes with the oldest check first, so that several of them
// reach all nodes.
func TestCrawlResumesWithOldest(t *testing.T) {
	t.Parallel()
	silent := silentNodes(t, 40)
	var records []*enr.Record
	for _, n := range silent {
		records = append(records, n.rec)
	}
	path := filepath.Join(t.TempDir(), "nodes.json")
	listOf(t, path, records...)
	if runtime.GOOS == "windows" {
		t.Skip("probed for SIGINT between processes: this platform has none")
	}
	asked := map[enr.ID]int{}
	for run := range 4 {
		// The crawl asks eight nodes at the same time, and waits for them when it is interrupted.
		p := start(t, "crawl", path, "--parallel", "1", "--request-timeout", "1m")
		var now []enr.ID
		// A packet of the last run may arrive late, so only nodes count that no run has asked
		// before.
		until(t, "eight other nodes have been asked", func() bool {
			now = now[:0]
			for _, n := range silent {
				if n.got.Load() > 0 && asked[n.rec.ID()] == 0 {
					now = append(now, n.rec.ID())
				}
			}
			return len(now) >= contactFactor
		})
		p.interrupt(t)
		if code, out := p.wait(t); code != cli.ExitOK {
			t.Fatalf("run %d: exit code %d, %s", run+1, code, out)
		}
		for _, id := range now {
			asked[id]++
		}
		for _, n := range silent {
			n.got.Store(0)
		}
		if set := readSet(t, path); len(set) != len(silent) {
			t.Errorf("run %d leaves %d nodes", run+1, len(set))
		}
	}
	if len(asked) != 4*contactFactor {
		t.Errorf("%d different nodes in 4 runs of %d", len(asked), contactFactor)
	}
}
