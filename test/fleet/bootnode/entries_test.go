package bootnode

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// entry is the value of a node as a member of version 1 writes it, and perhaps more.
type entry map[string]any

func nodeEntry(r *enr.Record, score int) entry {
	return entry{"v": 1, "enr": r.String(), "seen": time.Now().Unix(), "score": score, "by": []string{"test"}}
}

// TestManyNodes: with 100,000 nodes in the bucket, a new member without bootnodes has a full table
// ten seconds after its start.
func TestManyNodes(t *testing.T) {
	t.Parallel()
	total, live := 100_000, 120
	if testing.Short() {
		total = 10_000
	}
	c := natstest.Start(t, 3, "")
	conn, js := c.Connect(t)
	_ = bucket(t, js, jetstream.KeyValueConfig{Bucket: "discv5-default_nodes", MaxBytes: 512 << 20, Replicas: 3})

	var nodes []*discv5.Node
	for range live {
		nodes = append(nodes, startNode(t, func(c *discv5.Config) { c.DetectAddress = -1 }))
	}
	// Nodes that are gone: valid records of ports where nobody listens.
	type value struct {
		key  string
		body []byte
	}
	values := make([]value, total)
	var signers sync.WaitGroup
	var next sync.Mutex
	at := 0
	for range runtime.GOMAXPROCS(0) {
		signers.Go(func() {
			for {
				next.Lock()
				i := at
				at++
				next.Unlock()
				if i >= total {
					return
				}
				r, score := (*enr.Record)(nil), 1
				if i < live {
					r, score = nodes[i].LocalRecord(), 20
				} else {
					r = sign(t, newKey(t), 1, netip.MustParseAddrPort("127.0.0.1:9"))
				}
				body, err := json.Marshal(nodeEntry(r, score))
				if err != nil {
					t.Error(err)
				}
				values[i] = value{r.ID().String(), body}
			}
		})
	}
	signers.Wait()
	fast, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096), jetstream.WithPublishAsyncTimeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		_, err := fast.PublishAsync("$KV.discv5-default_nodes."+v.key, v.body, jetstream.WithStallWait(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-fast.PublishAsyncComplete():
	case <-time.After(proctest.Patience):
		t.Fatal("the bucket takes too long to fill")
	}

	pauses := natstest.WatchPauses()
	begin := time.Now()
	m := newMember(t, "new", c.URLs()).start(t)
	self := m.p.Record(t).ID()
	want, at16 := 0, make(map[int]int)
	for _, n := range nodes {
		if d := enr.LogDistance(self, n.ID()); at16[d] < 16 {
			at16[d]++
			want++
		}
	}
	known := 0
	proctest.Eventually(t, "the table is full", func() bool {
		known = 0
		for id := range m.knows(t) {
			if strings.Trim(id, "0") != "" {
				known++
			}
		}
		return known >= want*9/10
	})
	took, paused := time.Since(begin), pauses.Total()
	t.Logf("%d of %d nodes after %v; %v entries read", known, want, took.Round(10*time.Millisecond), m.metric(t, "fleet_nodes"))
	if took > natstest.Limit(10*time.Second, paused) {
		t.Errorf("the table was full after %v, with pauses of %v", took, paused)
	}
	proctest.Eventually(t, "all entries read", func() bool { return m.metric(t, "fleet_nodes") >= float64(total) })
}

