package enr

import (
	"math"
	"testing"
)

// TestConsensusEntries decodes and encodes values of live records: the bytes do not change.
func TestConsensusEntries(t *testing.T) {
	texts := liveRecords(t)
	phase0 := [4]byte{0xb5, 0x30, 0x3f, 0x2a} // the digest of mainnet's first fork
	for _, c := range []struct {
		line    int
		eth2    Eth2
		attnets uint64
		has     bool
	}{
		{7, Eth2{phase0, [4]byte{0, 0, 0, 0}, math.MaxUint64}, 0, true},
		{19, Eth2{[4]byte{0x31, 0x36, 0x70, 0x43}, [4]byte{2, 0, 0, 0x6f}, math.MaxUint64}, math.MaxUint64, true},
		{23, Eth2{[4]byte{0x69, 0xb7, 0xd9, 0x74}, [4]byte{4, 1, 0x70, 0}, 256}, 1<<22 | 1<<23, true},
		{24, Eth2{[4]byte{0x69, 0xb7, 0xd9, 0x74}, [4]byte{4, 1, 0x70, 0}, 256}, 1<<33 | 1<<34, true},
		{25, Eth2{phase0, [4]byte{1, 0, 0, 0}, 74240}, 0, false}, // Altair came with epoch 74240
	} {
		r, err := ParseText(texts[c.line-1])
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := r.Eth2(); !ok || e != c.eth2 {
			t.Errorf("line %d: eth2 %+v, %v", c.line, e, ok)
		}
		if subnets, ok := r.Attnets(); ok != c.has || subnets != c.attnets {
			t.Errorf("line %d: attnets %#x, %v", c.line, subnets, ok)
		}
		made, err := NewBuilder().SetEth2(c.eth2).SetAttnets(c.attnets).Sign(testKey(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"eth2", "attnets"} {
			want, ok := r.Get(key)
			if got, _ := made.Get(key); ok && string(got) != string(want) {
				t.Errorf("line %d: %s = %x, want %x", c.line, key, got, want)
			}
		}
	}
	for _, size := range []int{0, 7, 9, 15, 17} {
		bad, err := NewBuilder().SetBytes("eth2", make([]byte, size)).SetBytes("attnets", make([]byte, size)).Sign(testKey(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := bad.Eth2(); ok {
			t.Errorf("eth2 of %d bytes", size)
		}
		if _, ok := bad.Attnets(); ok {
			t.Errorf("attnets of %d bytes", size)
		}
	}
}

// TestGetBytes: a string is returned without its header, a list is not returned, and a missing key
// does not return another value.
func TestGetBytes(t *testing.T) {
	r, err := NewBuilder().SetString("client", "mine").SetBytes("one", []byte{1}).Set("list", []byte{0xc2, 1, 2}).Sign(testKey(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"client": "mine", "one": "\x01"} {
		if got, ok := r.GetBytes(key); !ok || string(got) != want {
			t.Errorf("%s = %q, %v", key, got, ok)
		}
	}
	for _, key := range []string{"list", "absent", ""} {
		if got, ok := r.GetBytes(key); ok || key != "list" && got != nil {
			t.Errorf("%q = %q, %v", key, got, ok)
		}
	}
	if value, ok := r.Get("absent"); ok || value != nil {
		t.Errorf("absent = %x, %v", value, ok)
	}
	if n := testing.AllocsPerRun(100, func() { r.GetBytes("client"); r.Eth2(); r.Attnets() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
