package enr

import (
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"testing"
)

// The entries that programs write into a record come out of it as they were, and a record without
// them has none.
func TestEntriesRoundTrip(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	r, err := NewBuilder().
		SetIP(v4).SetIP(v6).SetQUIC(9001).SetQUIC6(9002).
		SetSyncnets(0b1010).SetCustodyGroupCount(128).SetNextForkDigest([4]byte{1, 2, 3, 4}).
		SetEth(ForkID{[4]byte{0xde, 0xad, 0xbe, 0xef}, 1_700_000_000}).
		SetUint("app", math.MaxUint64).SetUint("zero", 0).
		Sign(testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := NewBuilder().Sign(testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		get  func(*Record) (any, bool)
		want any
	}{
		{"quic over IPv4", func(r *Record) (any, bool) { a, ok := r.QUICEndpoint4(); return a, ok }, netip.AddrPortFrom(v4, 9001)},
		{"quic over IPv6", func(r *Record) (any, bool) { a, ok := r.QUICEndpoint6(); return a, ok }, netip.AddrPortFrom(v6, 9002)},
		{"syncnets", func(r *Record) (any, bool) { n, ok := r.Syncnets(); return n, ok }, uint8(0b1010)},
		{"cgc", func(r *Record) (any, bool) { n, ok := r.CustodyGroupCount(); return n, ok }, uint64(128)},
		{"nfd", func(r *Record) (any, bool) { d, ok := r.NextForkDigest(); return d, ok }, [4]byte{1, 2, 3, 4}},
		{"eth", func(r *Record) (any, bool) { e, ok := r.Eth(); return e, ok }, ForkID{[4]byte{0xde, 0xad, 0xbe, 0xef}, 1_700_000_000}},
		{"integer", func(r *Record) (any, bool) { n, ok := r.GetUint("app"); return n, ok }, uint64(math.MaxUint64)},
		{"integer 0", func(r *Record) (any, bool) { n, ok := r.GetUint("zero"); return n, ok }, uint64(0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := c.get(r); !ok || got != c.want {
				t.Errorf("got %v, %v, want %v", got, ok, c.want)
			}
			if got, ok := c.get(bare); ok {
				t.Errorf("a record without entries has %v", got)
			}
		})
	}
	if n := testing.AllocsPerRun(100, func() { r.Eth(); r.GetUint("app"); r.QUICEndpoint4(); r.QUICEndpoint6() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The encodings of fork IDs are those that EIP-2124 gives.
func TestForkIDVectors(t *testing.T) {
	for _, c := range []struct {
		id  ForkID
		rlp string
	}{
		{ForkID{}, "c6840000000080"},
		{ForkID{[4]byte{0xde, 0xad, 0xbe, 0xef}, 0xbaddcafe}, "ca84deadbeef84baddcafe"},
		{ForkID{[4]byte{0xff, 0xff, 0xff, 0xff}, math.MaxUint64}, "ce84ffffffff88ffffffffffffffff"},
	} {
		fields, err := hex.DecodeString(c.rlp)
		if err != nil {
			t.Fatal(err)
		}
		want := append([]byte{0xc0 + byte(len(fields))}, fields...)
		r, err := NewBuilder().SetEth(c.id).Sign(testKey(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.Get("eth"); string(got) != string(want) {
			t.Errorf("%v: %x, want %x", c.id, got, want)
		}
		if id, ok := r.Eth(); !ok || id != c.id {
			t.Errorf("read %v, %v, want %v", id, ok, c.id)
		}
	}
}

// An endpoint needs the address and the port of its own family.
func TestQUICEndpointNeedsBoth(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for name, b := range map[string]*Builder{
		"no port":              NewBuilder().SetIP(v4).SetIP(v6).SetUDP(9000),
		"no address":           NewBuilder().SetQUIC(1).SetQUIC6(2),
		"ports of the others":  NewBuilder().SetIP(v6).SetQUIC(1),
		"ports of the others6": NewBuilder().SetIP(v4).SetQUIC6(1),
	} {
		r, err := b.Sign(testKey(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := r.QUICEndpoint4(); ok {
			t.Errorf("%s: %s", name, a)
		}
		if a, ok := r.QUICEndpoint6(); ok {
			t.Errorf("%s: %s", name, a)
		}
	}
}

// Values of another form are absent for the accessors, and Check says why.
func TestOddEntries(t *testing.T) {
	for _, c := range []struct {
		name, key string
		value     []byte // RLP
		want      error
	}{
		{"eth is a string", "eth", []byte{0x84, 1, 2, 3, 4}, ErrForkID},
		{"eth is empty", "eth", []byte{0xc0}, ErrForkID},
		{"eth holds an integer", "eth", []byte{0xc1, 0x01}, ErrForkID},
		{"eth with a hash of 3 bytes", "eth", []byte{0xc6, 0xc5, 0x83, 1, 2, 3, 0x80}, ErrForkID},
		{"eth without next", "eth", []byte{0xc6, 0xc5, 0x84, 1, 2, 3, 4}, ErrForkID},
		{"eth with a list as next", "eth", []byte{0xc7, 0xc6, 0x84, 1, 2, 3, 4, 0xc0}, ErrForkID},
		{"eth with more behind", "eth", []byte{0xc8, 0xc6, 0x84, 1, 2, 3, 4, 0x80, 0x01}, nil},
		{"cgc of 9 bytes", "cgc", []byte{0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9}, ErrValueInteger},
		{"cgc with a leading zero", "cgc", []byte{0x82, 0, 1}, ErrValueInteger},
		{"cgc is a list", "cgc", []byte{0xc0}, ErrValueInteger},
		{"syncnets of five bits", "syncnets", []byte{0x1f}, ErrValueBits},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewBuilder().Set(c.key, c.value).Sign(testKey(t, 1))
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Check(c.key); !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("verdict %v, want %v", err, c.want)
			}
			if _, ok := r.Eth(); c.key == "eth" && ok != (c.want == nil) {
				t.Errorf("Eth: %v", ok)
			}
			if _, ok := r.CustodyGroupCount(); c.key == "cgc" && ok {
				t.Error("cgc is there")
			}
			if n, ok := r.GetUint(c.key); ok && c.key == "cgc" {
				t.Errorf("an integer: %d", n)
			}
		})
	}
	if _, err := NewBuilder().SetSyncnets(0x10).Sign(testKey(t, 1)); !errors.Is(err, ErrValueBits) {
		t.Errorf("signed syncnets of five bits: %v", err)
	}
}
