package crawl_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
	"github.com/fastdisc/discv5/internal/proctest"
)

var loopbackAddr = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// visited returns how many nodes have been asked for their record.
func (s *simulated) visited() (count int) {
	for _, n := range s.nodes {
		n.mu.Lock()
		for _, p := range n.peers {
			if p.records > 0 {
				count++
				break
			}
		}
		n.mu.Unlock()
	}
	return count
}

// underWay returns how many visits of a worker have begun and not ended.
func (s *simulated) underWay(from netip.AddrPort) (count int) {
	for _, n := range s.nodes {
		n.mu.Lock()
		if p := n.peers[from]; p != nil && p.records > 0 && p.walks == 0 {
			count++
		}
		n.mu.Unlock()
	}
	return count
}

// takenOver checks that all nodes were visited, and that only visits of the worker at an address
// were repeated, which had not ended when it was killed or suspended.
func (s *simulated) takenOver(t testing.TB, from netip.AddrPort, most int) {
	t.Helper()
	again := 0
	for _, n := range s.nodes {
		if n.silent {
			continue
		}
		n.mu.Lock()
		records, others := 0, 0
		for at, p := range n.peers {
			records += p.records
			if at != from {
				others += p.records
			}
		}
		n.mu.Unlock()
		switch {
		case records == 0:
			t.Errorf("node %s was not visited", n.id)
		case others > 1 || records-others > 1:
			t.Errorf("node %s was visited %d times by one worker and %d times by others", n.id, records-others, others)
		case records > 1:
			again++
		}
	}
	if again > most {
		t.Errorf("%d visits were repeated, at most %d were under way", again, most)
	}
	t.Logf("%d visits were repeated", again)
}

// A worker that is killed loses nothing: the others visit its nodes. A worker that is suspended
// for longer than its tasks wait drops its results when it wakes up.
func TestFleetWorkerFails(t *testing.T) {
	t.Parallel()
	const parallel = "16"
	for _, c := range []struct {
		name   string
		signal os.Signal
	}{{"killed", syscall.SIGKILL}, {"suspended", syscall.SIGSTOP}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			network := simulate(t, max(size()/2, 300), 0.5, hold(8))
			at := proctest.FreePort(t, "udp", loopbackAddr)
			victim := crawl(t, s, "fails", "--bootnodes", network.boot(), "--parallel", parallel, "--addr", at.String())
			network.standsStill(t)
			if network.underWay(at) == 0 {
				t.Error("no visit of the worker is under way")
			}
			victim.p.Signal(t, c.signal)
			var workers []*crawler
			for range 3 {
				workers = append(workers, crawl(t, s, "fails", "--bootnodes", network.boot(), "--parallel", parallel))
			}
			network.release()
			redelivered := uint64(0)
			for i, w := range workers {
				sum, code := w.end(t)
				t.Logf("worker %d: %+v", i+1, sum)
				if code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() || sum.Undecided != 0 {
					t.Errorf("worker %d: exit code %d, %+v\n%s", i+1, code, sum, w.p.Log)
				}
				redelivered += sum.Fleet.Redelivered
				network.complete(t, w.file)
			}
			if redelivered == 0 {
				t.Error("no task of the worker was delivered to another one: it has failed too late")
			}
			if c.signal == syscall.SIGSTOP {
				victim.p.Signal(t, syscall.SIGCONT)
				sum, code := victim.end(t)
				t.Logf("suspended: %+v", sum)
				if code != 0 || !sum.Fleet.Complete {
					t.Errorf("exit code %d, %+v\n%s", code, sum, victim.p.Log)
				}
				network.complete(t, victim.file)
			}
			network.takenOver(t, at, 8*16)
		})
	}
}

// A worker that has nothing to do waits for the visits of others: they may find nodes, or fail.
func TestFleetWaitsForOthers(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, 50, 0.05)
	_, q := s.open(t, "wait", "test")
	r, err := enr.ParseText(network.boot())
	if err != nil {
		t.Fatal(err)
	}
	push(t, q, r)
	task := fetch(t, q)
	claim(t, task, true)
	w := crawl(t, s, "wait")
	time.Sleep(4 * time.Second) // many times as long as it asks for tasks
	if !w.p.Running() {
		t.Fatalf("the worker has ended:\n%s%s", w.p.Out, w.p.Log)
	}
	task.Release(0)
	if sum, code := w.end(t); code != 0 || sum.Answered != network.answering() {
		t.Errorf("exit code %d, %+v\n%s", code, sum, w.p.Log)
	}
	network.complete(t, w.file)
}

// A node whose address family a worker does not have waits for another worker, and does not keep
// the crawl from ending if there is none.
func TestFleetOutOfReach(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, 20, 0.05)
	key, err := enr.GenerateKey(rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	far, err := enr.NewBuilder().SetIP(netip.IPv6Loopback()).SetUDP(9).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	w := crawl(t, s, "reach", "--addr", "127.0.0.1:0", "--bootnodes", network.boot()+","+far.String())
	sum, code := w.end(t)
	if code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() || sum.Skipped != 1 || sum.Fleet.Redelivered < crawlqueue.MaxDeliveries-1 {
		t.Errorf("exit code %d, %+v\n%s", code, sum, w.p.Log)
	}
	network.complete(t, w.file)
}

