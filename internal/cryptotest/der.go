package cryptotest

import (
	"bytes"
	"math/big"
)

// ParseDER parses an ECDSA signature in DER: a sequence of two integers, with nothing before,
// between or after them. It refuses integers that are negative, not in their shortest form or
// longer than 32 bytes, and any length that is not in its shortest form.
func ParseDER(b []byte) (sig [64]byte, ok bool) {
	body, rest, ok := element(b, 0x30)
	if !ok || len(rest) != 0 {
		return sig, false
	}
	for _, at := range []int{32, 64} {
		var n []byte
		if n, body, ok = element(body, 0x02); !ok || len(n) == 0 || n[0]&0x80 != 0 {
			return sig, false
		}
		if n[0] == 0 && len(n) > 1 {
			if n = n[1:]; n[0]&0x80 == 0 {
				return sig, false
			}
		}
		if len(n) > 32 {
			return sig, false
		}
		copy(sig[at-len(n):], n)
	}
	return sig, len(body) == 0
}

// element splits off a DER element of fewer than 256 bytes with the given tag.
func element(b []byte, tag byte) (body, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, b := int(b[1]), b[2:]
	switch {
	case n == 0x81 && len(b) > 0 && b[0] >= 0x80:
		n, b = int(b[0]), b[1:]
	case n >= 0x80:
		return nil, nil, false
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// Prefixes of a SubjectPublicKeyInfo (RFC 5480) with the named curve secp256k1, and an uncompressed
// or a compressed point.
var (
	uncompressedInfo = []byte("\x30\x56\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a\x03\x42\x00\x04")
	compressedInfo   = []byte("\x30\x36\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a\x03\x22\x00")
)

// ParsePublicKeyInfo returns the point of a SubjectPublicKeyInfo in its only DER form: x || y, or
// the 33 bytes of a compressed point. It returns false for anything else.
func ParsePublicKeyInfo(b []byte) (point []byte, ok bool) {
	if point, ok = bytes.CutPrefix(b, uncompressedInfo); ok {
		return point, len(point) == 64
	}
	point, ok = bytes.CutPrefix(b, compressedInfo)
	return point, ok && len(point) == 33
}

// Compress returns the compressed form of the coordinates x || y, even if they are not those of a
// point.
func Compress(xy *[64]byte) (pub [33]byte) {
	pub[0] = 2 | xy[63]&1
	copy(pub[1:], xy[:32])
	return pub
}

// order is the order of the group of points of secp256k1, prime that of the field.
var (
	order, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	prime, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", 16)
)

// OnCurve reports whether point is x || y of a point on the curve, or its compressed form.
func OnCurve(point []byte) bool {
	x := new(big.Int).SetBytes(point[len(point)%32 : len(point)%32+32])
	square := new(big.Int).Exp(x, big.NewInt(3), prime)
	square.Add(square, big.NewInt(7)).Mod(square, prime)
	if len(point) == 33 {
		return (point[0] == 2 || point[0] == 3) && x.Cmp(prime) < 0 && new(big.Int).ModSqrt(square, prime) != nil
	}
	y := new(big.Int).SetBytes(point[32:])
	return x.Cmp(prime) < 0 && y.Cmp(prime) < 0 && square.Cmp(y.Mul(y, y).Mod(y, prime)) == 0
}

// LowS returns sig with n - s instead of s if s is above n/2 and below n. high reports whether it
// was.
func LowS(sig [64]byte) (low [64]byte, high bool) {
	s := new(big.Int).SetBytes(sig[32:])
	if s.Cmp(order) >= 0 || s.Cmp(new(big.Int).Rsh(order, 1)) <= 0 {
		return sig, false
	}
	s.Sub(order, s).FillBytes(sig[32:])
	return sig, true
}
