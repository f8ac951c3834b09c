package enr

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
)

func TestBuilderRejects(t *testing.T) {
	key := testKey(t, 1)
	for name, c := range map[string]struct {
		b    *Builder
		want error
	}{
		"udp 0":              {NewBuilder().SetUDP(0), ErrPortZero},
		"tcp 0":              {NewBuilder().SetTCP(0), ErrPortZero},
		"first error stays":  {NewBuilder().SetUDP(0).SetIP(netip.Addr{}).SetUDP(1), ErrPortZero},
		"zero address":       {NewBuilder().SetIP(netip.Addr{}), ErrIP},
		"too large":          {NewBuilder().SetString("a", strings.Repeat("x", 200)), ErrTooLarge},
		"very large":         {NewBuilder().SetString("a", strings.Repeat("x", 1<<20)), ErrTooLarge},
		"no value":           {NewBuilder().Set("a", nil), ErrTruncated},
		"two values":         {NewBuilder().Set("a", []byte{1, 2}), ErrTrailing},
		"cut value":          {NewBuilder().Set("a", []byte{0x82, 1}), ErrTruncated},
		"value not canonic":  {NewBuilder().Set("a", []byte{0x81, 1}), ErrNonCanonical},
		"nested not canonic": {NewBuilder().Set("a", []byte{0xc2, 0x81, 1}), ErrNonCanonical},
		"ip of 5 bytes":      {NewBuilder().SetString("ip", "12345"), ErrIPSize},
		"mapped ip6":         {NewBuilder().SetString("ip6", string(mappedPrefix[:])+"1234"), ErrIP6Mapped},
		"udp 70000":          {NewBuilder().SetUint("udp", 70000), ErrPortRange},
		"udp6 0":             {NewBuilder().SetUint("udp6", 0), ErrPortZero},
		"tcp 70000":          {NewBuilder().SetUint("tcp", 70000), ErrPortRange},
	} {
		if r, err := c.b.Sign(key); !errors.Is(err, c.want) || r != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	if _, err := NewBuilder().Sign(new(PrivateKey)); err != ErrPrivateKey {
		t.Errorf("zero key: %v", err)
	}
}

func TestBuilder(t *testing.T) {
	key := testKey(t, 1)
	value := str("value")
	raw := []byte(value)
	b := NewBuilder().SetIP(netip.MustParseAddr("::ffff:192.0.2.7")).SetIP(netip.MustParseAddr("fe80::1%eth0")).
		SetUDP(5).Set("zz", raw).SetUint("big", math.MaxUint64).
		SetString("id", "other").SetString("secp256k1", "other"). // Sign overrides these
		SetString("gone", "x").Delete("gone").Delete("never there")
	clear(raw)
	r, err := b.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if r.Seq() != 1 || r.ID() != key.ID() || string(r.IdentityScheme()) != "v4" {
		t.Errorf("seq %d, ID %v, scheme %s", r.Seq(), r.ID(), r.IdentityScheme())
	}
	if a, ok := r.IP4(); !ok || a.String() != "192.0.2.7" {
		t.Errorf("ip %v, %v", a, ok)
	}
	if a, ok := r.IP6(); !ok || a.String() != "fe80::1" {
		t.Errorf("ip6 %v, %v", a, ok)
	}
	if got, _ := r.Get("zz"); string(got) != value {
		t.Errorf("zz = %q", got)
	}
	if _, ok := r.Get("gone"); ok {
		t.Error("deleted pair is there")
	}
	if again, err := Parse(r.Bytes()); err != nil || again.ID() != key.ID() {
		t.Errorf("parsed again: %v", err)
	}
	// The builder continues, the record does not change.
	next, err := b.SetUDP(6).SetSeq(2).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := r.UDP(); p != 5 || r.View().Verify() != nil {
		t.Errorf("signed record changed: udp %d", p)
	}
	if p, _ := next.UDP(); p != 6 || next.Seq() != 2 {
		t.Errorf("second record: udp %d, seq %d", p, next.Seq())
	}
}

func TestEdit(t *testing.T) {
	r, key := testRecord(t, 8), testKey(t, 8)
	same, err := r.Edit().SetSeq(r.Seq()).Sign(key)
	if err != nil || !same.Equal(r.View()) {
		t.Errorf("unchanged edit gives %v, %v", same, err)
	}
	next, err := r.Edit().Delete("ip6").Sign(key)
	if err != nil || next.Seq() != r.Seq()+1 {
		t.Fatalf("%v, %v", next, err)
	}
	if _, ok := r.IP6(); !ok {
		t.Error("edit changed the record")
	}
	last, err := r.Edit().SetSeq(math.MaxUint64).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := last.Edit().Sign(key); err != ErrSeqOverflow {
		t.Errorf("after the last seq: %v", err)
	}
}
