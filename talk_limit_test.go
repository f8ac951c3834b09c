package discv5

import (
	"net/netip"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// One peer gets half of the slots when nobody else wants any, and its quota beside others; what
// ends makes room again.
func TestS22TalkSlots(t *testing.T) {
	for _, c := range []struct{ max, alone, beside int }{{1, 1, 0}, {2, 1, 1}, {3, 2, 1}, {16, 8, 2}, {64, 32, 8}} {
		var s talkSlots
		s.init(c.max, talkPerPeer(c.max))
		fill := func(id byte) (slots []talkSlot) {
			for {
				slot, ok := s.take(enr.ID{id}, netip.AddrFrom4([4]byte{id, 1, 1, 1}), false)
				if !ok {
					return slots
				}
				slots = append(slots, slot)
			}
		}
		one := fill(1)
		if len(one) != c.alone {
			t.Errorf("of %d a peer alone gets %d, want %d", c.max, len(one), c.alone)
		}
		two := fill(2)
		if len(two) != c.beside {
			t.Errorf("of %d the second peer gets %d, want %d", c.max, len(two), c.beside)
		}
		for _, slot := range append(one, two...) {
			s.free(slot)
		}
		if s.used != 0 || len(s.peers) != 0 {
			t.Errorf("of %d there are %d in use by %d peers after all have ended", c.max, s.used, len(s.peers))
		}
		if n := len(fill(3)); n != c.alone {
			t.Errorf("of %d another peer gets %d, want %d", c.max, n, c.alone)
		}
	}
}

// However many identities the addresses of a few networks have, other networks find slots.
func TestS37TalkSlots(t *testing.T) {
	const total, identities = 64, 1000
	for _, c := range []struct {
		name    string
		private bool
		at      func(i int) string
		other   string
		left    int // slots that the other network gets at least
	}{
		{"one address", false, func(int) string { return "52.1.1.1" }, "9.9.9.9", 8},
		{"one /24", false, func(i int) string { return netip.AddrFrom4([4]byte{52, 1, 1, byte(i)}).String() }, "9.9.9.9", 8},
		{"one /16", false, func(i int) string { return netip.AddrFrom4([4]byte{52, 1, byte(i), 1}).String() }, "9.9.9.9", 8},
		{"two /16", false, func(i int) string { return netip.AddrFrom4([4]byte{52, byte(i % 2), byte(i), 1}).String() }, "9.9.9.9", 8},
		{"one /64", false, func(i int) string { return netip.AddrFrom16([16]byte{0x2a, 1, 15: byte(i)}).String() }, "9.9.9.9", 8},
		{"one /48", false, func(i int) string { return netip.AddrFrom16([16]byte{0x2a, 1, 7: byte(i)}).String() }, "2b00::1", 8},
		{"one /32", false, func(i int) string { return netip.AddrFrom16([16]byte{0x2a, 1, 5: byte(i)}).String() }, "2b00::1", 8},
		{"mapped", false, func(i int) string { return "::ffff:52.1.1.1" }, "9.9.9.9", 8},
		{"private addresses at a public node", false, func(i int) string { return netip.AddrFrom4([4]byte{10, 1, 1, byte(i)}).String() }, "9.9.9.9", 8},
		{"one address of a private network", true, func(int) string { return "10.1.1.1" }, "10.1.1.2", 8},
		{"one /24 of a private network", true, func(i int) string { return netip.AddrFrom4([4]byte{10, 1, 1, byte(i)}).String() }, "10.2.1.2", 8},
		{"two /24", false, func(i int) string { return netip.AddrFrom4([4]byte{52 + byte(i%2), 1, 1, byte(i)}).String() }, "", 24},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s talkSlots
			s.init(total, talkPerPeer(total))
			for i := range identities {
				s.take(enr.ID{1, byte(i), byte(i >> 8)}, netip.MustParseAddr(c.at(i)), c.private)
			}
			n := 0
			for i := range total {
				other := netip.AddrFrom4([4]byte{100 + byte(i), 1, 1, 1})
				if c.other != "" {
					other = netip.MustParseAddr(c.other)
				}
				if _, ok := s.take(enr.ID{2, byte(i)}, other, c.private); ok {
					n++
				}
			}
			if n < c.left {
				t.Errorf("the other network gets %d of %d slots, want %d", n, total, c.left)
			}
		})
	}
}

// A private network of one /24 is not cut down to half: its nodes have three quarters of the slots.
func TestTalkSlotsOfPrivateNetwork(t *testing.T) {
	const total = 64
	for _, c := range []struct {
		private bool
		want    int
	}{{true, 48}, {false, 32}} {
		var s talkSlots
		s.init(total, talkPerPeer(total))
		n := 0
		for i := range 200 {
			if _, ok := s.take(enr.ID{byte(i)}, netip.AddrFrom4([4]byte{192, 168, 1, byte(i)}), c.private); ok {
				n++
			}
		}
		if n != c.want {
			t.Errorf("private %v: %d slots, want %d", c.private, n, c.want)
		}
	}
}
