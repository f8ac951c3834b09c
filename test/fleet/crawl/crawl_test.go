package crawl_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// visits checks how often the nodes of a network were visited. interrupted is how many visits may
// have begun and not ended: those nodes were visited once more.
func (s *simulated) visits(t testing.TB, interrupted int) {
	t.Helper()
	missed, twice := 0, 0
	for _, n := range s.nodes {
		if n.silent {
			continue
		}
		n.mu.Lock()
		records := 0
		for _, p := range n.peers {
			records += p.records
		}
		n.mu.Unlock()
		switch {
		case records == 0:
			missed++
		case records > 1:
			twice++
		}
	}
	if missed > 0 || twice > interrupted {
		t.Errorf("of %d nodes, %d were not visited, and %d more than once; want 0 and at most %d", s.answering(), missed, twice, interrupted)
	}
}

// complete checks that a file lists all nodes that answer, once.
func (s *simulated) complete(t testing.TB, file string) {
	t.Helper()
	set := readFile(t, file)
	for _, n := range s.nodes {
		e, ok := set[n.id.String()]
		if ok == n.silent {
			t.Errorf("node %s, silent: %t, is in the file: %t", n.id, n.silent, ok)
		}
		if ok && (e.Score != 1 || e.Record != n.record.String() || e.RTT < float64(n.rtt/time.Millisecond)) {
			t.Errorf("node %s has %+v; its round trip takes %v", n.id, e, n.rtt)
		}
	}
	if len(set) != s.answering() {
		t.Errorf("the file has %d nodes of %d", len(set), s.answering())
	}
}

// size is the size of the networks of most tests.
func size() int {
	if testing.Short() {
		return 300
	}
	return 2000
}

// Four workers visit each node of a network once, and each writes the whole list.
func TestFleetVisitsOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, size(), 0.2)
	var workers []*crawler
	for range 4 {
		workers = append(workers, crawl(t, s, "once", "--bootnodes", network.boot(), "--parallel", "32"))
	}
	visited := 0
	for i, w := range workers {
		sum, code := w.end(t)
		t.Logf("worker %d: %+v", i+1, sum)
		if code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() || sum.Failed != len(network.nodes)-network.answering() || sum.Undecided != 0 || sum.Fleet.Bad != 0 {
			t.Errorf("worker %d: exit code %d, %+v\n%s", i+1, code, sum, w.p.Log)
		}
		if !testing.Short() && sum.Fleet.Visited < len(network.nodes)/16 {
			t.Errorf("worker %d has visited %d nodes: the work is not divided", i+1, sum.Fleet.Visited)
		}
		visited += sum.Fleet.Visited
		network.complete(t, w.file)
	}
	if visited != len(network.nodes) {
		t.Errorf("all workers have visited %d nodes of %d", visited, len(network.nodes))
	}
	network.visits(t, 0)
}

// Most of the nodes are silent: the worker holds many of them for a second attempt, and asks others
// meanwhile.
func TestFleetManySilent(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	network := simulate(t, 200, 0.1, func(s *simulated) {
		for i, n := range s.nodes {
			n.silent = i%8 != 0
		}
	})
	// The worker knows all of them from the start.
	list := ""
	for _, n := range network.nodes {
		list += n.record.String() + "\n"
	}
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	w := crawl(t, s, "silent", "--bootnodes", "@"+file, "--parallel", "2", "--request-timeout", "1s")
	sum, code := w.end(t)
	t.Logf("%+v", sum)
	if code != 0 || !sum.Fleet.Complete || sum.Answered != network.answering() || sum.Failed != len(network.nodes)-network.answering() || sum.Undecided != 0 {
		t.Errorf("exit code %d, %+v\n%s", code, sum, w.p.Log)
	}
	network.complete(t, w.file)
}
