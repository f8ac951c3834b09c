package xdp

import (
	"encoding/binary"
	"math/bits"
)

// sum adds b, as 16-bit words in the byte order of the machine, to a ones' complement sum. fold
// completes it. Only the last part of a text may have an odd length.
func sum(b []byte, acc uint64) uint64 {
	order := binary.NativeEndian
	var c uint64
	for len(b) >= 32 {
		acc, c = bits.Add64(acc, order.Uint64(b), 0)
		acc, c = bits.Add64(acc, order.Uint64(b[8:]), c)
		acc, c = bits.Add64(acc, order.Uint64(b[16:]), c)
		acc, c = bits.Add64(acc, order.Uint64(b[24:]), c)
		acc += c
		b = b[32:]
	}
	for len(b) >= 8 {
		acc, c = bits.Add64(acc, order.Uint64(b), 0)
		acc += c
		b = b[8:]
	}
	if len(b) == 0 {
		return acc
	}
	var last [8]byte
	copy(last[:], b)
	acc, c = bits.Add64(acc, order.Uint64(last[:]), 0)
	return acc + c
}

// fold returns the 16 bits of a sum. A checksum field has their complement.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// word returns a number as sum reads it from the wire.
func word(v uint16) uint64 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return uint64(binary.NativeEndian.Uint16(b[:]))
}

// udpPseudo returns what protocol and length of the pseudo-header add to the sum of a UDP datagram.
func udpPseudo(length int) uint64 { return word(uint16(length)) + word(protocolUDP) }
