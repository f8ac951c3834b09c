package limiter

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/fastdisc/discv5/limits"
)

// FuzzAllow: the limiter decides like the unbounded reference implementation while no set is full.
func FuzzAllow(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint64(1))
	f.Add(bytes.Repeat([]byte{0, 255}, 100), uint64(2))
	f.Fuzz(func(t *testing.T, steps []byte, seed uint64) {
		rates := limits.Rates{Address: rate(100, 3), Prefix64: rate(150, 4), Prefix56: rate(200, 5), Network: rate(300, 6)}
		l, w := New(Config{Rates: rates, Sets: 64, Seed: seed, Exempt: ExemptNone}), newReference(rates)
		now := time.Duration(0)
		// At most 8 sources, so that no set fills up.
		for _, s := range steps[:min(len(steps), 1000)] {
			now += time.Duration(s>>3) * 100 * time.Microsecond
			a := netip.AddrFrom4([4]byte{198, 51, s & 1, s >> 1 & 1})
			if s&4 != 0 {
				a = v6(0x2001_0db8_0000_0000|uint64(s&1)<<8|uint64(s&2)>>1, uint64(s&1))
			}
			if got := l.charge(now, a); (got == allowed) != w.allow(now, a) {
				t.Fatalf("%s at %v: %s", a, now, got)
			}
		}
	})
}
