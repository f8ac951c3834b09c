package hostaddr

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// machine is a system with given addresses and routes.
type machine struct {
	list   []Addr
	err    error
	routes map[string]string // source by destination; "" is the default
}

func (m *machine) Addrs() ([]Addr, error) { return m.list, m.err }

func (m *machine) Source(to netip.Addr) netip.Addr {
	s, ok := m.routes[to.String()]
	if !ok {
		s = m.routes[""]
	}
	a, _ := netip.ParseAddr(s)
	return a
}

func plain(s string) Addr      { return Addr{Prefix: netip.MustParsePrefix(s), Index: 1} }
func deprecated(s string) Addr { a := plain(s); a.Deprecated = true; return a }
func temporary(s string) Addr  { a := plain(s); a.Temporary = true; return a }
func tentative(s string) Addr  { a := plain(s); a.Tentative = true; return a }

// TestChoose: the result is the system's source address, or a stable one if that is temporary.
func TestChoose(t *testing.T) {
	near := func(to, from string) map[string]string { return map[string]string{to: from} }
	all := func(from string) map[string]string { return map[string]string{"": from} }
	elsewhere := plain("2a00:9::9/64")
	elsewhere.Index = 2
	for _, c := range []struct {
		name string
		m    machine
		f    netaddr.Family
		want string
	}{
		{"none", machine{}, netaddr.IPv4, ""},
		{"no list", machine{err: errors.New("no"), routes: all("91.1.1.1")}, netaddr.IPv4, "91.1.1.1"},
		{"no list and no route", machine{err: errors.New("no")}, netaddr.IPv4, ""},
		{"the second of two", machine{list: []Addr{plain("91.1.1.1/24"), plain("91.1.1.2/24")}, routes: all("91.1.1.2")}, netaddr.IPv4, "91.1.1.2"},
		{"private, with a public one on another interface", machine{list: []Addr{plain("91.1.1.1/32"), plain("10.0.0.5/24")}, routes: all("10.0.0.5")}, netaddr.IPv4, "10.0.0.5"},
		{"no route", machine{list: []Addr{plain("127.0.0.1/8"), plain("10.0.0.5/32")}}, netaddr.IPv4, "10.0.0.5"},
		{"no default route", machine{list: []Addr{plain("127.0.0.1/8"), plain("10.0.0.5/24"), plain("10.0.0.6/24")}, routes: near("10.0.0.7", "10.0.0.6")}, netaddr.IPv4, "10.0.0.6"},
		{"no default route, and a source of another class", machine{list: []Addr{plain("10.0.0.5/24")}, routes: all("127.0.0.1")}, netaddr.IPv4, "10.0.0.5"},
		{"link-local alone", machine{list: []Addr{plain("169.254.1.1/16")}, routes: all("169.254.1.1")}, netaddr.IPv4, ""},
		{"loopback alone", machine{list: []Addr{plain("127.0.0.1/8")}}, netaddr.IPv4, "127.0.0.1"},
		{"a default route by loopback", machine{list: []Addr{plain("127.0.0.1/8"), plain("10.0.0.5/32")}, routes: all("127.0.0.1")}, netaddr.IPv4, "10.0.0.5"},
		{"of the other family", machine{list: []Addr{plain("10.0.0.5/24")}}, netaddr.IPv6, ""},
		{"temporary", machine{list: []Addr{temporary("2a00::1/64"), elsewhere, plain("2a00::2/64")}, routes: all("2a00::1")}, netaddr.IPv6, "2a00::2"},
		{"temporary, a stable one elsewhere", machine{list: []Addr{temporary("2a00::1/64"), elsewhere}, routes: all("2a00::1")}, netaddr.IPv6, "2a00:9::9"},
		{"temporary alone", machine{list: []Addr{temporary("2a00::1/64")}, routes: all("2a00::1")}, netaddr.IPv6, "2a00::1"},
		{"temporary, and a private one", machine{list: []Addr{temporary("2a00::1/64"), plain("fd00::2/64")}, routes: all("2a00::1")}, netaddr.IPv6, "2a00::1"},
		{"deprecated", machine{list: []Addr{deprecated("2a00::1/64"), plain("2a00::2/64")}, routes: all("2a00::1")}, netaddr.IPv6, "2a00::2"},
		{"deprecated, no default route", machine{list: []Addr{deprecated("fd00::1/64"), plain("fd00::2/64")}}, netaddr.IPv6, "fd00::2"},
		{"temporary, no default route", machine{list: []Addr{temporary("fd00::1/64"), plain("fd00::2/64")}, routes: near("fd00::3", "fd00::1")}, netaddr.IPv6, "fd00::2"},
		{"tentative alone", machine{list: []Addr{tentative("2a00::1/64")}}, netaddr.IPv6, ""},
		{"tentative", machine{list: []Addr{tentative("2a00::1/64"), plain("fd00::2/64")}}, netaddr.IPv6, "fd00::2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkAddr(t, Choose(&c.m, c.f), c.want)
		})
	}
}