// A worker whose network has failed does not use up the nodes: others visit them.
func TestFleetWorkerWithoutNetwork(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	at := proctest.FreePort(t, "udp", loopbackAddr)
	network := simulate(t, size()/2, 0.3, func(s *simulated) { s.mute = at })
	alone := crawl(t, s, "alone", "--bootnodes", network.boot(), "--parallel", "16", "--addr", at.String())
	var workers []*crawler
	for range 2 {
		workers = append(workers, crawl(t, s, "alone", "--bootnodes", network.boot(), "--parallel", "16"))
	}
	for i, w := range append(workers, alone) {
		sum, code := w.end(t)
		t.Logf("worker %d: %+v", i+1, sum)
		if code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() {
			t.Errorf("worker %d: exit code %d, %+v\n%s", i+1, code, sum, w.p.Log)
		}
		network.complete(t, w.file)
	}
	network.visits(t, 0)
}

// The server is killed in the middle of a crawl and comes back: nothing is lost.
func TestFleetServerRestarts(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, size()/2, 0.3, hold(size()/8))
	var workers []*crawler
	for range 2 {
		workers = append(workers, crawl(t, s, "restart", "--bootnodes", network.boot(), "--parallel", "16"))
	}
	network.standsStill(t)
	s.Kill(t)
	network.release()
	for i, w := range workers {
		proctest.Eventually(t, fmt.Sprintf("worker %d reports the outage", i+1), func() bool {
			return strings.Contains(w.p.Log.String(), "no server answers for")
		})
	}
	s.Start(t)
	for i, w := range workers {
		sum, code := w.end(t)
		t.Logf("worker %d: %+v", i+1, sum)
		if code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() {
			t.Errorf("worker %d: exit code %d, %+v\n%s", i+1, code, sum, w.p.Log)
		}
		network.complete(t, w.file)
		if log := w.p.Log.String(); !strings.Contains(log, "the crawl continues") {
			t.Errorf("worker %d does not report the end of the outage: %q", i+1, log)
		}
	}
	network.visits(t, 2*16) // those that the server had delivered to nobody
}

// The server is killed and stays away: the crawl ends with an error and keeps its results.
func TestFleetServerStaysAway(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, 300, 0.2, hold(75))
	w := crawl(t, s, "away", "--bootnodes", network.boot(), "--parallel", "4", "--fleet-timeout", "3s")
	network.standsStill(t)
	s.Kill(t)
	network.release()
	sum, code := w.end(t)
	if log := w.p.Log.String(); code != 1 || !strings.Contains(log, "discv5: the crawl is not complete, "+w.file+" holds its results so far: the fleet does not answer for 3s") {
		t.Errorf("exit code %d, %q", code, log)
	}
	set := readFile(t, w.file)
	if sum.Fleet.Complete || len(set) < len(network.nodes)/8 || len(set) != sum.Nodes {
		t.Errorf("%d nodes in the file, %+v", len(set), sum)
	}
	// With another worker it would be the same from the start.
	r := proctest.Run(t, exec.Command(program, "crawl", filepath.Join(t.TempDir(), "nodes.json"), "--fleet", s.URL(), "--crawl-name", "x", "--fleet-timeout", "2s"))
	if r.Code != 1 || !strings.HasPrefix(r.Err, "discv5: the fleet does not answer for 2s") && !strings.Contains(r.Err, "\ndiscv5: the fleet does not answer for 2s") {
		t.Errorf("%+v", r)
	}
}

// An interrupt ends the crawl also while no server answers.
func TestFleetInterruptedWithoutServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, 300, 0.2, hold(75))
	w := crawl(t, s, "interrupt", "--bootnodes", network.boot(), "--parallel", "8", "--fleet-timeout", "30m")
	network.standsStill(t)
	s.Kill(t)
	network.release()
	time.Sleep(time.Second)
	w.p.Signal(t, os.Interrupt)
	if code := w.p.Wait(t); code != 0 || len(readFile(t, w.file)) == 0 {
		t.Errorf("exit code %d\n%s", code, w.p.Log)
	}
}

