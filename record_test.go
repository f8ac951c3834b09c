package discv5

import (
	"net/netip"
	"testing"
	"time"
)

// The record names no address that fewer can reach beside another one, which others would refuse,
// unless it was told to.
func TestRecordOfOneReach(t *testing.T) {
	const private4, public4, private6, public6 = "192.168.1.5:9000", "9.9.9.9:9000", "[fd00::5]:9000", "[2a00:1450::5]:9000"
	for name, c := range map[string]struct {
		bound, advertise []string
		want4, want6     string
	}{
		"public":                {[]string{public4, public6}, nil, public4, public6},
		"private":               {[]string{private4, private6}, nil, private4, private6},
		"public IPv4":           {[]string{public4, private6}, nil, public4, ""},
		"public IPv6":           {[]string{private4, public6}, nil, "", public6},
		"link-local IPv6":       {[]string{private4, "[fe80::5]:9000"}, nil, private4, ""},
		"loopback IPv4":         {[]string{"127.0.0.1:9000", private6}, nil, "", private6},
		"one of a family":       {[]string{private6, public4, public6}, nil, public4, public6},
		"advertised IPv4":       {[]string{private4, private6}, []string{public4}, public4, ""},
		"advertised in private": {[]string{private4, public6}, []string{private4}, private4, public6},
		"advertised both":       {nil, []string{public4, private6}, public4, private6},
	} {
		t.Run(name, func(t *testing.T) {
			parse := func(list []string) (addrs []netip.AddrPort) {
				for _, s := range list {
					addrs = append(addrs, netip.MustParseAddrPort(s))
				}
				return addrs
			}
			cfg, err := Config{Advertise: parse(c.advertise)}.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			a, err := chooseEndpoints(&cfg, parse(c.bound), nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := makeRecord(&cfg, a.end, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			text := func(a netip.AddrPort) string {
				if !a.IsValid() {
					return ""
				}
				return a.String()
			}
			if got4, got6 := endpoints(r); text(got4) != c.want4 || text(got6) != c.want6 {
				t.Errorf("%v and %v, want %q and %q", got4, got6, c.want4, c.want6)
			}
		})
	}
}
