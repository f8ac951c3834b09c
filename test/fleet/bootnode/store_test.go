package bootnode

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// patientNode starts a node of the test that waits for answers while the machine is busy.
func patientNode(t testing.TB) *discv5.Node {
	t.Helper()
	return startNode(t, func(c *discv5.Config) { c.DetectAddress = -1 })
}

// degraded waits until the bootnode says that the fleet does not work, for a reason.
func (m *member) degraded(t testing.TB, reason string) {
	t.Helper()
	health, code := "", 0
	ok := false
	defer func() {
		if !ok {
			t.Errorf("health: %d %s; want the reason %q", code, health, reason)
		}
	}()
	proctest.Eventually(t, "the health of "+m.name+" says "+reason, func() bool {
		health, code = get(m.web + "/healthz")
		ok = code == 200 && strings.Contains(health, "degraded: fleet: ") && strings.Contains(strings.ToLower(health), strings.ToLower(reason))
		return ok
	})
	if m.metric(t, "fleet_degraded") != 1 {
		t.Error("the metric does not say degraded")
	}
}

// logs waits until the log of the bootnode has a line with all parts.
func (m *member) logs(t testing.TB, parts ...string) {
	t.Helper()
	proctest.Eventually(t, fmt.Sprintf("a line of the log with %q", parts), func() bool {
		for line := range strings.Lines(m.p.Log.String()) {
			all := true
			for _, part := range parts {
				all = all && strings.Contains(line, part)
			}
			if all {
				return true
			}
		}
		return false
	})
}

