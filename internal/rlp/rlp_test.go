package rlp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestRejects(t *testing.T) {
	str := func(b []byte) error { _, _, err := String(b); return err }
	list := func(b []byte) error { _, _, err := List(b); return err }
	val := func(b []byte) error { _, _, err := Value(b); return err }
	num := func(b []byte) error { _, _, err := Uint64(b); return err }
	port := func(b []byte) error { _, _, err := Uint16(b); return err }
	for _, c := range []struct {
		name string
		read func([]byte) error
		in   string
		want error
	}{
		{"empty input", str, "", ErrTruncated},
		{"short string cut", str, "83 aabb", ErrTruncated},
		{"prefixed single byte", str, "81 7f", ErrNonCanonical},
		{"long form for short string", str, "b8 37" + strings.Repeat("aa", 55), ErrNonCanonical},
		{"length with leading zero", str, "b9 0038" + strings.Repeat("aa", 56), ErrNonCanonical},
		{"long string cut", str, "b8 38" + strings.Repeat("aa", 55), ErrTruncated},
		{"length cut", str, "b9 01", ErrTruncated},
		{"huge length", val, "bf ffffffffffffffff", ErrTruncated},
		{"huge list length", val, "ff ffffffffffffffff", ErrTruncated},
		{"list as string", str, "c0", ErrNotString},
		{"string as list", list, "80", ErrNotList},
		{"short list cut", list, "c2 01", ErrTruncated},
		{"long list cut", list, "f8 38 01", ErrTruncated},
		{"integer zero as byte", num, "00", ErrInteger},
		{"integer leading zero", num, "82 0001", ErrInteger},
		{"integer of 9 bytes", num, "89 010203040506070809", ErrInteger},
		{"port over 16 bits", port, "83 010000", ErrInteger},
	} {
		if err := c.read(unhex(c.in)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestIntegers(t *testing.T) {
	for _, v := range []uint64{0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 1 << 56, math.MaxUint64} {
		b := AppendUint64(nil, v)
		if len(b) != Uint64Size(v) {
			t.Errorf("Uint64Size(%d) = %d, wrote %d", v, Uint64Size(v), len(b))
		}
		got, rest, err := Uint64(b)
		if err != nil || got != v || len(rest) != 0 {
			t.Errorf("%d: read %d, rest %x, error %v", v, got, rest, err)
		}
	}
}

func TestStringsRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 54, 55, 56, 57, 255, 256, 257, 65535, 65536} {
		s := bytes.Repeat([]byte{0xa5}, n)
		b := AppendString([]byte{0xee}, s)[1:]
		if len(b) != StringSize(s) {
			t.Errorf("StringSize of %d bytes = %d, wrote %d", n, StringSize(s), len(b))
		}
		got, rest, err := String(append(b, 0x01))
		if err != nil || !bytes.Equal(got, s) || !bytes.Equal(rest, []byte{1}) {
			t.Errorf("%d bytes: read %d bytes, rest %x, error %v", n, len(got), rest, err)
		}
		l := append(AppendListHeader(nil, len(b)), b...)
		if len(l) != HeaderSize(len(b))+len(b) {
			t.Errorf("HeaderSize(%d) is off", len(b))
		}
		p, rest, err := List(l)
		if err != nil || !bytes.Equal(p, b) || len(rest) != 0 {
			t.Errorf("list of %d bytes: rest %x, error %v", len(b), rest, err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 128)
	s := bytes.Repeat([]byte{1}, 60)
	if n := testing.AllocsPerRun(100, func() {
		buf = AppendListHeader(buf[:0], StringSize(s)+Uint64Size(1<<40))
		buf = AppendUint64(AppendString(buf, s), 1<<40)
		p, _, _ := List(buf)
		_, p, _ = String(p)
		Uint64(p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzValue: a canonical value encodes to the same bytes.
func FuzzValue(f *testing.F) {
	for _, s := range []string{"80", "7f", "81ff", "c0", "c2 01 02", "b838" + strings.Repeat("aa", 56)} {
		f.Add(unhex(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := Value(b)
		if err != nil {
			return
		}
		if len(v)+len(rest) != len(b) {
			t.Fatalf("value %d + rest %d != input %d", len(v), len(rest), len(b))
		}
		if s, _, err := String(b); err == nil {
			if got := AppendString(nil, s); !bytes.Equal(got, v) {
				t.Fatalf("string %x writes back as %x", v, got)
			}
		} else if p, _, err := List(b); err == nil {
			if got := append(AppendListHeader(nil, len(p)), p...); !bytes.Equal(got, v) {
				t.Fatalf("list %x writes back as %x", v, got)
			}
		} else {
			t.Fatalf("value %x is neither string nor list", v)
		}
		if u, _, err := Uint64(b); err == nil {
			if got := AppendUint64(nil, u); !bytes.Equal(got, v) {
				t.Fatalf("integer %x writes back as %x", v, got)
			}
		}
	})
}
