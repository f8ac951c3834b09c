package aead

import (
	"encoding/binary"
	"math/bits"
)

// This file is the reference implementation of the assembly: AES-128 by tables, for the header mask
// only. Table lookups leak their index through the cache. That is harmless here, because key and IV
// of the mask are public; message keys are never used here.

// sboxTable combines SubBytes and MixColumns (FIPS 197, 5.1.1 and 5.1.3). The entry for x with s =
// S-box(x) is the column 2s, s, s, 3s, first byte highest. The other three columns are rotations of
// it, and its second byte is the S-box. It is computed when the program starts and never changes.
var sboxTable = func() (t [256]uint32) {
	// p runs through all nonzero elements of GF(2^8) as powers of the generator 3, q through their
	// inverses.
	p, q := byte(1), byte(1)
	for {
		p ^= double(p)
		q ^= q << 1
		q ^= q << 2
		q ^= q << 4
		if q&0x80 != 0 {
			q ^= 0x09
		}
		s := q ^ bits.RotateLeft8(q, 1) ^ bits.RotateLeft8(q, 2) ^
			bits.RotateLeft8(q, 3) ^ bits.RotateLeft8(q, 4) ^ 0x63
		t[p] = column(s)
		if p == 1 {
			break
		}
	}
	t[0] = column(0x63) // zero has no inverse and maps to itself
	return t
}()

// double multiplies by 2 in GF(2^8) with the polynomial of AES.
func double(x byte) byte { return x<<1 ^ x>>7*0x1b }

// column returns the bytes 2s, s, s, 3s as a single word.
func column(s byte) uint32 {
	return uint32(double(s))<<24 | uint32(s)<<16 | uint32(s)<<8 | uint32(double(s)^s)
}

// sub applies the S-box to the lowest byte of w.
func sub(w uint32) uint32 { return sboxTable[byte(w)] >> 8 & 0xff }

// subWord applies the S-box to each byte of w.
func subWord(w uint32) uint32 {
	return sub(w>>24)<<24 | sub(w>>16)<<16 | sub(w>>8)<<8 | sub(w)
}

// mix applies SubBytes, ShiftRows and MixColumns to one column, whose four bytes come from the
// columns a, b, c, d.
func mix(a, b, c, d uint32) uint32 {
	return sboxTable[a>>24] ^
		bits.RotateLeft32(sboxTable[byte(b>>16)], -8) ^
		bits.RotateLeft32(sboxTable[byte(c>>8)], -16) ^
		bits.RotateLeft32(sboxTable[byte(d)], -24)
}

// last applies SubBytes and ShiftRows to one column: the last round has no MixColumns.
func last(a, b, c, d uint32) uint32 {
	return sub(a>>24)<<24 | sub(b>>16)<<16 | sub(c>>8)<<8 | sub(d)
}

// expandKeyGeneric writes the key schedule of key to rk (FIPS 197, 5.2).
func expandKeyGeneric(rk *roundKeys, key *[KeySize]byte) {
	copy(rk[:], key[:])
	w0 := binary.BigEndian.Uint32(key[0:])
	w1 := binary.BigEndian.Uint32(key[4:])
	w2 := binary.BigEndian.Uint32(key[8:])
	w3 := binary.BigEndian.Uint32(key[12:])
	rcon := byte(1)
	for i := blockSize; i < len(rk); i += blockSize {
		w0 ^= subWord(bits.RotateLeft32(w3, 8)) ^ uint32(rcon)<<24
		w1 ^= w0
		w2 ^= w1
		w3 ^= w2
		rcon = double(rcon)
		out := rk[i : i+blockSize]
		binary.BigEndian.PutUint32(out[0:], w0)
		binary.BigEndian.PutUint32(out[4:], w1)
		binary.BigEndian.PutUint32(out[8:], w2)
		binary.BigEndian.PutUint32(out[12:], w3)
	}
}

// xorKeyStreamGeneric XORs the key stream of iv, from block number first on, into b.
func xorKeyStreamGeneric(b []byte, rk *roundKeys, iv *[IVSize]byte, first uint64) {
	var w [44]uint32
	for i := range w {
		w[i] = binary.BigEndian.Uint32(rk[4*i:])
	}
	hi, lo := counterAt(iv, first)
	for len(b) > 0 {
		h, l := encryptGeneric(&w, hi, lo)
		hi, lo = nextCounter(hi, lo)
		if len(b) < blockSize {
			for i := range b {
				b[i] ^= byte(h >> 56)
				h, l = h<<8|l>>56, l<<8
			}
			return
		}
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^bits.ReverseBytes64(h))
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^bits.ReverseBytes64(l))
		b = b[blockSize:]
	}
}

// encryptGeneric encrypts one block, given and returned as two big-endian words.
func encryptGeneric(w *[44]uint32, hi, lo uint64) (uint64, uint64) {
	s0 := uint32(hi>>32) ^ w[0]
	s1 := uint32(hi) ^ w[1]
	s2 := uint32(lo>>32) ^ w[2]
	s3 := uint32(lo) ^ w[3]
	for i := 4; i < 40; i += 4 {
		k := w[i : i+4 : i+4]
		s0, s1, s2, s3 = mix(s0, s1, s2, s3)^k[0], mix(s1, s2, s3, s0)^k[1],
			mix(s2, s3, s0, s1)^k[2], mix(s3, s0, s1, s2)^k[3]
	}
	t0 := last(s0, s1, s2, s3) ^ w[40]
	t1 := last(s1, s2, s3, s0) ^ w[41]
	t2 := last(s2, s3, s0, s1) ^ w[42]
	t3 := last(s3, s0, s1, s2) ^ w[43]
	return uint64(t0)<<32 | uint64(t1), uint64(t2)<<32 | uint64(t3)
}