// TestReasons: with several servers a bootnode shows why each of them does not take it, in bounded
// length.
func TestReasons(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, others := newAuthority(t, dir, "ours"), newAuthority(t, dir, "others")
	cert := others.issue(t, "server", natstest.Loopback.Addr.AsSlice())
	private := natstest.Start(t, 1, "authorization { user: a, password: b }\n", nats.UserInfo("a", "b")).Servers[0]
	foreign := natstest.Start(t, 1, fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", cert.file, cert.key.file), nats.RootCAs(others.file)).Servers[0]
	away := fmt.Sprintf("127.0.0.1:%d", natstest.FreePort(t))
	alsoAway := fmt.Sprintf("127.0.0.1:%d", natstest.FreePort(t))
	urls := strings.Join([]string{"nats://u:hunter2@" + private.Address(), foreign.URL(), "nats://" + away, "nats://" + alsoAway}, ",")
	m := newMember(t, "m", urls).start(t)
	for _, want := range [][]string{
		{private.Address() + ": ", "Authorization Violation"},
		{foreign.Address() + ": ", "certificate signed by unknown authority"},
		{away, "connection refused"}, {alsoAway, "connection refused"},
	} {
		for _, part := range want {
			m.degraded(t, part)
		}
	}
	health, _ := get(m.web + "/healthz")
	if strings.Contains(health, "hunter2") || len(health) > 1500 || strings.Count(health, "connection refused") != 1 {
		t.Errorf("%d bytes: %s", len(health), health)
	}
	m.logs(t, "a server of the fleet refuses this member", "server="+private.Address(), "Authorization Violation")
	m.logs(t, "a server of the fleet refuses this member", "server="+foreign.Address(), "unknown authority")
	m.logs(t, "a server of the fleet is away", "server="+away)
	if n := strings.Count(m.p.Log.String(), "a server of the fleet"); n != 4 {
		t.Errorf("%d lines about servers, want one for each", n)
	}
	// The bootnode finds a server that accepts it among them.
	good := newMember(t, "good", urls+","+natstest.Start(t, 1, "").URLs(), "--fleet-ca", ours.file)
	good.args = good.args[:len(good.args)-2] // without TLS
	good.start(t).joins(t)
}

// TestRights: a bootnode whose user may not use JetStream, or not enough of it, serves and says why
// the fleet does not work. It joins as soon as it has the right.
func TestRights(t *testing.T) {
	t.Parallel()
	const users = "authorization { users: [ { user: admin, password: x }, { user: m, password: y, permissions: { RIGHTS } } ] }\n"
	const all = `publish: ">", subscribe: ">"`
	type trial struct {
		name, config, reason string
		grant                func(*testing.T, *natstest.Server)
	}
	trials := []trial{
		{"no JetStream", strings.ReplaceAll(users, "RIGHTS", `publish: { deny: "$JS.>" }`), "permissions violation", func(t *testing.T, s *natstest.Server) {
			s.Configure(t, `publish: { deny: "$JS.>" }`, all)
		}},
	}
	if !testing.Short() {
		trials = append(trials,
			trial{
				"an account without JetStream",
				"jetstream { store_dir: \"DIR\", max_file: 1GB }\naccounts { A: { jetstream: enabled, users: [ { user: admin, password: x } ] }, B: { users: [ { user: m, password: y } ] } }\n",
				"jetstream not enabled", func(t *testing.T, s *natstest.Server) { s.Configure(t, "B: {", "B: { jetstream: enabled,") },
			},
			trial{"reads only", strings.ReplaceAll(users, "RIGHTS", `publish: { deny: "$KV.>" }`), "permissions violation", func(t *testing.T, s *natstest.Server) {
				s.Configure(t, `publish: { deny: "$KV.>" }`, all)
			}},
			trial{"no answers", strings.ReplaceAll(users, "RIGHTS", `subscribe: { deny: "_INBOX.>" }`), "permissions violation", func(t *testing.T, s *natstest.Server) {
				s.Configure(t, `subscribe: { deny: "_INBOX.>" }`, all)
			}},
		)
	}
	// The rights that the manual names are enough.
	enough := natstest.Start(t, 1, strings.ReplaceAll(users, "RIGHTS", `publish: ["$JS.API.>", "$JS.FC.>", "$KV.>"], subscribe: "_INBOX.>"`), nats.UserInfo("admin", "x"))
	granted := newMember(t, "m", strings.ReplaceAll(enough.URLs(), "nats://", "nats://m:y@"), "--fleet-identity", "main").start(t)
	granted.joins(t)
	proctest.Eventually(t, "the bootnode has the identity", func() bool { return granted.metric(t, `fleet_role{role="active"}`) == 1 })
	if strings.Contains(granted.p.Log.String(), "Violation") {
		t.Errorf("the rights are not enough; log %s", granted.p.Log)
	}
	node := patientNode(t)
	for _, test := range trials {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := natstest.Start(t, 1, test.config, nats.UserInfo("admin", "x"))
			m := newMember(t, "m", strings.ReplaceAll(c.URLs(), "nats://", "nats://m:y@")).start(t)
			s := &service{node: node, members: []*member{m}}
			m.degraded(t, test.reason)
			m.logs(t, "the fleet does not do what it should", "level=WARN")
			if n := m.metric(t, `fleet_errors_total{operation="write"}`) + m.metric(t, `fleet_errors_total{operation="read"}`); n < 1 {
				t.Errorf("%v errors are counted", n)
			}
			s.expect(t, test.name, 500*time.Millisecond)
			test.grant(t, c.Servers[0])
			c.Servers[0].P.Signal(t, syscall.SIGHUP)
			m.joins(t)
		})
	}
}

