package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
)

const blockSize = 16 // AES block, and one step of the CTR counter

// roundKeys is the key schedule of AES-128, eleven round keys of 16 bytes in the byte order of
// FIPS 197. The assembly and the portable code read and write the same layout.
type roundKeys [11 * blockSize]byte

// Mask masks and unmasks headers for one destination again and again, with the key schedule
// kept: the way of a worker with all packets that arrive, whose destination is the own node ID.
// It belongs to one goroutine.
//
// Masking and unmasking are the same operation (discv5-wire.md, Protocol Header: masked-header).
type Mask struct {
	rk    roundKeys    // used where the AES instructions are
	block cipher.Block // used elsewhere

	// Scratch. Slices that go through the interface cipher.Block would otherwise move to the
	// heap on every call.
	counter [blockSize]byte
	stream  [blockSize]byte
}

// NewMask makes the Mask for packets to the node with the given ID.
func NewMask(id *[32]byte) *Mask {
	m := new(Mask)
	if accelerated {
		expandKey(&m.rk, (*[KeySize]byte)(id[:]))
		return m
	}
	// Some platforms have AES instructions that crypto/aes knows and this package does not.
	m.block = newBlock(id)
	return m
}

// newBlock returns the masking cipher of crypto/aes for a node ID.
func newBlock(id *[32]byte) cipher.Block {
	block, err := aes.NewCipher(id[:KeySize])
	if err != nil {
		panic("aead: AES-128 not available: " + err.Error())
	}
	return block
}

// XOR XORs the key stream that belongs to iv, from its byte number offset on, into b in place.
// A decoder can thus unmask the first 16 bytes of a header, look whether this is the protocol
// at all, and unmask the rest (offset 16) only then. iv is not changed and must not overlap b.
//
// Precondition: offset >= 0. An offset that is a multiple of 16 is the fast case.
func (m *Mask) XOR(b []byte, iv *[IVSize]byte, offset int) {
	first := uint64(offset) / blockSize
	skip := offset % blockSize
	if skip != 0 {
		m.stream = [blockSize]byte{}
		m.blocks(m.stream[:], iv, first)
		n := subtle.XORBytes(b, b, m.stream[skip:])
		b = b[n:]
		first++
	}
	m.blocks(b, iv, first)
}

// blocks XORs the key stream from block number first on into b.
func (m *Mask) blocks(b []byte, iv *[IVSize]byte, first uint64) {
	if m.block == nil {
		xorKeyStream(b, &m.rk, iv, first)
		return
	}
	hi, lo := counterAt(iv, first)
	for len(b) > 0 {
		binary.BigEndian.PutUint64(m.counter[:8], hi)
		binary.BigEndian.PutUint64(m.counter[8:], lo)
		m.block.Encrypt(m.counter[:], m.counter[:])
		b = b[subtle.XORBytes(b, b, m.counter[:]):]
		hi, lo = nextCounter(hi, lo)
	}
}

// MaskOnce masks or unmasks the header b of a packet to destID in place, from the start of its
// key stream. It is for a key that is used once, as those of outgoing packets are: it expands
// the key on the stack, allocates nothing, and keeping it would cost more memory than it saves
// time. iv is the masking IV, the first 16 bytes of the packet; it must not overlap b.
//
// It is safe for concurrent use.
func MaskOnce(b []byte, destID *[32]byte, iv *[IVSize]byte) {
	var rk roundKeys
	expandKey(&rk, (*[KeySize]byte)(destID[:]))
	xorKeyStream(b, &rk, iv, 0)
}

// counterAt returns iv + block as two words. The counter of AES-CTR is the whole block, 128
// bits big-endian, and wraps to zero.
func counterAt(iv *[IVSize]byte, block uint64) (hi, lo uint64) {
	lo, carry := bits.Add64(binary.BigEndian.Uint64(iv[8:]), block, 0)
	return binary.BigEndian.Uint64(iv[:8]) + carry, lo
}

// nextCounter adds one to a counter.
func nextCounter(hi, lo uint64) (uint64, uint64) {
	lo, carry := bits.Add64(lo, 1, 0)
	return hi + carry, lo
}
