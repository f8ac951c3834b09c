package limits

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// target parses a valid target.
func target(s string) Target {
	t, err := ParseTarget(s)
	if err != nil {
		panic(s)
	}
	return t
}

const id1 = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	a := NewAccess(0)
	for _, s := range []string{"198.51.100.7", "203.0.113.0/24", "2001:db8::/32", "::ffff:192.0.2.0/120", "fe80::/10", "0.0.0.0/8", "255.0.0.0/8", "ff00::/8"} {
		must(t, a.Ban(target(s), 10*time.Second))
	}
	must(t, a.Ban(target("203.0.113.128/25"), 20*time.Second))
	for _, s := range []string{"203.0.113.64/26", "2001:db8:1::1", "198.51.0.0/16"} {
		must(t, a.Permit(target(s), 5*time.Second))
	}
	tests := []struct {
		addr              string
		at1s, at7s, at15s Verdict
	}{
		{"198.51.100.7", Permitted, Banned, Neutral}, // by the wider permit
		{"::ffff:198.51.100.7", Permitted, Banned, Neutral},
		{"198.51.100.8", Permitted, Neutral, Neutral},
		{"198.52.0.0", Neutral, Neutral, Neutral},
		{"203.0.112.255", Neutral, Neutral, Neutral},
		{"203.0.113.0", Banned, Banned, Neutral},
		{"203.0.113.63", Banned, Banned, Neutral},
		{"203.0.113.64", Permitted, Banned, Neutral},
		{"203.0.113.127", Permitted, Banned, Neutral},
		{"203.0.113.128", Banned, Banned, Banned}, // by the narrower ban, which ends later
		{"203.0.113.255", Banned, Banned, Banned},
		{"203.0.114.0", Neutral, Neutral, Neutral},
		{"2001:db8::1", Banned, Banned, Neutral},
		{"2001:db8:1::1", Permitted, Banned, Neutral},
		{"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Banned, Banned, Neutral},
		{"2001:db9::", Neutral, Neutral, Neutral},
		{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", Neutral, Neutral, Neutral},
		{"192.0.2.200", Banned, Banned, Neutral},
		{"192.0.3.0", Neutral, Neutral, Neutral},
		{"fe80::1%eth0", Banned, Banned, Neutral},
		{"0.0.0.0", Banned, Banned, Neutral},
		{"0.255.255.255", Banned, Banned, Neutral},
		{"255.255.255.255", Banned, Banned, Neutral},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Banned, Banned, Neutral},
		{"::", Neutral, Neutral, Neutral},
	}
	for _, tt := range tests {
		for now, want := range map[time.Duration]Verdict{time.Second: tt.at1s, 7 * time.Second: tt.at7s, 15 * time.Second: tt.at15s} {
			if got := a.Check(now, ip(tt.addr)); got != want {
				t.Errorf("%s at %v: %s, want %s", tt.addr, now, got, want)
			}
			if a.Blocked(now, ip(tt.addr)) != (want == Banned) {
				t.Errorf("%s at %v: Blocked does not agree with %s", tt.addr, now, want)
			}
		}
	}
	// The end of a ban is exclusive.
	if a.Blocked(10*time.Second, ip("203.0.113.0")) || !a.Blocked(10*time.Second-1, ip("203.0.113.0")) {
		t.Error("a ban does not end when it should")
	}
	if v := a.Check(0, netip.Addr{}); v != Neutral {
		t.Errorf("the invalid address is %s", v)
	}
}

func TestCheckID(t *testing.T) {
	a := NewAccess(0)
	one, two := [IDSize]byte{1}, [IDSize]byte{2}
	must(t, a.Ban(NodeTarget(one), 10*time.Second))
	must(t, a.Permit(NodeTarget(one), 5*time.Second))
	must(t, a.Ban(target("203.0.113.1"), Forever))
	for now, want := range map[time.Duration]Verdict{0: Permitted, 5 * time.Second: Banned, 10 * time.Second: Neutral} {
		if got := a.CheckID(now, &one); got != want {
			t.Errorf("at %v: %s, want %s", now, got, want)
		}
	}
	if a.BlockedID(6*time.Second, &two) || !a.BlockedID(6*time.Second, &one) {
		t.Error("BlockedID is wrong")
	}
	if !a.Remove(Ban, NodeTarget(one)) || a.Remove(Ban, NodeTarget(one)) || a.BlockedID(6*time.Second, &one) {
		t.Error("Remove does not remove a ban exactly once")
	}
	if a.CheckID(0, &one) != Permitted {
		t.Error("Remove of the ban removed the permit")
	}
	if n := a.Sweep(5 * time.Second); n != 1 || a.Len() != 1 {
		t.Errorf("swept %d, %d left", n, a.Len())
	}
	var none *Access
	if none.BlockedID(0, &one) || none.Blocked(0, ip("203.0.113.1")) {
		t.Error("a nil Access blocks")
	}
}