// TestStrangeBuckets: a bootnode uses buckets that have other settings than it would give them,
// says so, and makes the ones that are deleted while it runs.
func TestStrangeBuckets(t *testing.T) {
	t.Parallel()
	c := natstest.Start(t, 1, "")
	_, js := c.Connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for _, cfg := range []jetstream.KeyValueConfig{
		{Bucket: "discv5-default_nodes", History: 9, MaxBytes: 1 << 20},
		{Bucket: "discv5-default_bans", Storage: jetstream.MemoryStorage, History: 1},
		{Bucket: "discv5-default_members", TTL: time.Hour, History: 1},
		// each lease is gone before the next one is written
		{Bucket: "discv5-default_leases", TTL: time.Second, History: 1},
	} {
		if _, err := js.CreateKeyValue(ctx, cfg); err != nil {
			t.Fatal(err)
		}
	}
	wanted := [][]string{{"nodes", "history 9 instead of 1"}, {"bans", "storage Memory instead of File"}, {"members", "TTL 1h0m0s instead of 1m0s"}}
	var args []string
	if !testing.Short() { // the first lease takes its time
		args = []string{"--fleet-identity", "main"}
		wanted = append(wanted, []string{"leases", "TTL 1s instead of without end"})
	}
	m := newMember(t, "m", c.URLs(), args...).start(t)
	s := &service{node: patientNode(t), members: []*member{m}}
	m.joins(t)
	for _, want := range wanted {
		m.logs(t, "other settings", "discv5-default_"+want[0], want[1])
	}
	s.expect(t, "strange buckets", 2*time.Second) // the node of the test enters the table
	written := func() bool {
		kv, err := js.KeyValue(ctx, "discv5-default_nodes")
		if err != nil {
			return false
		}
		_, err = kv.Get(ctx, s.node.ID().String())
		return err == nil
	}
	proctest.Eventually(t, "the node of the test is in the fleet", written)
	for _, name := range []string{"nodes", "bans", "members", "leases"} {
		if err := js.DeleteKeyValue(ctx, "discv5-default_"+name); err != nil {
			t.Fatal(err)
		}
	}
	s.expect(t, "deleted buckets", time.Second)
	if testing.Short() {
		return // the next look at all nodes takes half a minute
	}
	for _, name := range []string{"bans", "members", "leases", "nodes"} {
		proctest.Eventually(t, "bucket "+name+" is made once more", func() bool {
			_, err := js.KeyValue(ctx, "discv5-default_"+name)
			return err == nil
		})
	}
	m.joins(t)
	proctest.Eventually(t, "the node of the test is in the fleet once more", written)
	if n := m.metric(t, "fleet_losses_total"); n != 0 {
		t.Errorf("the identity was lost %v times", n)
	}
	s.expect(t, "new buckets", time.Second)
}

// TestFullDisk: the disk of the only server is full. The bootnode serves, says why the fleet does
// not work, and works with it once there is space and the server runs.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 seconds: make fleet runs it; TestFullFleet has a server without room")
	}
	t.Parallel()
	store := filepath.Join(t.TempDir(), "store")
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", store).CombinedOutput(); err != nil {
		t.Skipf("probed for a small disk, which takes root: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", store).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	c := natstest.Start(t, 1, fmt.Sprintf("jetstream { store_dir: %q, max_file: 8GB, sync_interval: always }\n", store))
	m := newMember(t, "m", c.URLs()).start(t)
	s := &service{node: patientNode(t), members: []*member{m}}
	m.joins(t)
	s.expect(t, "a disk with space", 500*time.Millisecond)
	filler := filepath.Join(store, "filler")
	err := os.WriteFile(filler, bytes.Repeat([]byte{1}, 8<<20), 0o600)
	if err == nil {
		t.Fatal("the disk has no end")
	}
	proctest.Eventually(t, "writes fail", func() bool { return m.metric(t, `fleet_errors_total{operation="write"}`) >= 1 })
	m.degraded(t, "")
	m.logs(t, "the fleet does not do what it should", "level=WARN")
	s.expect(t, "a full disk", time.Second)
	health, _ := get(m.web + "/healthz")
	t.Logf("health: %s", health)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	// The server has disabled JetStream and needs a restart.
	c.Servers[0].Kill(t)
	c.Servers[0].Start(t)
	m.joins(t)
	s.expect(t, "space once more", 500*time.Millisecond)
}
