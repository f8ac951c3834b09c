package bootnode

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// service pings bootnodes for a while and fails the test if one of them does not answer.
type service struct {
	node    *discv5.Node
	members []*member
}

// expect requires answers of all running members for a time.
func (s *service) expect(t testing.TB, what string, during time.Duration) {
	t.Helper()
	failed := 0
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, m := range s.members {
			if !m.p.Running() {
				continue
			}
			// The machine may be busy: two PINGs in a row must fail.
			if _, err := s.node.Ping(t.Context(), discv5.ContactOf(m.p.Record(t))); err == nil {
				continue
			}
			if _, err := s.node.Ping(t.Context(), discv5.ContactOf(m.p.Record(t))); err != nil {
				if failed++; failed > 2 {
					t.Fatalf("%s: bootnode %s does not answer: %v", what, m.name, err)
				}
			}
		}
	}
	for _, m := range s.members {
		if body, code := get(m.web + "/healthz"); m.p.Running() && (code != 200 || !strings.HasPrefix(body, "ok\n")) {
			t.Errorf("%s: health of %s: %d %s", what, m.name, code, body)
		}
	}
}

// TestThreeBootnodes: a fleet of three bootnodes and three servers works while any one of them is
// killed, and the bootnodes work without any server.
func TestThreeBootnodes(t *testing.T) {
	t.Parallel()
	whole := t
	c := natstest.Start(t, 3, "")
	s := &service{node: startNode(t, func(c *discv5.Config) { c.DetectAddress = -1 })}
	bans := filepath.Join(t.TempDir(), "bans")
	if err := os.WriteFile(bans, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		s.members = append(s.members, newMember(t, name, c.URLs(), "--ban-file", bans).start(t))
	}
	a, b := s.members[0], s.members[1]
	all := func(t testing.TB, what, metric string, want float64) {
		t.Helper()
		for _, m := range s.members {
			if m.p.Running() {
				proctest.Eventually(t, what+": "+metric+" of "+m.name, func() bool { return m.metric(t, metric) == want })
			}
		}
	}
	all(t, "start", "fleet_members", 3)
	// Nobody has named a bootnode: they know each other from the fleet.
	for _, m := range s.members {
		proctest.Eventually(t, m.name+" knows the others", func() bool { return len(m.knows(t)) >= 2 })
	}
	s.expect(t, "start", time.Second)

	t.Run("ban", func(t *testing.T) {
		banned := startNode(t, func(c *discv5.Config) {
			c.ListenAddrs, c.RequestTimeout = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.9:0")}, time.Second
		})
		answers := func() bool {
			_, err := banned.Ping(t.Context(), discv5.ContactOf(b.p.Record(t)))
			return err == nil
		}
		proctest.Eventually(t, "an answer before the ban", answers)
		if err := os.WriteFile(bans, []byte("127.0.0.9\n10.0.0.0/8\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		a.p.Signal(t, syscall.SIGHUP)
		proctest.Eventually(t, "the ban reaches another bootnode", func() bool { return b.metric(t, "fleet_bans") == 1 && !answers() })
		if n := a.metric(t, `fleet_skipped_total{cause="ban"}`); n < 1 {
			t.Errorf("%v wide bans were not shared", n)
		}
		if testing.Short() {
			return
		}
		if err := os.WriteFile(bans, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		a.p.Signal(t, syscall.SIGHUP)
		proctest.Eventually(t, "the end of the ban reaches it", func() bool { return b.metric(t, "fleet_bans") == 0 && answers() })
	})
	for i, server := range c.Servers {
		if testing.Short() && i > 0 {
			break
		}
		t.Run("server "+server.Name+" killed", func(t *testing.T) {
			server.Kill(t)
			s.expect(t, "a server is killed", 4*time.Second)
			all(t, "a server is killed", "fleet_connected", 1)
			all(t, "a server is killed", "fleet_degraded", 0)
			all(t, "a server is killed", "fleet_members", 3)
			server.Start(whole)
			c.Ready(t)
		})
	}
	t.Run("bootnode killed", func(t *testing.T) {
		killed := s.members[2]
		killed.p.End(t, os.Kill)
		s.expect(t, "a bootnode is killed", time.Second)
		all(t, "a bootnode is killed", "fleet_members", 2)
		killed.start(whole)
		all(t, "the bootnode is back", "fleet_members", 3)
	})
	t.Run("all servers hang", func(t *testing.T) {
		for _, server := range c.Servers {
			server.P.Signal(t, syscall.SIGSTOP)
		}
		s.expect(t, "all servers hang", 5*time.Second)
		all(t, "all servers hang", "fleet_degraded", 1)
		proctest.Eventually(t, "the health says so", func() bool {
			body, code := get(a.web + "/healthz")
			return code == 200 && strings.Contains(body, "degraded: fleet: ")
		})
		// Its rendering is kept for a second.
		proctest.Eventually(t, "the status says so", func() bool {
			body, _ := get(a.web + "/status")
			return strings.Contains(body, "The fleet does not work")
		})
		for _, server := range c.Servers {
			server.P.Signal(t, syscall.SIGCONT)
		}
		all(t, "the servers are back", "fleet_degraded", 0)
		s.expect(t, "the servers are back", time.Second)
	})
}

// TestNoServer: a bootnode whose fleet is away starts without delay and works.
func TestNoServer(t *testing.T) {
	t.Parallel()
	s := &service{node: startNode(t, nil)}
	pauses := natstest.WatchPauses()
	begin := time.Now()
	s.members = append(s.members, newMember(t, "alone", "nats://127.0.0.1:9,nats://127.0.0.1:19").start(t))
	s.members[0].p.Record(t)
	if took, paused := time.Since(begin), pauses.Total(); took > natstest.Limit(5*time.Second, paused) {
		t.Errorf("the start took %v, with pauses of %v", took, paused)
	}
	proctest.Eventually(t, "the pages are served", func() bool { return s.members[0].metric(t, "fleet_degraded") == 1 })
	s.expect(t, "without servers", time.Second)
	if code := s.members[0].p.End(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
