package netaddr

import (
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
)

func TestPrefixOf(t *testing.T) {
	for _, tt := range []struct {
		addr string
		bits int
		want string
	}{
		{"192.0.2.77", 24, "192.0.2.0/24"},
		{"::ffff:192.0.2.77", 24, "192.0.2.0/24"},
		{"203.200.18.255", 20, "203.200.16.0/20"},
		{"1.2.3.4", 64, "1.2.3.4/32"},
		{"1.2.3.4", 0, "0.0.0.0/0"},
		{"2001:db8:1:2:3:4:5:6", 48, "2001:db8:1::/48"},
		{"2001:db8:1:2:3:4:5:6%eth0", 64, "2001:db8:1:2::/64"},
		{"2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2::/64"},
		{"2001:dff:1:2::", 29, "2001:df8::/29"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if got := PrefixOf(netip.MustParseAddr(tt.addr), tt.bits).String(); got != tt.want {
				t.Errorf("PrefixOf(%s, %d) = %s, want %s", tt.addr, tt.bits, got, tt.want)
			}
		})
	}
	if p := PrefixOf(netip.Addr{}, 24); !p.IsZero() || p.Netip().IsValid() {
		t.Errorf("prefix of the invalid address: %v", p)
	}
	if a, b := PrefixOf(netip.MustParseAddr("0.0.0.0"), 0), PrefixOf(netip.MustParseAddr("::"), 0); a == b || a.IsZero() {
		t.Error("prefixes of the two families must differ, and differ from the zero value")
	}
}

func TestFamily(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want Family
	}{{"1.2.3.4", IPv4}, {"::ffff:1.2.3.4", IPv4}, {"2001:db8::1", IPv6}, {"fe80::1%lo", IPv6}} {
		t.Run(tt.addr, func(t *testing.T) {
			f := FamilyOf(netip.MustParseAddr(tt.addr))
			if f != tt.want || f.Other() == f || f.String() != map[int]string{4: "IPv4", 6: "IPv6"}[f.Version()] {
				t.Errorf("family %v, version %d, want %v", f, f.Version(), tt.want)
			}
			site, wide := Site(netip.MustParseAddr(tt.addr)), Wide(netip.MustParseAddr(tt.addr))
			if site.Netip().Bits() <= wide.Netip().Bits() || !wide.Netip().Contains(site.Netip().Addr()) {
				t.Errorf("site %v does not lie in %v", site, wide)
			}
		})
	}
	if got, want := NormalizePort(netip.MustParseAddrPort("[::ffff:1.2.3.4]:5")).String(), "1.2.3.4:5"; got != want {
		t.Errorf("NormalizePort = %s, want %s", got, want)
	}
	if got, want := Normalize(netip.MustParseAddr("fe80::1%lo")).String(), "fe80::1"; got != want {
		t.Errorf("Normalize = %s, want %s", got, want)
	}
}

func TestFamilyJSON(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Family
		err  error
	}{{"4", IPv4, nil}, {"6", IPv6, nil}, {"0", 0, ErrFamily}, {"5", 0, ErrFamily}, {`"4"`, 0, ErrFamily}, {"null", 0, ErrFamily}} {
		t.Run(tt.text, func(t *testing.T) {
			var f Family
			if err := f.UnmarshalJSON([]byte(tt.text)); !errors.Is(err, tt.err) || f != tt.want {
				t.Errorf("got %v, %v", f, err)
			}
			if b, err := json.Marshal(f); tt.err == nil && (err != nil || string(b) != tt.text) {
				t.Errorf("encoded as %s, %v", b, err)
			}
		})
	}
}

func TestSameSite(t *testing.T) {
	addrs := []string{"1.2.3.4", "1.2.3.200", "1.2.4.4", "::1.2.3.4", "::", "2001:db8:1::1", "2001:db8:1:ffff::1", "2001:db8:2::1", "::ffff:0:1.2.3.4"}
	for _, x := range addrs {
		for _, y := range addrs {
			a, b := netip.MustParseAddr(x), netip.MustParseAddr(y)
			a16, b16 := a.As16(), b.As16()
			if got, want := SameSite(&a16, &b16), Site(a) == Site(b); got != want {
				t.Errorf("SameSite(%s, %s) = %v", x, y, got)
			}
		}
	}
}

func TestFamilySet(t *testing.T) {
	for _, tt := range []struct {
		set    FamilySet
		v4, v6 bool
	}{{0, false, false}, {IPv4.Set(), true, false}, {IPv6.Set(), false, true}, {IPv4.Set() | IPv6.Set(), true, true}} {
		if tt.set.Has(IPv4) != tt.v4 || tt.set.Has(IPv6) != tt.v6 {
			t.Errorf("set %b", tt.set)
		}
	}
}
