package bootnode

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/test/fleet/internal/natstest"
)

// takeoverTime is how long a standby may take to answer after a failure, on a machine that does
// nothing else.
const takeoverTime = 10 * time.Second

// TestIdentity: two bootnodes share an identity. Whatever happens to the active one, the standby
// answers within ten seconds, with a sequence number that does not fall back, and no two of them
// ever answer.
func TestIdentity(t *testing.T) {
	t.Parallel()
	whole := t // what a part starts lasts until the end
	c := natstest.Start(t, 3, "")
	_, js := c.Connect(t)
	key := newKey(t)
	file := keyFile(t, key)
	links, urls := proxies(t, c)
	// The first one reaches the fleet through proxies.
	a := newMember(t, "a", urls, "--fleet-identity", "main", "--nodekey", file).start(t)
	p := probe(t, key, a.addr)
	p.end()
	b := newMember(t, "b", c.URLs(), "--fleet-identity", "main", "--nodekey", file)
	p = probe(t, key, a.addr, b.addr)
	p.waitFor(t, 0, time.Now())
	b.start(t)
	proctest.Eventually(t, "the second one stands by", func() bool { return b.metric(t, `fleet_role{role="standby"}`) == 1 })
	if body, code := get(b.web + "/healthz"); code != 200 {
		t.Errorf("health of a standby: %d %s", code, body)
	}
	members := []*member{a, b}
	active := 0
	// takeover expects that the other one answers soon after a failure that happened at a moment.
	takeover := func(t *testing.T, failed time.Time) {
		t.Helper()
		other := 1 - active
		pauses := natstest.WatchPauses()
		took := p.waitFor(t, other, failed).Sub(failed)
		paused := pauses.Total()
		t.Logf("the standby answered after %v", took.Round(10*time.Millisecond))
		if took > natstest.Limit(takeoverTime, paused) {
			t.Errorf("the standby took %v, with pauses of %v", took, paused)
		}
		active = other
		p.check(t)
	}
	standsBy := func(m *member) {
		t.Helper()
		proctest.Eventually(t, m.name+" stands by", func() bool { return m.metric(t, `fleet_role{role="standby"}`) == 1 })
	}

	t.Run("killed", func(t *testing.T) {
		killed := members[active]
		failed := time.Now()
		killed.p.End(t, os.Kill)
		takeover(t, failed)
		killed.start(whole)
		standsBy(killed)
	})
	t.Run("ended", func(t *testing.T) {
		ended := members[active]
		if code := ended.p.End(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
		takeover(t, time.Now())
		ended.start(whole)
		standsBy(ended)
	})
	t.Run("paused", func(t *testing.T) {
		if active == 1 { // each of them is paused once, in turn
			t.Log("the second one is paused")
		}
		paused := members[active]
		failed := time.Now()
		paused.p.Signal(t, syscall.SIGSTOP)
		takeover(t, failed)
		before := p.count(1 - active)
		paused.p.Signal(t, syscall.SIGCONT)
		standsBy(paused)
		time.Sleep(time.Second)
		if n := p.count(1-active) - before; n != 0 {
			t.Errorf("a bootnode that was replaced during a pause has answered %d times", n)
		}
		p.check(t)
	})
	t.Run("partitioned", func(t *testing.T) {
		if active != 0 { // the first one has the proxies
			failed := time.Now()
			members[active].p.End(t, os.Kill)
			takeover(t, failed)
			members[1].start(whole)
			standsBy(members[1])
		}
		failed := time.Now()
		for _, l := range links {
			l.set(true)
		}
		takeover(t, failed)
		if body, code := get(a.web + "/healthz"); code != 503 || !strings.HasPrefix(body, "silent: ") {
			t.Errorf("health behind the partition: %d %s", code, body)
		}
		proctest.Eventually(t, "the bootnode behind the partition drops datagrams", func() bool { return a.metric(t, "silenced_total") >= 1 })
		before := p.count(0)
		for _, l := range links {
			l.set(false)
		}
		standsBy(a)
		if n := p.count(0) - before; n != 0 {
			t.Errorf("after the partition the bootnode that was replaced has answered %d times", n)
		}
		p.check(t)
	})
	t.Run("leader killed", func(t *testing.T) {
		leader := c.Leader(t, js, "discv5-default_leases")
		answered := p.count(0) + p.count(1)
		leader.Kill(t)
		killed := time.Now()
		// Servers elect a new leader in up to nine seconds. The active one may be silent meanwhile.
		pauses := natstest.WatchPauses()
		gap, during := time.Duration(0), 15*time.Second
		if testing.Short() {
			during = 8 * time.Second
		}
		for last := time.Now(); time.Since(killed) < during; time.Sleep(10 * time.Millisecond) {
			if n := p.count(0) + p.count(1); n != answered {
				answered, last = n, time.Now()
			}
			gap = max(gap, time.Since(last))
		}
		t.Logf("the longest time without an answer was %v", gap.Round(10*time.Millisecond))
		if paused := pauses.Total(); gap > natstest.Limit(takeoverTime, paused) {
			t.Errorf("nobody has answered for %v, with pauses of %v", gap, paused)
		}
		p.check(t)
		leader.Start(whole)
	})
}
