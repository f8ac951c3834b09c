package discv5

import (
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// One peer gets half of the slots when nobody else wants any, and its share beside others; what ends makes room again.
func TestS22TalkSlots(t *testing.T) {
	for _, c := range []struct{ max, alone, beside int }{{1, 1, 0}, {2, 1, 1}, {3, 2, 1}, {16, 8, 2}, {64, 32, 8}} {
		var s talkSlots
		s.init(c.max)
		fill := func(id byte) (n int) {
			for s.take(enr.ID{id}) {
				n++
			}
			return n
		}
		if n := fill(1); n != c.alone {
			t.Errorf("of %d a peer alone gets %d, want %d", c.max, n, c.alone)
		}
		if n := fill(2); n != c.beside {
			t.Errorf("of %d the second peer gets %d, want %d", c.max, n, c.beside)
		}
		for range c.alone {
			s.free(enr.ID{1})
		}
		for range c.beside {
			s.free(enr.ID{2})
		}
		if s.used != 0 || len(s.peers) != 0 {
			t.Errorf("of %d there are %d in use by %d peers after all have ended", c.max, s.used, len(s.peers))
		}
		if n := fill(3); n != c.alone {
			t.Errorf("of %d another peer gets %d, want %d", c.max, n, c.alone)
		}
	}
}