func TestRestrict(t *testing.T) {
	a := NewAccess(0)
	must(t, a.Restrict([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")}))
	must(t, a.Ban(target("10.2.0.0/16"), Forever))
	must(t, a.Permit(target("8.8.8.8"), Forever))
	want := map[string]Verdict{"10.1.2.3": Neutral, "10.2.0.1": Banned, "8.8.8.8": Outside, "::1": Outside, "11.0.0.0": Outside, "::ffff:10.0.0.1": Neutral}
	for s, v := range want {
		if got := a.Check(0, ip(s)); got != v || got.Blocked() != (v >= Banned) {
			t.Errorf("%s: %s, want %s", s, got, v)
		}
	}
	if err := a.Restrict([]netip.Prefix{{}}); !errors.Is(err, ErrTarget) || a.Check(0, ip("::1")) != Outside {
		t.Errorf("an invalid range: %v", err)
	}
	must(t, a.Restrict([]netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}))
	if a.Check(0, ip("10.1.2.3")) != Outside || a.Check(0, ip("2001:db8::1")) != Neutral {
		t.Error("the second netrestrict does not replace the first")
	}
	if list := a.List(0, time.Time{}); len(list) != 2 {
		t.Errorf("List: %v", list)
	}
	must(t, a.Restrict(nil))
	if a.Check(0, ip("8.8.4.4")) != Neutral || a.Len() != 2 {
		t.Error("the netrestrict is not lifted")
	}
}

func TestFull(t *testing.T) {
	a := NewAccess(3)
	must(t, a.Ban(target("192.0.2.1"), 5*time.Second))
	must(t, a.Ban(target(id1), 6*time.Second))
	must(t, a.Permit(target(id1), Forever))
	for _, add := range []error{
		a.Ban(target("192.0.2.2"), Forever), a.Permit(target("192.0.2.1"), Forever), a.Ban(NodeTarget([IDSize]byte{9}), Forever),
		a.Restrict([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}),
		a.Update(0, Ban, nil, []Rule{{Target: target("192.0.2.1"), For: time.Hour}, {Target: target("192.0.2.9")}}),
	} {
		if !errors.Is(add, ErrFull) {
			t.Errorf("error %v, want ErrFull", add)
		}
	}
	if a.Blocked(7*time.Second, ip("192.0.2.1")) || a.Len() != 3 {
		t.Error("a change that failed has changed something")
	}
	must(t, a.Ban(target("192.0.2.1"), 4*time.Second)) // one too many
	if n := a.Sweep(4*time.Second - 1); n != 0 {
		t.Errorf("swept %d too early", n)
	}
	if n := a.Sweep(4 * time.Second); n != 1 || a.Len() != 2 {
		t.Errorf("swept %d, %d left", n, a.Len())
	}
	if n := a.Sweep(time.Hour); n != 1 || a.CheckID(time.Hour, (*[IDSize]byte)(must32(id1))) != Permitted {
		t.Errorf("swept %d", n)
	}
	must(t, a.Ban(target("192.0.2.2"), Forever))
	if n := a.Sweep(Forever - 1); n != 0 {
		t.Errorf("swept %d entries that never expire", n)
	}
	for _, err := range []error{a.Ban(Target{}, Forever), a.Permit(AddrTarget(netip.Addr{}), Forever)} {
		if !errors.Is(err, ErrTarget) {
			t.Errorf("error %v, want ErrTarget", err)
		}
	}
	if err := a.Ban(target("::1"), 0); !errors.Is(err, ErrDuration) {
		t.Errorf("error %v, want ErrDuration", err)
	}
}

func must32(s string) []byte { id, _ := target(s).Node(); return id[:] }

func TestList(t *testing.T) {
	a := NewAccess(0)
	must(t, a.Ban(target("203.0.113.0/24"), time.Hour))
	must(t, a.Permit(target("203.0.113.7"), Forever))
	must(t, a.Ban(target("2001:db8::/32"), 2*time.Hour))
	must(t, a.Ban(target(id1), 3*time.Hour))
	must(t, a.Permit(target(id1), Forever))
	must(t, a.Ban(target("198.51.100.1"), time.Minute)) // expired
	wall := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	text, err := json.Marshal(a.List(30*time.Minute, wall))
	must(t, err)
	const want = `[{"target":"203.0.113.0/24","action":"ban","expires":"2026-01-02T03:34:05Z"},` +
		`{"target":"203.0.113.7","action":"permit"},` +
		`{"target":"2001:db8::/32","action":"ban","expires":"2026-01-02T04:34:05Z"},` +
		`{"target":"` + id1 + `","action":"ban","expires":"2026-01-02T05:34:05Z"},` +
		`{"target":"` + id1 + `","action":"permit"}]`
	if string(text) != want {
		t.Errorf("List:\n%s\nwant\n%s", text, want)
	}

	var entries []Entry
	for _, bad := range []string{`[{"target":"x","action":"ban"}]`, `[{"target":"::1","action":"drop"}]`} {
		if json.Unmarshal([]byte(bad), &entries) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if _, err := json.Marshal(Entry{}); err == nil {
		t.Error("the zero Entry has a JSON form")
	}
}

func TestUpdate(t *testing.T) {
	read := func(s string) []Rule {
		rules, err := ParseRules(strings.NewReader(s))
		must(t, err)
		return rules
	}
	a := NewAccess(0)
	must(t, a.Ban(target("198.51.100.1"), Forever)) // not a rule of the file
	first := read("192.0.2.1 10s\n192.0.2.2 10s\n192.0.2.3\n" + id1)
	must(t, a.Update(0, Ban, nil, first))
	second := read("192.0.2.1 10s\n192.0.2.2 20s\n2001:db8::1")
	must(t, a.Update(5*time.Second, Ban, first, second))
	for s, end := range map[string]time.Duration{
		"192.0.2.1": 10 * time.Second, "192.0.2.2": 25 * time.Second, "192.0.2.3": 0, "2001:db8::1": Forever, "198.51.100.1": Forever,
	} {
		if end > 0 && !a.Blocked(end-1, ip(s)) || end < Forever && a.Blocked(end, ip(s)) {
			t.Errorf("%s is not banned until %v", s, end)
		}
	}
	if a.BlockedID(6*time.Second, (*[IDSize]byte)(must32(id1))) {
		t.Error("a node ID stays banned that is no longer in the file")
	}
	// The last of two rules for a target counts, and a very late end does not overflow.
	must(t, a.Update(0, Permit, nil, read("192.0.2.0/24 300000h\n192.0.2.0/24 290000h")))
	if a.Check(time.Hour, ip("192.0.2.1")) != Permitted || a.Update(0, within, nil, nil) == nil {
		t.Error("Update of permits is wrong")
	}
}

// slow is an entry of the reference implementation, which has no index and no order.
type slow struct {
	target Target
	action Action
	until  time.Duration
}

func slowCheck(list []slow, now time.Duration, addr netip.Addr) Verdict {
	addr = addr.Unmap().WithZone("")
	restricted, inside, banned, permitted := false, false, false, false
	for _, e := range list {
		if e.target.node {
			continue
		}
		in := e.target.prefix.Contains(addr)
		switch {
		case e.action == within:
			restricted, inside = true, inside || in
		case in && e.action == Ban && now < e.until:
			banned = true
		case in && e.action == Permit && now < e.until:
			permitted = true
		}
	}
	switch {
	case restricted && !inside:
		return Outside
	case permitted:
		return Permitted
	case banned:
		return Banned
	}
	return Neutral
}

// put and take change the reference implementation as edit changes an Access.
func put(list []slow, e slow) []slow { return append(take(list, e.target, e.action), e) }
func take(list []slow, t Target, a Action) []slow {
	return slices.DeleteFunc(list, func(s slow) bool { return s.target == t && s.action == a })
}

// randomTarget draws from few bits, so that ranges are nested, adjacent and equal.
func randomTarget(rnd *rand.Rand) (Target, netip.Addr) {
	a := netip.AddrFrom4([4]byte{byte(rnd.IntN(2) * 255), byte(rnd.IntN(2) * 255), byte(rnd.IntN(4)), byte(rnd.IntN(3) * 127)})
	n := rnd.IntN(33)
	if rnd.IntN(2) == 0 {
		a = netip.AddrFrom16([16]byte{byte(rnd.IntN(2) * 255), byte(rnd.IntN(2)), 7: byte(rnd.IntN(4)), 8: byte(rnd.IntN(2)), 15: byte(rnd.IntN(3) * 127)})
		n = rnd.IntN(129)
	}
	return PrefixTarget(netip.PrefixFrom(a, n)), a
}

func TestAccessReference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	seen := [NumVerdicts]int{}
	for range 60 {
		a, list := NewAccess(0), []slow(nil)
		now := time.Duration(0)
		for range 60 {
			now += time.Duration(rnd.IntN(3))
			tg, _ := randomTarget(rnd)
			until := now + 1 + time.Duration(rnd.IntN(60))
			switch rnd.IntN(12) {
			case 0, 1, 2, 3, 4:
				must(t, a.Ban(tg, until))
				list = put(list, slow{tg, Ban, until})
			case 5, 6, 7:
				must(t, a.Permit(tg, until))
				list = put(list, slow{tg, Permit, until})
			case 8, 9:
				if len(list) > 0 {
					e := list[rnd.IntN(len(list))]
					if e.action != within && !a.Remove(e.action, e.target) {
						t.Fatalf("%s of %s is not there", e.action, e.target)
					}
					if e.action != within {
						list = take(list, e.target, e.action)
					}
				}
			case 10:
				list = slices.DeleteFunc(list, func(s slow) bool { return s.until <= now })
				a.Sweep(now)
			case 11:
				list = slices.DeleteFunc(list, func(s slow) bool { return s.action == within })
				var ranges []netip.Prefix
				for range rnd.IntN(3) {
					tg, _ := randomTarget(rnd)
					ranges = append(ranges, tg.prefix)
					list = put(list, slow{tg, within, Forever})
				}
				must(t, a.Restrict(ranges))
			}
			if a.Len() != len(list) {
				t.Fatalf("%d entries, reference %d", a.Len(), len(list))
			}
			for range 40 {
				_, addr := randomTarget(rnd)
				got, want := a.Check(now, addr), slowCheck(list, now, addr)
				if got != want {
					t.Fatalf("%s at %d: %s, reference %s; %v", addr, now, got, want, list)
				}
				seen[got]++
			}
		}
	}
	if slices.Min(seen[:]) < 100 {
		t.Errorf("verdicts seen: %v, which tests too little", seen)
	}
}

func TestAccessAllocs(t *testing.T) {
	a := NewAccess(0)
	must(t, a.Ban(target("203.0.113.0/24"), Forever))
	must(t, a.Ban(target(id1), Forever))
	id, other := [IDSize]byte(must32(id1)), [IDSize]byte{1}
	if n := testing.AllocsPerRun(1000, func() {
		a.Blocked(1, ip4)
		a.Blocked(1, ip6)
		a.BlockedID(1, &id)
		a.BlockedID(1, &other)
		a.Sweep(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var ip4, ip6 = ip("203.0.113.7"), ip("2001:db8::1")

// TestRaceAccess: readers see each change as a whole while others write.
func TestRaceAccess(t *testing.T) {
	a := NewAccess(0)
	id := [IDSize]byte{1}
	pair := []Rule{{Target: target("203.0.113.0/25")}, {Target: target("203.0.113.128/25")}, {Target: NodeTarget(id)}}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a.Blocked(1, ip4)
				a.BlockedID(1, &id)
				a.List(1, time.Time{})
				if n := a.Len(); n%3 != 0 {
					t.Errorf("%d entries: half a change", n)
					return
				}
			}
		})
	}
	for range 2 {
		writers.Go(func() {
			for range 300 {
				must(t, a.Update(0, Ban, nil, pair))
				a.Sweep(2)
				must(t, a.Update(0, Ban, pair, nil))
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if a.Len() != 0 || a.view.Load() != nil {
		t.Errorf("%d entries are left", a.Len())
	}
}