// checkAddr compares an address with its text, which is empty if there is none.
func checkAddr(t *testing.T, a netip.Addr, want string) {
	t.Helper()
	got := ""
	if a.IsValid() {
		got = a.String()
	}
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOnlyAddr: an address is the only one if the others are loopback and link-local, and if it is
// the system's source address.
func TestOnlyAddr(t *testing.T) {
	all := func(from string) map[string]string { return map[string]string{"": from} }
	for _, c := range []struct {
		name string
		m    machine
		f    netaddr.Family
		want string
	}{
		{"none", machine{}, netaddr.IPv4, ""},
		{"no list", machine{err: errors.New("no"), routes: all("91.1.1.1")}, netaddr.IPv4, ""},
		{"one", machine{list: []Addr{plain("127.0.0.1/8"), plain("91.1.1.1/24"), plain("2a00::1/64")}, routes: all("91.1.1.1")}, netaddr.IPv4, "91.1.1.1"},
		{"no route", machine{list: []Addr{plain("91.1.1.1/24")}}, netaddr.IPv4, ""},
		{"two", machine{list: []Addr{plain("91.1.1.1/24"), plain("10.0.0.1/24")}, routes: all("91.1.1.1")}, netaddr.IPv4, ""},
		{"a virtual one on loopback", machine{list: []Addr{plain("127.0.0.1/8"), plain("127.0.0.2/8"), plain("91.1.1.1/24")}, routes: all("91.1.1.1")}, netaddr.IPv4, ""},
		{"another source", machine{list: []Addr{plain("91.1.1.1/24")}, routes: all("91.1.1.2")}, netaddr.IPv4, ""},
		{"IPv6", machine{list: []Addr{plain("::1/128"), plain("fe80::1/64"), plain("2a00::1/64"), plain("91.1.1.1/24")}, routes: all("2a00::1")}, netaddr.IPv6, "2a00::1"},
		{"a temporary one besides", machine{list: []Addr{temporary("2a00::2/64"), plain("2a00::1/64")}, routes: all("2a00::1")}, netaddr.IPv6, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkAddr(t, OnlyAddr(&c.m, c.f), c.want)
		})
	}
}

func TestNeighbor(t *testing.T) {
	for _, c := range []struct{ of, want string }{
		{"10.0.0.1/24", "10.0.0.2"}, {"10.1.0.1/24", "10.1.0.3"}, {"10.0.0.255/24", "10.0.0.254"}, {"10.0.0.1/32", "invalid IP"}, {"fd00::1/64", "fd00::2"},
		{"fd00::/127", "fd00::1"}, {"fd00::1/128", "invalid IP"}, {"255.255.255.255/8", "255.255.255.254"},
	} {
		if got := neighbor([]Addr{plain("10.1.0.2/24")}, netip.MustParsePrefix(c.of)).String(); got != c.want {
			t.Errorf("neighbor of %s: %s, want %s", c.of, got, c.want)
		}
	}
}
