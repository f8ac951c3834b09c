package netaddr

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func (n Uint128) big() *big.Int {
	b := new(big.Int).Lsh(new(big.Int).SetUint64(n.Hi), 64)
	return b.Or(b, new(big.Int).SetUint64(n.Lo))
}

// TestUint128 compares the arithmetic with math/big, at numbers that differ in either word or in
// one bit.
func TestUint128(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func() uint64 {
		return [...]uint64{0, 1, ^uint64(0), mapped4, rnd.Uint64(), 1 << rnd.IntN(64)}[rnd.IntN(6)]
	}
	one := big.NewInt(1)
	for range 10000 {
		n, m, length := Uint128{word(), word()}, Uint128{word(), word()}, rnd.IntN(129)
		if n.Compare(m) != n.big().Cmp(m.big()) {
			t.Fatalf("Compare(%x, %x) = %d", n, m, n.Compare(m))
		}
		if next, ok := n.Next(); ok != (n != Uint128{^uint64(0), ^uint64(0)}) || ok && next.big().Cmp(new(big.Int).Add(n.big(), one)) != 0 {
			t.Fatalf("Next(%x) = %x, %v", n, next, ok)
		}
		size := new(big.Int).Lsh(one, uint(128-length))
		if start := n.And(Mask(length)); start.Last(length).big().Cmp(new(big.Int).Sub(new(big.Int).Add(start.big(), size), one)) != 0 {
			t.Fatalf("%x/%d ends at %x", start, length, start.Last(length))
		}
	}
}

func TestUint128Of(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want Uint128
		f    Family
	}{
		{"1.2.3.4", Uint128{0, mapped4 | 0x01020304}, IPv4},
		{"::ffff:1.2.3.4", Uint128{0, mapped4 | 0x01020304}, IPv4},
		{"::fffe:1.2.3.4", Uint128{0, 0xfffe_0102_0304}, IPv6},
		{"1::ffff:1.2.3.4", Uint128{1 << 48, mapped4 | 0x01020304}, IPv6},
		{"fe80::1%eth0", Uint128{0xfe80 << 48, 1}, IPv6},
		{"::", Uint128{}, IPv6},
	} {
		t.Run(tt.addr, func(t *testing.T) {
			addr := netip.MustParseAddr(tt.addr)
			n, f := Uint128Of(addr)
			if n != tt.want || f != tt.f || f != FamilyOf(addr) {
				t.Errorf("got %x, %v, want %x, %v", n, f, tt.want, tt.f)
			}
			if back := n.Addr(); back != Normalize(addr) {
				t.Errorf("Addr() = %v", back)
			}
		})
	}
	if n, f := Uint128Of(netip.Addr{}); n != (Uint128{}) || f != IPv6 {
		t.Errorf("invalid address: %x, %v", n, f)
	}
}
