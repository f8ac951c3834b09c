package enr

import (
	"net/netip"
	"testing"
)

func TestBuilderChanges(t *testing.T) {
	key := testKey(t, 1)
	full, err := NewBuilder().SetSeq(7).SetIP(netip.MustParseAddr("9.9.9.9")).SetUDP(9000).SetString("client", "x").SetUint("zz", 5).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := NewBuilder().SetSeq(7).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		of     *Record
		change func(*Builder)
		want   bool
	}{
		"nothing":                        {full, func(*Builder) {}, false},
		"equal values":                   {full, func(b *Builder) { b.SetUDP(9000).SetString("client", "x").SetUint("zz", 5) }, false},
		"removed and set again":          {full, func(b *Builder) { b.Delete("zz").SetUint("zz", 5) }, false},
		"what Sign sets":                 {full, func(b *Builder) { b.Delete("id").SetString("secp256k1", "y") }, false},
		"the old sequence number":        {full, func(b *Builder) { b.SetSeq(7) }, false},
		"nothing of a bare record":       {bare, func(*Builder) {}, false},
		"another value":                  {full, func(b *Builder) { b.SetUDP(9001) }, true},
		"another value of the last pair": {full, func(b *Builder) { b.SetUint("zz", 6) }, true},
		"a new first pair":               {full, func(b *Builder) { b.SetString("a", "") }, true},
		"a new last pair":                {full, func(b *Builder) { b.SetString("zzz", "") }, true},
		"a new pair of a bare record":    {bare, func(b *Builder) { b.SetString("a", "") }, true},
		"the first pair removed":         {full, func(b *Builder) { b.Delete("client") }, true},
		"the last pair removed":          {full, func(b *Builder) { b.Delete("zz") }, true},
		"a higher sequence number":       {full, func(b *Builder) { b.SetSeq(9) }, true},
		"a lower sequence number":        {full, func(b *Builder) { b.SetSeq(6) }, true},
		"an error":                       {full, func(b *Builder) { b.SetUDP(0) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := c.of.Edit()
			c.change(b)
			if got := b.Changes(c.of); got != c.want {
				t.Errorf("Changes = %v, want %v", got, c.want)
			}
		})
	}
}
