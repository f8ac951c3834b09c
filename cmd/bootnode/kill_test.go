package main

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// S23: after kill -9 at any moment, the next start has the key, a record that is not older, and the
// known nodes: it rejoins the network without a bootnode. It loses at most the changes since the
// last save.
func TestS23KillNine(t *testing.T) {
	t.Parallel()
	peers := []*process{start(t, t.TempDir()), nil}
	peers[1] = start(t, t.TempDir(), "--bootnodes", peers[0].record.String())
	dir := t.TempDir()
	args := []string{"--save-interval", "100ms", "--http", anyPort, "--extip"}
	extip := func(i int) string { return []string{"198.18.0.1:9000", "198.18.0.2:9000"}[i%2] }

	// It gets both as bootnodes: whether it would find the second one depends on the distances of
	// random keys.
	p := start(t, dir, append(args, extip(0), "--bootnodes", peers[0].record.String()+","+peers[1].record.String())...)
	eventually(t, "peers in the table", func() bool { return p.metric(t, "discv5_table_live_nodes") == 2 })
	// The save that runs may have begun before.
	saves := p.metric(t, `discv5_saves_total{result="ok"}`)
	eventually(t, "save of both", func() bool { return p.metric(t, `discv5_saves_total{result="ok"}`) > saves+1 })
	last := p.record
	rounds := 5
	if testing.Short() {
		rounds = 3
	}
	for i := range rounds {
		// The address changes each time, so each start has a new record to save.
		time.Sleep(rand.N(300 * time.Millisecond))
		p.End(t, syscall.SIGKILL)
		p = start(t, dir, append(args, extip(i+1))...)
		if p.record.ID() != last.ID() {
			t.Fatalf("round %d: another key", i)
		}
		if p.record.Seq() <= last.Seq() {
			t.Errorf("round %d: sequence number %d after %d", i, p.record.Seq(), last.Seq())
		}
		last = p.record
		if i%2 == 0 { // otherwise kill it before it knows anybody
			eventually(t, "known nodes", func() bool { return p.metric(t, "discv5_table_live_nodes") == 2 })
		}
	}
	eventually(t, "known nodes", func() bool { return p.metric(t, "discv5_table_live_nodes") == 2 })

	// Without a change the record is the saved one: its number does not come from the clock, which
	// may have been set back.
	p.End(t, syscall.SIGKILL)
	p = start(t, dir, append(args, extip(rounds))...)
	if p.record.String() != last.String() {
		t.Errorf("another record, with sequence number %d after %d", p.record.Seq(), last.Seq())
	}
	p.stop(t)

	// A first start that is killed while it creates its files does not prevent the next start.
	fresh := t.TempDir()
	var id enr.ID
	for i := range rounds {
		cmd := command("--addr", "127.0.0.1:0", "--datadir", fresh)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(60 * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
		if i == 0 {
			q := start(t, fresh)
			id = q.record.ID()
			q.End(t, syscall.SIGKILL)
		}
	}
	q := start(t, fresh)
	if q.record.ID() != id {
		t.Error("another key after kills at the start")
	}
	q.stop(t)
}
