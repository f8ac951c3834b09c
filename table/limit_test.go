package table

import (
	"net/netip"
	"testing"
)

func TestPrefix(t *testing.T) {
	same := func(a, b string) bool { return prefixOf(netip.MustParseAddr(a)) == prefixOf(netip.MustParseAddr(b)) }
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"20.1.2.3", "20.1.2.200", true},
		{"20.1.2.3", "20.1.3.3", false},
		{"2a00:1:2:3::1", "2a00:1:2:ffff::2", true}, // another /64 of the same site
		{"2a00:1:2::1", "2a00:1:3::1", false},
		{"10.0.0.1", "127.0.0.1", true}, // both exempt
	} {
		if same(tt.a, tt.b) != tt.want {
			t.Errorf("%s and %s: same prefix %v", tt.a, tt.b, !tt.want)
		}
	}
	if prefixOf(netip.MustParseAddr("192.168.1.1")) != (prefix{}) {
		t.Error("private addresses must be exempt")
	}
}
