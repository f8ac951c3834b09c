package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
)

const blockSize = 16 // an AES block, and one step of the CTR counter

// roundKeys is the key schedule of AES-128: eleven round keys of 16 bytes in the byte order of FIPS
// 197. Assembly and portable code use the same layout.
type roundKeys [11 * blockSize]byte

// Mask masks and unmasks headers for one destination and keeps the key schedule. A worker uses one
// for all incoming packets, whose destination is the own node ID. It is not safe for concurrent
// use.
//
// Masking and unmasking are the same operation (discv5-wire.md, Protocol Header: masked-header).
type Mask struct {
	rk    roundKeys    // used with AES instructions
	block cipher.Block // used elsewhere

	// Scratch space, because arguments of the interface cipher.Block would escape to the heap on
	// each call.
	counter [blockSize]byte
	stream  [blockSize]byte
}

// NewMask returns the Mask for packets to the node with the given ID.
func NewMask(id *[32]byte) *Mask {
	m := new(Mask)
	if accelerated {
		expandKey(&m.rk, (*[KeySize]byte)(id[:]))
		return m
	}
	// On some platforms crypto/aes uses AES instructions and this package does not.
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

// XOR XORs the key stream of iv, from byte number offset on, into b in place. A decoder can thus
// unmask the first 16 bytes of a header, check the protocol ID, and then unmask the rest (offset
// 16). XOR does not change iv, which must not overlap b.
//
// Precondition: offset >= 0. A multiple of 16 is the fast case.
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

// MaskOnce masks or unmasks the header b of a packet to destID in place, from the start of its key
// stream. Use it for keys that are used once, as those of outgoing packets are. It expands the key
// on the stack and allocates nothing; keeping the schedule would cost more memory than it saves
// time. iv is the masking IV, the first 16 bytes of the packet, and must not overlap b.
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
