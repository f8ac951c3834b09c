package nat

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	ip := netip.MustParseAddr
	for _, c := range []struct {
		spec string
		want Config
		text string // of want
	}{
		{"", Config{}, "none"},
		{"none", Config{}, "none"},
		{"off", Config{}, "none"},
		{" ANY ", Config{Method: Any}, "any"},
		{"auto", Config{Method: Any}, "any"},
		{"UPnP", Config{Method: UPnP}, "upnp"},
		{"pmp", Config{Method: PMP}, "pmp"},
		{"natpmp:192.168.0.1", Config{Method: PMP, Addr: ip("192.168.0.1")}, "pmp:192.168.0.1"},
		{"pmp:::ffff:192.168.0.1", Config{Method: PMP, Addr: ip("192.168.0.1")}, "pmp:192.168.0.1"},
		{"extip:44.1.2.3", Config{Method: ExtIP, Addr: ip("44.1.2.3")}, "extip:44.1.2.3"},
		{"extip:10.0.0.7", Config{Method: ExtIP, Addr: ip("10.0.0.7")}, "extip:10.0.0.7"},
		{"extip:2001:db8::1", Config{Method: ExtIP, Addr: ip("2001:db8::1")}, "extip:2001:db8::1"},
		{"extip:[2001:db8::1]", Config{Method: ExtIP, Addr: ip("2001:db8::1")}, "extip:2001:db8::1"},
		{"stun:example.org", Config{Method: STUN, Server: "example.org:3478"}, "stun:example.org:3478"},
		{"stun:example.org:19302", Config{Method: STUN, Server: "example.org:19302"}, "stun:example.org:19302"},
		{"stun:192.0.2.1:5", Config{Method: STUN, Server: "192.0.2.1:5"}, "stun:192.0.2.1:5"},
		{"stun:[2001:db8::1]", Config{Method: STUN, Server: "[2001:db8::1]:3478"}, "stun:[2001:db8::1]:3478"},
		{"stun:[2001:db8::1]:5", Config{Method: STUN, Server: "[2001:db8::1]:5"}, "stun:[2001:db8::1]:5"},
	} {
		got, err := Parse(c.spec)
		if err != nil || got != c.want || got.String() != c.text {
			t.Errorf("Parse(%q) = %+v %q, %v; want %+v %q", c.spec, got, got, err, c.want, c.text)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("Parse(%q) = %+v, %v after %+v", got.String(), again, err, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ spec, says string }{
		{"upnpp", "unknown method"},
		{"198.51.100.7", "unknown method"},
		{"none:1", "takes no argument"},
		{"any:", "takes no argument"},
		{"upnp:192.168.0.1", "takes no argument"},
		{"pmp:", `"" is not an IP address`},
		{"pmp:router", `"router" is not an IP address`},
		{"pmp:2001:db8::1", "IPv4 only"},
		{"pmp:0.0.0.0", "unspecified"},
		{"extip", "needs an address"},
		{"extip:example.org", "is not an IP address"},
		{"extip:1.2.3.4:30303", "is not an IP address"},
		{"extip:::", "unspecified"},
		{"extip:224.0.0.1", "multicast"},
		{"extip:255.255.255.255", "broadcast"},
		{"extip:fe80::1%eth0", "zone"},
		{"stun", "needs a server"},
		{"stun:", "is not a host name"},
		{"stun::3478", "is not a host name"},
		{"stun:2001:db8::1", "write [2001:db8::1]:port"},
		{"stun:host:0", "port"},
		{"stun:host:65536", "port"},
		{"stun:host:http", "port"},
		{"stun:ho st:1", "is not a host name"},
		{"stun:a:b:c", "is not host:port"},
		{"stun:[x:y]:1", "is not an IPv6 address"},
		{"stun:" + strings.Repeat("a", 254), "is not a host name"},
	} {
		got, err := Parse(c.spec)
		if !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), c.says) || got != (Config{}) {
			t.Errorf("Parse(%q) = %+v, %v; want an error with %q", c.spec, got, err, c.says)
		}
	}
}

func TestNewMapperErrors(t *testing.T) {
	good := Options{Port: 9000, Report: func(Event) {}}
	for _, c := range []struct {
		name string
		cfg  Config
		opt  func(*Options)
		want error
	}{
		{"no report", Config{}, func(o *Options) { o.Report = nil }, ErrOptions},
		{"no port", Config{}, func(o *Options) { o.Port = 0 }, ErrOptions},
		{"short lease", Config{}, func(o *Options) { o.Lease = MinLease - 1 }, ErrOptions},
		{"long lease", Config{}, func(o *Options) { o.Lease = MaxLease + 1 }, ErrOptions},
		{"long description", Config{}, func(o *Options) { o.Description = strings.Repeat("a", 65) }, ErrOptions},
		{"upnp over ipv6", Config{Method: UPnP}, func(o *Options) { o.IPv6 = true }, ErrOptions},
		{"any over ipv6", Config{Method: Any}, func(o *Options) { o.IPv6 = true }, ErrOptions},
		{"pmp over ipv6", Config{Method: PMP}, func(o *Options) { o.IPv6 = true }, ErrOptions},
		{"method out of range", Config{Method: 77}, func(*Options) {}, ErrSpec},
		{"extip without address", Config{Method: ExtIP}, func(*Options) {}, ErrSpec},
		{"pmp with ipv6 gateway", Config{Method: PMP, Addr: netip.MustParseAddr("::1")}, func(*Options) {}, ErrSpec},
		{"stun without server", Config{Method: STUN}, func(*Options) {}, ErrSpec},
		{"stun with bad server", Config{Method: STUN, Server: "a:b:c"}, func(*Options) {}, ErrSpec},
	} {
		o := good
		c.opt(&o)
		if m, err := NewMapper(c.cfg, o); !errors.Is(err, c.want) || m != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := NewMapper(Config{Method: STUN, Server: "stun.example.org:3478"}, good); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "any", "pmp:1.2.3.4", "extip:[::1]", "stun:[::1]:1", "stun:a.b:1", "stun:::1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := Parse(s)
		if err != nil {
			if !errors.Is(err, ErrSpec) {
				t.Fatal(err)
			}
			return
		}
		if again, err := Parse(c.String()); err != nil || again != c {
			t.Fatalf("%q: %+v became %+v, %v", s, c, again, err)
		}
		if err := c.check(); err != nil {
			t.Fatal(err)
		}
	})
}
