package discv5

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/enr"
)

// The record follows the machine's addresses where it names one of them, and leaves other endpoints
// alone: those given, pinned, voted for, or taken out.
func TestFollowNext(t *testing.T) {
	const (
		a4, b4, c4 = "91.1.1.1:9000", "91.1.1.2:9000", "91.9.9.9:9000"
		p4, l4     = "10.0.0.1:9000", "127.0.0.1:9000"
		a6, u6     = "[2a00::1]:9000", "[fd00::1]:9000"
	)
	start := time.Now()
	for _, c := range []struct {
		name string
		// endpoints by family: in the record, of the machine before, of the machine after
		now, own, next [2]string
		fixed, pinned  [2]bool
		away           time.Duration // that an address without successor has been missing
		want           [2]string
		due            bool
	}{
		{name: "nothing", now: [2]string{a4, a6}, own: [2]string{a4, a6}, next: [2]string{a4, a6}, want: [2]string{a4, a6}},
		{name: "the first one", next: [2]string{a4, ""}, want: [2]string{a4, ""}},
		{name: "another one", now: [2]string{a4, ""}, own: [2]string{a4, ""}, next: [2]string{b4, ""}, want: [2]string{b4, ""}},
		{name: "of the other family", now: [2]string{a4, ""}, own: [2]string{a4, ""}, next: [2]string{a4, a6}, want: [2]string{a4, a6}},
		{name: "voted for", now: [2]string{c4, ""}, own: [2]string{p4, ""}, next: [2]string{b4, ""}, want: [2]string{c4, ""}},
		{name: "voted for, none before", now: [2]string{c4, ""}, next: [2]string{p4, ""}, want: [2]string{c4, ""}},
		{name: "taken out", own: [2]string{a4, ""}, next: [2]string{a4, ""}, want: [2]string{"", ""}},
		{name: "taken out, then another one", own: [2]string{a4, ""}, next: [2]string{b4, ""}, want: [2]string{b4, ""}},
		{name: "given", now: [2]string{a4, ""}, own: [2]string{a4, ""}, next: [2]string{b4, ""}, fixed: [2]bool{true, false}, want: [2]string{a4, ""}},
		{name: "pinned", now: [2]string{a4, ""}, own: [2]string{a4, ""}, next: [2]string{b4, ""}, pinned: [2]bool{true, false}, want: [2]string{a4, ""}},
		{name: "gone a moment ago", now: [2]string{a4, a6}, own: [2]string{a4, a6}, next: [2]string{"", a6}, want: [2]string{a4, a6}, due: true},
		{name: "gone for good", now: [2]string{a4, a6}, own: [2]string{a4, a6}, next: [2]string{"", a6}, away: goneTime, want: [2]string{"", a6}},
		{name: "loopback alone for a moment", now: [2]string{a4, ""}, own: [2]string{a4, ""}, next: [2]string{l4, ""}, want: [2]string{a4, ""}, due: true},
		{name: "loopback alone", now: [2]string{a4, ""}, own: [2]string{a4, ""}, next: [2]string{l4, ""}, away: goneTime, want: [2]string{l4, ""}},
		{name: "after loopback", now: [2]string{l4, ""}, own: [2]string{l4, ""}, next: [2]string{p4, ""}, want: [2]string{p4, ""}},
		{name: "private beside voted public", now: [2]string{c4, ""}, own: [2]string{p4, ""}, next: [2]string{p4, u6}, want: [2]string{c4, ""}},
		{name: "public beside private", now: [2]string{p4, u6}, own: [2]string{p4, u6}, next: [2]string{a4, ""}, want: [2]string{a4, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := loopback(t, "127.0.0.1:0", nil)
			parse := func(s [2]string) (e [2]netip.AddrPort) {
				for i := range s {
					if s[i] != "" {
						e[i] = netip.MustParseAddrPort(s[i])
					}
				}
				return e
			}
			now := parse(c.now)
			if err := n.UpdateRecord(func(b *enr.Builder) {
				setEndpoint(b, IPv4, now[0])
				setEndpoint(b, IPv6, now[1])
			}); err != nil {
				t.Fatal(err)
			}
			for i, p := range c.pinned {
				n.engine.PinAddress(Family(i), p)
			}
			f := &follower{n: n, own: parse(c.own), wild: [2]bool{true, true}}
			chosen := advertised{parse(c.next), c.fixed}
			got, due := f.next(n.LocalRecord(), chosen, start)
			if c.away > 0 {
				got, due = f.next(n.LocalRecord(), chosen, start.Add(c.away))
			}
			if got != parse(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if (due[0] > 0 || due[1] > 0) != c.due {
				t.Errorf("looked another time after %v", due)
			}
		})
	}
}
