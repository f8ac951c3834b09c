package aead

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"testing"
)

// maskers returns all implementations of the mask for the node id, with the signature of Mask.XOR.
// MaskOnce and the functions that it calls are included for block-aligned offsets only.
func maskers(id *[32]byte) map[string]func(b []byte, iv *[16]byte, offset int) {
	key := (*[16]byte)(id[:])
	blockMask := &Mask{block: newBlock(id)}
	m := map[string]func(b []byte, iv *[16]byte, offset int){
		"NewMask":           NewMask(id).XOR,
		"Mask by AES block": blockMask.XOR,
		"generic": func(b []byte, iv *[16]byte, offset int) {
			var rk roundKeys
			expandKeyGeneric(&rk, key)
			xorKeyStreamGeneric(b, &rk, iv, uint64(offset/16))
		},
		"MaskOnce": func(b []byte, iv *[16]byte, offset int) {
			full := append(make([]byte, offset), b...)
			MaskOnce(full, id, iv)
			copy(b, full[offset:])
		},
	}
	for name, f := range asmMaskers(key) {
		m[name] = f
	}
	return m
}

// reference XORs the key stream of iv, from offset on, into a copy of b, with crypto/cipher.
func reference(b []byte, id *[32]byte, iv *[16]byte, offset int) []byte {
	block, err := aes.NewCipher(id[:16])
	if err != nil {
		panic(err)
	}
	full := append(make([]byte, offset), b...)
	cipher.NewCTR(block, iv[:]).XORKeyStream(full, full)
	return full[offset:]
}

// TestKnownAnswers checks the example of FIPS 197, appendix A.1, and the CTR example of NIST SP
// 800-38A, F.5.1, which has the same key.
func TestKnownAnswers(t *testing.T) {
	key := unhex(t, "2b7e151628aed2a6abf7158809cf4f3c")
	var rk roundKeys
	expandKey(&rk, (*[16]byte)(key))
	if want := unhex(t, "d014f9a8c9ee2589e13f0cc8b6630ca6"); !bytes.Equal(rk[160:], want) {
		t.Errorf("last round key = %x, want %x", rk[160:], want)
	}
	plain := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"+
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	want := unhex(t, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"+
		"5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee")
	iv := (*[16]byte)(unhex(t, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"))
	id := (*[32]byte)(append(key, make([]byte, 16)...))
	for name, xor := range maskers(id) {
		got := bytes.Clone(plain)
		xor(got, iv, 0)
		if !bytes.Equal(got, want) {
			t.Errorf("%s = %x, want %x", name, got, want)
		}
	}
}

// TestSchedule compares the key expansions for many keys.
func TestSchedule(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var key [16]byte
		for i := range key {
			key[i] = byte(rnd.Uint32())
		}
		var got, want roundKeys
		expandKey(&got, &key)
		expandKeyGeneric(&want, &key)
		if got != want {
			t.Fatalf("key %x:\n got %x\nwant %x", key, got, want)
		}
	}
}

// ivs are counters that overflow at all relevant positions within a few blocks.
var ivs = []string{
	"00000000000000000000000000000000",
	"000102030405060708090a0b0c0d0e0f",
	"000000000000000000000000000000ff",
	"0000000000000000000000000000ffff",
	"000000000000000000000000fffffffe",
	"0000000000000000ffffffffffffffff",
	"0000000000000000fffffffffffffffd",
	"00000000fffffffffffffffffffffffa",
	"fffffffffffffffffffffffffffffffc",
	"ffffffffffffffffffffffffffffffff",
}

// TestMaskReference compares each implementation with crypto/cipher for all lengths up to more than
// two passes of the assembly, and checks that the bytes around the header are unchanged.
func TestMaskReference(t *testing.T) {
	id := (*[32]byte)(unhex(t, "bbbb9d047f0488c0b5a93c1c3f2d8bafc7c8ff337024a55434a0d0555de64db9"))
	const guard = 32
	for name, xor := range maskers(id) {
		for _, s := range ivs {
			iv := (*[16]byte)(unhex(t, s))
			for n := 0; n <= 300; n++ {
				for _, offset := range []int{0, 16, 112} {
					buf := bytes.Repeat([]byte{0xa5}, guard+n+guard)
					want := bytes.Clone(buf)
					copy(want[guard:], reference(buf[guard:guard+n], id, iv, offset))
					xor(buf[guard:guard+n:guard+n], iv, offset)
					if !bytes.Equal(buf, want) {
						t.Fatalf("%s, iv %x, %d bytes, offset %d:\n got %x\nwant %x",
							name, *iv, n, offset, buf, want)
					}
				}
			}
		}
	}
}

// TestMaskOffsets unmasks a header in two parts, split at any byte.
func TestMaskOffsets(t *testing.T) {
	id := (*[32]byte)(unhex(t, "aaaa8419e9f49d0083561b48287df592939a8d19947d8c0ef88f2a4856a69fbb"))
	iv := (*[16]byte)(unhex(t, "fffffffffffffffffffffffffffffffe"))
	for name, m := range map[string]*Mask{"NewMask": NewMask(id), "AES block": {block: newBlock(id)}} {
		for n := 0; n <= 100; n++ {
			want := reference(make([]byte, n), id, iv, 0)
			for cut := 0; cut <= n; cut++ {
				got := make([]byte, n)
				m.XOR(got[cut:], iv, cut)
				m.XOR(got[:cut], iv, 0)
				if !bytes.Equal(got, want) {
					t.Fatalf("%s: %d bytes cut at %d:\n got %x\nwant %x", name, n, cut, got, want)
				}
			}
		}
	}
}

func TestMaskAllocs(t *testing.T) {
	var id [32]byte
	masks := []*Mask{NewMask(&id), {block: newBlock(&id)}}
	var rk roundKeys
	got := testing.AllocsPerRun(100, func() {
		var packet [100]byte
		iv := (*[16]byte)(packet[:])
		MaskOnce(packet[16:87], &id, iv)
		for _, m := range masks {
			m.XOR(packet[16:32], iv, 0)
			m.XOR(packet[32:87], iv, 16)
			m.XOR(packet[40:87], iv, 24)
		}
		expandKeyGeneric(&rk, (*[16]byte)(id[:]))
		xorKeyStreamGeneric(packet[16:87], &rk, iv, 0)
	})
	if got != 0 {
		t.Errorf("masking allocates %v times", got)
	}
}

// FuzzMask compares every implementation with crypto/cipher.
func FuzzMask(f *testing.F) {
	for i, s := range ivs {
		f.Add(make([]byte, 32), unhex(f, s), make([]byte, 7*i+47), uint16(16*i))
	}
	f.Fuzz(func(t *testing.T, id, iv, b []byte, offset uint16) {
		if len(id) != 32 || len(iv) != 16 || len(b) > 1280 {
			return
		}
		off := int(offset) &^ 15
		want := reference(b, (*[32]byte)(id), (*[16]byte)(iv), off)
		for name, xor := range maskers((*[32]byte)(id)) {
			got := bytes.Clone(b)
			xor(got, (*[16]byte)(iv), off)
			if !bytes.Equal(got, want) {
				t.Errorf("%s = %x, want %x", name, got, want)
			}
		}
		odd := int(offset)
		got := bytes.Clone(b)
		NewMask((*[32]byte)(id)).XOR(got, (*[16]byte)(iv), odd)
		if want := reference(b, (*[32]byte)(id), (*[16]byte)(iv), odd); !bytes.Equal(got, want) {
			t.Errorf("XOR at %d = %x, want %x", odd, got, want)
		}
	})
}