// TestLyingEntries: a member ignores what is not valid, counts it, and leaves entries of newer
// versions alone, whatever other members write.
func TestLyingEntries(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1, "")
	_, js := c.Connect(t)
	good, newer := startNode(t, nil), startNode(t, nil)
	key, other := newKey(t), newKey(t)
	at := netip.MustParseAddrPort("127.0.0.1:9")
	r := sign(t, key, 1, at)
	bare, err := enr.NewBuilder().Sign(other)
	if err != nil {
		t.Fatal(err)
	}
	id := func(k *enr.PrivateKey) string { return k.ID().String() }
	broken := []byte(r.String())
	broken[20] ^= 1

	nodes := bucket(t, js, jetstream.KeyValueConfig{Bucket: "discv5-default_nodes"})
	put(t, nodes, good.ID().String(), func() entry { // of a newer program, with the same version
		e := nodeEntry(good.LocalRecord(), 1<<40)
		e["seen"], e["flavor"] = time.Now().Add(1000*time.Hour).Unix(), []int{1, 2}
		return e
	}())
	put(t, nodes, newer.ID().String(), entry{"v": 2, "payload": "of a newer version"})
	put(t, nodes, id(key), nodeEntry(sign(t, other, 1, at), 5)) // of another node
	put(t, nodes, id(newKey(t)), entry{"v": 1, "enr": string(broken), "seen": time.Now().Unix(), "score": 9})
	put(t, nodes, id(other), nodeEntry(bare, 1))                              // no endpoint
	put(t, nodes, id(newKey(t)), entry{"v": 1, "enr": r.String(), "seen": 5}) // long ago
	put(t, nodes, id(newKey(t)), []byte(`{"v":1,"enr":`))                     // cut
	put(t, nodes, id(newKey(t)), []byte(`{"v":-1}`))                          // no version
	put(t, nodes, id(newKey(t)), []byte(strings.Repeat(" ", 100<<10)))        // large
	put(t, nodes, "node", nodeEntry(r, 1))                                    // no ID
	// not the form of an ID
	put(t, nodes, strings.ToUpper(id(key)), nodeEntry(r, 1))
	bans := bucket(t, js, jetstream.KeyValueConfig{Bucket: "discv5-default_bans"})
	// neither key nor width
	put(t, bans, "evil.0000000000000000", entry{"v": 1, "target": "0.0.0.0/0"})
	put(t, bans, "nodots", entry{"v": 1, "target": "192.0.2.1"})
	members := bucket(t, js, jetstream.KeyValueConfig{Bucket: "discv5-default_members"})
	put(t, members, "evil", entry{"v": 1, "name": "good", "program": "<script>\x1b[2J"})
	put(t, members, "odd", entry{"v": 1, "name": "odd", "program": "<script>\x1b[2J", "role": "king", "load": entry{"table": -5}})

	m := newMember(t, "honest", c.URLs()).start(t)
	for _, cause := range []string{"version", "record", "endpoint", "old", "value", "size", "key"} {
		proctest.Eventually(t, "skipped because of "+cause, func() bool { return m.metric(t, fmt.Sprintf("fleet_skipped_total{cause=%q}", cause)) >= 1 })
	}
	proctest.Eventually(t, "newer fields", func() bool { return m.metric(t, "fleet_newer_fields_total") >= 1 })
	proctest.Eventually(t, "the good node is known", func() bool { return m.knows(t)[good.ID().String()] })
	known := m.knows(t)
	for _, k := range []*enr.PrivateKey{key, other} {
		if known[id(k)] {
			t.Errorf("node %s is in the table", id(k))
		}
	}
	if n := m.metric(t, "fleet_bans"); n != 0 {
		t.Errorf("%v bans are in force", n)
	}
	// The member meets the other node too. It must not replace the entry of the newer version.
	if _, err := newer.Ping(t.Context(), discv5.ContactOf(m.p.Record(t))); err != nil {
		t.Fatal(err)
	}
	proctest.Eventually(t, "the member has met the other node", func() bool { return m.knows(t)[newer.ID().String()] })
	proctest.Eventually(t, "the good node is written", func() bool {
		return m.metric(t, `fleet_nodes_written_total{result="written"}`)+m.metric(t, `fleet_nodes_written_total{result="current"}`) >= 1
	})
	time.Sleep(6 * time.Second) // a round of writes
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := nodes.Get(ctx, newer.ID().String())
	if err != nil || !strings.Contains(string(e.Value()), "of a newer version") {
		t.Errorf("the entry of a newer version was replaced: %v, %v", e, err)
	}
	if body, code := get(m.web + "/healthz"); code != 200 || !strings.HasPrefix(body, "ok\n") {
		t.Errorf("health: %d %s", code, body)
	}
}

// TestFullFleet: a fleet without room is degraded, and the bootnode works.
func TestFullFleet(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, extra string
		fill        bool
	}{
		{"no room for buckets", "jetstream { store_dir: \"DIR\", max_file: 1MB }", false},
		{"full bucket", "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Start(t, 1, test.extra)
			if test.fill {
				_, js := c.Connect(t)
				kv := bucket(t, js, jetstream.KeyValueConfig{Bucket: "discv5-default_nodes", MaxBytes: 4 << 10})
				put(t, kv, newKey(t).ID().String(), []byte(strings.Repeat(" ", 3900)))
			}
			s := &service{node: startNode(t, nil)}
			m := newMember(t, "m", c.URLs()).start(t)
			s.members = append(s.members, m)
			s.expect(t, "full", time.Second) // the node of the test enters the table
			proctest.Eventually(t, "the fleet is degraded", func() bool {
				return m.metric(t, "fleet_degraded") == 1 && m.metric(t, `fleet_errors_total{operation="write"}`) >= 1
			})
			proctest.Eventually(t, "the health says so", func() bool {
				body, code := get(m.web + "/healthz")
				return code == 200 && strings.Contains(body, "degraded: fleet: ")
			})
			s.expect(t, "full", time.Second)
		})
	}
}
