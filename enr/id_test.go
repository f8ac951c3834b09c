package enr

import (
	"bytes"
	"math/big"
	"strings"
	"testing"
)

func TestLogDistance(t *testing.T) {
	for bit := range 256 {
		var a, b ID
		b[31-bit/8] = 1 << (bit % 8)
		if got := LogDistance(a, b); got != bit+1 {
			t.Errorf("bit %d: %d", bit, got)
		}
		// Lower bits must not matter.
		for i := 32 - bit/8; i < 32; i++ {
			a[i] = 0xff
		}
		if got := LogDistance(b, a); got != bit+1 {
			t.Errorf("bit %d with lower ones: %d", bit, got)
		}
	}
	if got := LogDistance(ID{1}, ID{1}); got != 0 {
		t.Errorf("equal IDs: %d", got)
	}
}

// TestDistanceModel compares with big.Int on IDs that share prefixes of all lengths.
func TestDistanceModel(t *testing.T) {
	src := seeded(1)
	random := func(prefix ID, n int) (id ID) {
		src.Read(id[:])
		copy(id[:n], prefix[:n])
		return id
	}
	xor := func(a, b ID) *big.Int {
		for i := range a {
			a[i] ^= b[i]
		}
		return new(big.Int).SetBytes(a[:])
	}
	for i := range 2000 {
		target := random(ID{}, 0)
		a, b := random(target, i%33), random(target, i/7%33)
		if i%5 == 0 {
			b = random(a, i%33)
		}
		if got, want := CompareDistance(target, a, b), xor(target, a).Cmp(xor(target, b)); got != want {
			t.Fatalf("CompareDistance(%v, %v, %v) = %d, want %d", target, a, b, got, want)
		}
		if got, want := LogDistance(a, b), xor(a, b).BitLen(); got != want {
			t.Fatalf("LogDistance(%v, %v) = %d, want %d", a, b, got, want)
		}
	}
}

func TestParseID(t *testing.T) {
	want := ID(bytes.Repeat([]byte{0xab}, 32))
	digits := strings.Repeat("ab", 32)
	for _, s := range []string{digits, strings.ToUpper(digits), "0x" + digits} {
		if got, err := ParseID(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0x", digits[1:], digits + "a", "0x0x" + digits[4:] + "ab", digits[:63] + "g", digits + "\n"} {
		if got, err := ParseID(s); err != ErrID || got != (ID{}) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if want.String() != digits || want.Short() != digits[:16] {
		t.Errorf("String %s, Short %s", want, want.Short())
	}
	text, err := want.MarshalText()
	if err != nil || string(text) != digits {
		t.Errorf("MarshalText %s, %v", text, err)
	}
	kept := want
	if err := kept.UnmarshalText([]byte("00" + digits[:61] + "g")); err == nil || kept != want {
		t.Errorf("failed UnmarshalText: %v, %v", kept, err)
	}
}

func BenchmarkLogDistance(b *testing.B) {
	x, y := ID{31: 1}, ID{31: 2}
	for b.Loop() {
		LogDistance(x, y)
	}
}

func BenchmarkCompareDistance(b *testing.B) {
	x, y := ID{31: 1}, ID{31: 2}
	for b.Loop() {
		CompareDistance(ID{}, x, y)
	}
}
