package engine

import (
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/wiretest"
	"github.com/fastdisc/discv5/table"
)

// S20, S31: of the endpoints of a record that a peer hands out, those count that the peer can know
// and that are no services, each by itself.
func TestS20NamedEndpoints(t *testing.T) {
	nw := newNetwork(t)
	a := nw.add("20.0.0.1:9000", nil)
	for _, c := range []struct {
		name, v4, v6 string
		by           table.AddrClass
		want         string
	}{
		{"both public", "30.1.1.1:9000", "[2a01::1]:9000", table.Global, "30.1.1.1:9000"},
		{"private IPv6 beside", "30.1.1.1:9000", "[fd00::1]:9000", table.Global, "30.1.1.1:9000"},
		{"private IPv4 beside", "10.0.0.1:9000", "[2a01::1]:9000", table.Global, "[2a01::1]:9000"},
		{"private IPv6 alone", "", "[fd00::1]:9000", table.Global, ""},
		{"loopback IPv6 alone", "", "[::1]:9000", table.Global, ""},
		{"link-local IPv6 alone", "", "[fe80::1]:9000", table.Global, ""},
		{"private IPv4 alone", "10.0.0.1:9000", "", table.Global, ""},
		{"both private", "10.0.0.1:9000", "[fd00::1]:9000", table.Global, ""},
		{"low port of IPv4", "30.1.1.1:53", "[2a01::1]:9000", table.Global, "[2a01::1]:9000"},
		{"low port of IPv6", "30.1.1.1:9000", "[2a01::1]:53", table.Global, "30.1.1.1:9000"},
		{"low port of IPv6 alone", "", "[2a01::1]:53", table.Global, ""},
		{"loopback named by a private peer", "127.0.0.1:9000", "", table.Private, ""},
		{"public named by a private peer", "30.1.1.1:9000", "", table.Private, "30.1.1.1:9000"},
		{"private named by a private peer", "10.0.0.1:9000", "", table.Private, "10.0.0.1:9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := enr.GenerateKey(wiretest.Reader(7))
			if err != nil {
				t.Fatal(err)
			}
			b := enr.NewBuilder()
			if c.v4 != "" {
				v4 := netip.MustParseAddrPort(c.v4)
				b.SetIP(v4.Addr()).SetUDP(v4.Port())
			}
			if c.v6 != "" {
				v6 := netip.MustParseAddrPort(c.v6)
				b.SetIP(v6.Addr()).SetUDP6(v6.Port())
			}
			rec, err := b.Sign(key)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := a.e.named(nw.now, rec, c.by)
			if ok != (c.want != "") || ok && got.String() != c.want {
				t.Errorf("%v, %v; want %q", got, ok, c.want)
			}
		})
	}
}
