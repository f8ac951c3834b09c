package xdp

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// fakeRoutes is a system with one route and some neighbors.
type fakeRoutes struct {
	index     int
	via       netip.Addr
	neighbors map[netip.Addr][6]byte
}

func (r fakeRoutes) NextHop(_, _ netip.Addr) (int, netip.Addr, bool) {
	return r.index, r.via, r.index != 0
}

func (r fakeRoutes) Neighbor(_ int, a netip.Addr) ([6]byte, bool) {
	m, ok := r.neighbors[a]
	return m, ok
}

func TestCheckPath(t *testing.T) {
	router, mac := netip.MustParseAddr("192.0.2.1"), [6]byte{2, 0, 0, 0, 0, 1}
	known := map[netip.Addr][6]byte{router: mac}
	p := path{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("192.0.2.2"), macOf(mac[:])}
	for _, c := range []struct {
		name string
		r    fakeRoutes
		want verdict
		why  string
	}{
		{"the same way", fakeRoutes{3, router, known}, verdictSame, ""},
		{"no route", fakeRoutes{}, verdictUnknown, "no route"},
		{"another interface", fakeRoutes{4, router, known}, verdictOther, "another interface"},
		{"an unknown neighbor", fakeRoutes{3, router, nil}, verdictUnknown, "not known"},
		{"another neighbor", fakeRoutes{3, router, map[netip.Addr][6]byte{router: {2, 0, 0, 0, 0, 9}}}, verdictOther, "02:00:00:00:00:09"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, why := checkPath(c.r, 3, p)
			if v != c.want || !strings.Contains(why, c.why) {
				t.Errorf("%d %q, want %d %q", v, why, c.want, c.why)
			}
		})
	}
}

func TestPathTable(t *testing.T) {
	now := time.Unix(1000, 0)
	table := newPathTable()
	if table.why(now) == "" || table.publish().proven(7) {
		t.Error("something is proven at the start")
	}
	if table.note(7, verdictUnknown, "not yet", now) || table.publish().proven(7) {
		t.Error("an unknown neighbor is proven")
	}
	if !table.note(7, verdictSame, "", now) || !table.publish().proven(7) || table.why(now) != "" {
		t.Error("a good check proves nothing")
	}
	if table.publish().proven(8) || table.publish().proven(0) {
		t.Error("another neighbor is proven")
	}
	table.note(8, verdictSame, "", now)
	if p := table.publish(); !p.proven(7) || !p.proven(8) {
		t.Error("one of two neighbors is not proven")
	}
	if !table.note(7, verdictOther, "elsewhere", now) || table.publish().proven(7) || !table.publish().proven(8) {
		t.Error("a bad check has not taken the proof, or another one")
	}
	if table.why(now) != "elsewhere" {
		t.Errorf("reason %q", table.why(now))
	}
	if table.note(7, verdictSame, "", now.Add(distrust/2)) || table.publish().proven(7) {
		t.Error("proven again too early")
	}
	later := now.Add(distrust + time.Second)
	if !table.note(7, verdictSame, "", later) || !table.publish().proven(7) || table.why(later) != "" {
		t.Error("not proven after the time of distrust")
	}
	for i := range uint64(2 * maxProven) {
		table.note(1000+i, verdictSame, "", later)
		table.note(5000+i, verdictOther, "many", later)
	}
	if len(table.proven) > maxProven || len(table.bad) > maxProven {
		t.Errorf("%d proven and %d bad neighbors, want %d at most", len(table.proven), len(table.bad), maxProven)
	}
}

// TestSuspects: a flood of senders takes a bounded number of checks.
func TestSuspects(t *testing.T) {
	var s samples
	for i := range uint64(100) {
		s.suspect(&origin{sender: 1 + i/2})
	}
	if s.n != maxSuspects {
		t.Errorf("%d suspects, want %d", s.n, maxSuspects)
	}
	for i, p := range s.suspects {
		if p.sender != uint64(i+1) {
			t.Errorf("suspect %d is %d", i, p.sender)
		}
	}
}

func TestParseInterface(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Interface
		ok   bool
	}{
		{"eth0", Interface{"eth0", NativeZeroCopy}, true},
		{"eth0=auto", Interface{"eth0", NativeZeroCopy}, true},
		{"eth0=native", Interface{"eth0", NativeCopy}, true},
		{"eth0=generic", Interface{"eth0", Generic}, true},
		{"", Interface{}, false},
		{"=native", Interface{}, false},
		{"eth0=", Interface{}, false},
		{"eth0=fast", Interface{}, false},
		{"eth 0", Interface{}, false},
		{"../eth0", Interface{}, false},
		{"sixteen-letters-", Interface{}, false},
	} {
		got, err := ParseInterface(c.in)
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%q: %v, %v", c.in, got, err)
		}
	}
}
