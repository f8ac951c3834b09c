package rlp

import (
	"encoding/binary"
	"math/bits"
)

// HeaderSize returns the size of the prefix of a string or list with a payload of n bytes. It does
// not apply to a string of one byte below 0x80, which has no prefix.
func HeaderSize(n int) int {
	if n <= 55 {
		return 1
	}
	return 1 + intSize(uint64(n))
}

// StringSize returns the number of bytes that AppendString appends for s.
func StringSize(s []byte) int {
	if len(s) == 1 && s[0] < 0x80 {
		return 1
	}
	return HeaderSize(len(s)) + len(s)
}

// Uint64Size returns the number of bytes that AppendUint64 appends for v.
func Uint64Size(v uint64) int {
	if v < 0x80 {
		return 1
	}
	return 1 + intSize(v)
}

// AppendString appends s as an RLP string.
func AppendString(dst, s []byte) []byte {
	if len(s) == 1 && s[0] < 0x80 {
		return append(dst, s[0])
	}
	return append(appendHeader(dst, 0x80, len(s)), s...)
}

// AppendListHeader appends the prefix of a list with a payload of n bytes. The caller must append
// exactly n bytes of values.
func AppendListHeader(dst []byte, n int) []byte {
	return appendHeader(dst, 0xc0, n)
}

// AppendUint64 appends v as an RLP integer: big-endian without leading zeros, zero as the empty
// string.
func AppendUint64(dst []byte, v uint64) []byte {
	switch {
	case v == 0:
		return append(dst, 0x80)
	case v < 0x80:
		return append(dst, byte(v))
	}
	n := intSize(v)
	var b [9]byte // one append: record sequence numbers of 6 bytes are in each PONG
	b[0] = 0x80 + byte(n)
	binary.BigEndian.PutUint64(b[1:], v<<(64-8*n))
	return append(dst, b[:1+n]...)
}

func appendHeader(dst []byte, base byte, n int) []byte {
	if n <= 55 {
		return append(dst, base+byte(n))
	}
	k := intSize(uint64(n))
	dst = append(dst, base+55+byte(k))
	for i := k - 1; i >= 0; i-- {
		dst = append(dst, byte(n>>(8*i)))
	}
	return dst
}

// intSize returns the number of bytes of v without leading zeros, which is 0 for 0.
func intSize(v uint64) int {
	return (bits.Len64(v) + 7) / 8
}
