package discv5

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/enrtest"
	"github.com/fastdisc/discv5/limits"
)

// A bootnode that cannot be contacted is named: by an error if none is left, else by an event.
func TestUnusableBootnodes(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	good := enrtest.Record(t, func(b *enr.Builder) { b.SetIP(local).SetUDP(9) })
	noUDP := enrtest.Record(t, func(b *enr.Builder) { b.SetIP(local).SetTCP(9) })
	nothing := enrtest.Record(t, func(*enr.Builder) {})
	six := enrtest.Record(t, func(b *enr.Builder) { b.SetIP(netip.IPv6Loopback()).SetUDP6(9) })
	banned := enrtest.Record(t, func(b *enr.Builder) { b.SetIP(local).SetUDP(10) })
	outside := enrtest.Record(t, func(b *enr.Builder) { b.SetIP(netip.MustParseAddr("10.0.0.1")).SetUDP(9) })
	access := limits.NewAccess(0)
	id := [32]byte(banned.ID())
	if err := access.Ban(limits.NodeTarget(id), limits.Forever); err != nil {
		t.Fatal(err)
	}
	if err := access.Restrict([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name  string
		list  []*enr.Record
		fails bool
		want  map[*enr.Record]error // by event, or in the error
	}{
		{"none", nil, false, nil},
		{"good", []*enr.Record{good}, false, nil},
		{"without udp, alone", []*enr.Record{noUDP}, true, map[*enr.Record]error{noUDP: enr.ErrNoUDP}},
		{"without udp, and empty", []*enr.Record{noUDP, nothing}, true, map[*enr.Record]error{noUDP: enr.ErrNoUDP, nothing: enr.ErrNoUDP}},
		{"without udp, beside one that is good", []*enr.Record{noUDP, good}, false, map[*enr.Record]error{noUDP: enr.ErrNoUDP}},
		{"of another family", []*enr.Record{six}, false, map[*enr.Record]error{six: ErrNoEndpoint}},
		{"of another family, and without udp", []*enr.Record{six, noUDP}, true, map[*enr.Record]error{noUDP: enr.ErrNoUDP}},
		{"banned", []*enr.Record{good, banned}, false, map[*enr.Record]error{banned: ErrBanned}},
		{"outside of the allowed networks", []*enr.Record{outside}, false, map[*enr.Record]error{outside: ErrRestricted}},
	} {
		config := Config{ListenAddrs: []netip.AddrPort{netip.AddrPortFrom(local, 0)}, Sockets: 1, Access: access}
		named := func(t *testing.T, err error) {
			t.Helper()
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("%v", err)
			}
			for r, why := range c.want {
				if !errors.Is(err, why) || !strings.Contains(err.Error(), r.ID().Short()) {
					t.Errorf("%v, want %v of %s", err, why, r.ID().Short())
				}
			}
		}
		events := func(t *testing.T, s *Subscription) {
			t.Helper()
			for range c.want {
				select {
				case e := <-s.C:
					if want := c.want[e.Record]; want == nil || !errors.Is(e.Err, want) || e.ID != e.Record.ID() || !strings.Contains(e.Err.Error(), e.ID.Short()) {
						t.Errorf("%v: %v, want %v", e.ID, e.Err, want)
					}
				case <-time.After(patience):
					t.Fatal("no event")
				}
			}
			select {
			case e := <-s.C:
				t.Errorf("one event more: %v", e.Err)
			default:
			}
		}
		t.Run(c.name+", New", func(t *testing.T) {
			config := config
			config.Bootnodes = Contacts(c.list...)
			n, err := New(config)
			if c.fails {
				named(t, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			s := n.Subscribe(8, EventBootnodeUnusable)
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			events(t, s)
		})
		t.Run(c.name+", SetBootnodes", func(t *testing.T) {
			n, err := New(config)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			s := n.Subscribe(8, EventBootnodeUnusable)
			if err := n.SetBootnodes(Contacts(c.list...)); c.fails {
				named(t, err)
				return
			} else if err != nil {
				t.Fatal(err)
			}
			events(t, s)
		})
	}
}

// A request to a node whose record has no UDP address says what is missing.
func TestRequestWithoutUDP(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.1")
	n, err := New(Config{ListenAddrs: []netip.AddrPort{netip.AddrPortFrom(local, 0)}, Sockets: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	noUDP := enrtest.Record(t, func(b *enr.Builder) { b.SetIP(local).SetTCP(9) })
	_, err = n.Ping(t.Context(), ContactOf(noUDP))
	if !errors.Is(err, ErrNoEndpoint) || !errors.Is(err, enr.ErrNoUDP) || !strings.Contains(err.Error(), "it has no udp") {
		t.Errorf("%v", err)
	}
}
