// Package rlp decodes and encodes recursive length prefix (RLP) encoding, in the strict canonical
// form that EIP-778 records and discv5 messages require.
//
// Decoding never allocates and never copies: each returned value is a sub-slice of the input.
// Encoding appends to the caller's slice.
//
//	0x00..0x7f             a single byte, itself
//	0x80+n, n bytes        a string of n <= 55 bytes
//	0xb7+k, k bytes, n     a string of n >= 56 bytes, n as k big-endian bytes
//	0xc0+n, n bytes        a list whose payload is n <= 55 bytes
//	0xf7+k, k bytes, n     a list whose payload is n >= 56 bytes
//
// Canonical means: a single byte below 0x80 has no prefix, a length of at most 55 uses the short
// form, a length has no leading zero, an integer has no leading zero.
package rlp

import "errors"

// Errors of this package. Each is a reason to reject an encoding.
var (
	ErrTruncated    = errors.New("RLP: input ends inside a value")
	ErrNonCanonical = errors.New("RLP: length or single byte not in canonical form")
	ErrNotString    = errors.New("RLP: found a list where a string belongs")
	ErrNotList      = errors.New("RLP: found a string where a list belongs")
	ErrTrailing     = errors.New("RLP: bytes left after the last value")
	ErrInteger      = errors.New("RLP: integer has a leading zero or is too large")
)

// split decodes the header of the first value of b. It returns start and end of the payload, and
// whether the value is a list.
func split(b []byte) (start, end int, list bool, err error) {
	if len(b) == 0 {
		return 0, 0, false, ErrTruncated
	}
	p := b[0]
	switch {
	case p < 0x80:
		return 0, 1, false, nil
	case p < 0xb8:
		start, end = 1, 1+int(p-0x80)
		if end > len(b) {
			return 0, 0, false, ErrTruncated
		}
		if end == 2 && b[1] < 0x80 {
			return 0, 0, false, ErrNonCanonical
		}
		return start, end, false, nil
	case p < 0xc0:
		start, end, err = long(b, int(p-0xb7))
		return start, end, false, err
	case p < 0xf8:
		start, end = 1, 1+int(p-0xc0)
		if end > len(b) {
			return 0, 0, true, ErrTruncated
		}
		return start, end, true, nil
	default:
		start, end, err = long(b, int(p-0xf7))
		return start, end, true, err
	}
}

// long decodes a length of k big-endian bytes after the first byte of b.
func long(b []byte, k int) (start, end int, err error) {
	if 1+k > len(b) {
		return 0, 0, ErrTruncated
	}
	if b[1] == 0 {
		return 0, 0, ErrNonCanonical
	}
	var n uint64
	if k > 4 { // no input is that long; this also keeps the sum below from overflowing
		return 0, 0, ErrTruncated
	}
	for _, c := range b[1 : 1+k] {
		n = n<<8 | uint64(c)
	}
	if n <= 55 {
		return 0, 0, ErrNonCanonical
	}
	if n > uint64(len(b)-1-k) {
		return 0, 0, ErrTruncated
	}
	return 1 + k, 1 + k + int(n), nil
}

// String decodes a string at the start of b. It returns the string's content and the remainder.
func String(b []byte) (content, rest []byte, err error) {
	start, end, list, err := split(b)
	if err != nil {
		return nil, nil, err
	}
	if list {
		return nil, nil, ErrNotString
	}
	return b[start:end:end], b[end:], nil
}

// List decodes a list at the start of b. It returns the list's payload and the remainder.
func List(b []byte) (payload, rest []byte, err error) {
	start, end, list, err := split(b)
	if err != nil {
		return nil, nil, err
	}
	if !list {
		return nil, nil, ErrNotList
	}
	return b[start:end:end], b[end:], nil
}

// Value returns any value at the start of b, including its header, without decoding the inside of a
// list.
func Value(b []byte) (value, rest []byte, err error) {
	_, end, _, err := split(b)
	if err != nil {
		return nil, nil, err
	}
	return b[:end:end], b[end:], nil
}

// Uint64 decodes an unsigned integer of at most 8 bytes at the start of b.
func Uint64(b []byte) (v uint64, rest []byte, err error) {
	s, rest, err := String(b)
	if err != nil {
		return 0, nil, err
	}
	if len(s) > 8 || len(s) > 0 && s[0] == 0 {
		return 0, nil, ErrInteger
	}
	for _, c := range s {
		v = v<<8 | uint64(c)
	}
	return v, rest, nil
}

// Uint16 decodes an unsigned integer of at most 2 bytes at the start of b.
func Uint16(b []byte) (v uint16, rest []byte, err error) {
	u, rest, err := Uint64(b)
	if err != nil {
		return 0, nil, err
	}
	if u > 0xffff {
		return 0, nil, ErrInteger
	}
	return uint16(u), rest, nil
}
