package bootnode

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// TestPartition: a partition separates three servers, with one bootnode of an identity on each
// side. The one with the two servers answers, the one with the single server never does, whichever
// had the lease before. When the sides meet again, both are members once more.
func TestPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: make fleet runs it; TestIdentity has a partition between a bootnode and all servers")
	}
	t.Parallel()
	if !natstest.InNamespaces(t, program, 4*time.Minute) {
		return
	}
	whole := t
	sides := natstest.Sides(t, 2)
	many, few := sides[0], sides[1]
	c := natstest.StartAt(t, []natstest.Place{many, many, few}, "")
	_, js := c.Connect(t)
	key := newKey(t)
	args := []string{"--fleet-identity", "main", "--nodekey", keyFile(t, key)}
	members := []*member{newMemberAt(t, many, "many", c.URLs(), args...), newMemberAt(t, few, "few", c.URLs(), args...)}
	p := probe(t, key, members[0].addr, members[1].addr)
	standsBy := func(t *testing.T, m *member) {
		t.Helper()
		proctest.Eventually(t, m.name+" stands by", func() bool { return m.metric(t, `fleet_role{role="standby"}`) == 1 })
	}
	works := func(t *testing.T) {
		t.Helper()
		for _, m := range members {
			proctest.Eventually(t, m.name+" is a member", func() bool {
				return m.metric(t, "fleet_degraded") == 0 && m.metric(t, "fleet_members") == 2
			})
		}
	}
	members[0].start(t)
	p.waitFor(t, 0, time.Now())
	members[1].start(t)
	standsBy(t, members[1])
	works(t)

	t.Run("standby in the minority", func(t *testing.T) {
		t.Logf("%s leads the bucket of leases", c.Leader(t, js, "discv5-default_leases").Name)
		before := p.count(1)
		begin := time.Now() // the system may take its time to return from the call
		natstest.Partition(t, true)
		// Servers elect leaders, which may take as long as the lease.
		pauses := natstest.WatchPauses()
		gap, answered := time.Duration(0), p.count(0)
		for last := begin; time.Since(begin) < 25*time.Second; time.Sleep(10 * time.Millisecond) {
			if n := p.count(0); n != answered {
				answered, last = n, time.Now()
			}
			gap = max(gap, time.Since(last))
		}
		t.Logf("the longest time without an answer was %v", gap.Round(10*time.Millisecond))
		if paused := pauses.Total(); gap > natstest.Limit(20*time.Second, paused) {
			t.Errorf("nobody has answered for %v, with pauses of %v", gap, paused)
		}
		if n := p.count(1) - before; n != 0 {
			t.Errorf("the standby has answered %d times", n)
		}
		members[1].degraded(t, "")
		if body, code := get(members[1].web + "/healthz"); code != 200 || !strings.Contains(body, "standing by") {
			t.Errorf("health of the standby: %d %s", code, body)
		}
		p.check(t)
		natstest.Partition(t, false)
		works(t)
		p.waitFor(t, 0, time.Now())
		p.check(t)
	})
	t.Run("active in the minority", func(t *testing.T) {
		members[0].p.End(t, syscall.SIGTERM)
		p.waitFor(t, 1, time.Now())
		members[0].start(whole)
		standsBy(t, members[0])
		works(t)
		p.waitFor(t, 1, time.Now())
		t.Logf("%s leads the bucket of leases", c.Leader(t, js, "discv5-default_leases").Name)
		begin := time.Now() // the system may take its time to return from the call
		natstest.Partition(t, true)
		pauses := natstest.WatchPauses()
		took := p.waitFor(t, 0, begin).Sub(begin)
		t.Logf("the standby answered after %v", took.Round(10*time.Millisecond))
		if paused := pauses.Total(); took > natstest.Limit(20*time.Second, paused) {
			t.Errorf("the standby took %v, with pauses of %v", took, paused)
		}
		before := p.count(1)
		proctest.Eventually(t, "the health says that the bootnode is silent", func() bool {
			body, code := get(members[1].web + "/healthz")
			return code == 503 && strings.HasPrefix(body, "silent: ")
		})
		if n := members[1].metric(t, "silenced_total"); n < 1 {
			t.Errorf("the silent bootnode has dropped %v datagrams", n)
		}
		time.Sleep(8 * time.Second) // longer than a lease
		if n := p.count(1) - before; n != 0 {
			t.Errorf("the bootnode in the minority has answered %d times", n)
		}
		p.check(t)
		natstest.Partition(t, false)
		standsBy(t, members[1])
		works(t)
		p.waitFor(t, 0, time.Now())
		if n := p.count(1) - before; n != 0 {
			t.Errorf("the bootnode that was replaced has answered %d times", n)
		}
		p.check(t)
	})
}