// An interrupted crawl continues under its name. A complete one has nothing left, and --collect
// writes the same file.
func TestFleetContinues(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, 400, 0.1, hold(100))
	first := crawl(t, s, "continue", "--bootnodes", network.boot(), "--parallel", "8")
	network.standsStill(t)
	first.p.Signal(t, os.Interrupt)
	sum, code := first.end(t)
	network.release()
	before := len(readFile(t, first.file))
	if code != 0 || sum.Fleet.Complete || sum.Waiting == 0 || before < len(network.nodes)/8 || before >= network.answering() {
		t.Fatalf("exit code %d, %d nodes, %+v\n%s", code, before, sum, first.p.Log)
	}
	second := crawl(t, s, "continue", "--parallel", "8") // no bootnode is needed
	sum, code = second.end(t)
	if code != 0 || !sum.Fleet.Complete || sum.Fleet.Visited >= len(network.nodes) {
		t.Errorf("exit code %d, %+v\n%s", code, sum, second.p.Log)
	}
	network.complete(t, second.file)
	network.visits(t, 8*8)

	network.forget()
	third := crawl(t, s, "continue", "--bootnodes", network.boot())
	if sum, code = third.end(t); code != 0 || !sum.Fleet.Complete || sum.Fleet.Visited != 0 {
		t.Errorf("exit code %d, %+v\n%s", code, sum, third.p.Log)
	}
	collected := crawl(t, s, "continue", "--collect")
	if sum, code = collected.end(t); code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() {
		t.Errorf("exit code %d, %+v\n%s", code, sum, collected.p.Log)
	}
	if network.visited() > 0 {
		t.Error("a complete crawl was repeated")
	}
	want, _ := os.ReadFile(second.file)
	for _, c := range []*crawler{third, collected} {
		if got, _ := os.ReadFile(c.file); !bytes.Equal(got, want) {
			t.Errorf("%s differs from the file of the worker", c.file)
		}
	}
	if r := proctest.Run(t, exec.Command(program, "crawl", "x.json", "--fleet", s.URL(), "--crawl-name", "none", "--collect")); r.Code != 2 || !strings.Contains(r.Err, "--crawl-name: the fleet has no crawl none") {
		t.Errorf("%+v", r)
	}
}

// Tasks, claims and results that are wrong are counted and cost nothing else: all nodes are
// visited and listed.
func TestFleetLies(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, 200, 0.2)
	ctx := context.Background()
	conn, _ := s.open(t, "lies", "liar")
	kv, err := conn.JetStream().KeyValue(ctx, "discv5-crawl-lies")
	if err != nil {
		t.Fatal(err)
	}
	good, other := network.nodes[10], network.nodes[20]
	text := good.record.String()
	broken := text[:40] + "A" + text[41:]
	if text[40] == 'A' {
		broken = text[:40] + "B" + text[41:]
	}
	next := 0
	put := func(value string) { // each lie is about another node
		for next++; network.nodes[next].silent; next++ {
		}
		id := network.nodes[next].id.String()
		value = strings.ReplaceAll(value, "OWN", network.nodes[next].record.String())
		if _, err := kv.PutString(ctx, id, value); err != nil {
			t.Fatal(err)
		}
	}
	entries := []string{
		``, `junk`, `[]`, `{"state":"done"}`,
		`{"state":"answered","by":"liar","node":"` + broken + `","at":"2026-01-01T00:00:00Z"}`,
		`{"state":"answered","by":"liar","node":"` + other.record.String() + `","at":"2026-01-01T00:00:00Z"}`,
		`{"state":"failed","by":"liar","proven":true,"at":"2026-01-01T00:00:00Z"}`,
		`{"state":"failed","by":"liar","proven":true,"node":"enode://x","at":"2026-01-01T00:00:00Z"}`,
		`{"state":"answered","by":"liar","node":"OWN","at":"2226-01-01T00:00:00Z"}`,
		`{"state":"answered","by":"liar","node":"OWN"}`,
		`{"state":"answered","by":"liar","node":"OWN","rtt":-1,"at":"2026-01-01T00:00:00Z"}`,
		`{"state":"gone","by":"liar","node":"OWN","at":"2026-01-01T00:00:00Z"}`,
		`{"state":"answered","by":"` + strings.Repeat("x", 100) + `","node":"OWN","at":"2026-01-01T00:00:00Z"}`,
		`{"state":"visiting","by":"liar","task":18446744073709551615,"delivery":1}`,
		`{"state":"visiting","by":"liar","task":1,"delivery":1}`,
	}
	for _, e := range entries {
		put(e)
	}
	if _, err := kv.PutString(ctx, "key", `{"state":"answered"}`); err != nil {
		t.Fatal(err)
	}
	tasks := map[string]string{
		good.id.String():                  broken,
		other.id.String():                 good.record.String(),
		network.nodes[30].id.String():     "",
		network.nodes[31].id.String():     "enode://" + strings.Repeat("00", 64) + "@127.0.0.1:1",
		network.nodes[32].id.String():     "\x00\xff",
		strings.Repeat("zz", 32):          text,
		strings.Repeat("00", 32):          text,
		"x":                               text,
		network.nodes[33].id.String()[1:]: network.nodes[33].record.String(),
	}
	for id, task := range tasks {
		if _, err := conn.JetStream().Publish(ctx, "discv5.crawl.lies."+id, []byte(task)); err != nil {
			t.Fatal(err)
		}
	}
	w := crawl(t, s, "lies", "--bootnodes", network.boot())
	sum, code := w.end(t)
	t.Logf("%+v", sum)
	// One claim is of an earlier task, which is no lie.
	if want := uint64(len(entries) - 1 + 1 + len(tasks)); code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() || sum.Fleet.Bad < want {
		t.Errorf("exit code %d, %+v, want at least %d bad entries\n%s", code, sum, want, w.p.Log)
	}
	network.complete(t, w.file)
	network.visits(t, 0)
	length(t, func() *crawlqueue.Queue { _, q := s.open(t, "lies", "reader"); return q }(), 0)
}
