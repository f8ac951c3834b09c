package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	randomBuffer = 4 << 10 // bytes made at once
	reseedAfter  = 1 << 20 // bytes made under one key
	seedSize     = 32 + aes.BlockSize
)

// Random is a source of random bytes for one goroutine that is cheap enough to be asked several
// times per packet: for masking IVs, nonces, id-nonces and request IDs. Keys do not come from it:
// the ephemeral keys of handshakes are read from the source itself, crypto/rand in production.
//
// It is AES-256-CTR, made 4 KiB ahead, with key and counter from an outside source and new
// ones mixed in after every 1 MiB. Bytes that were handed out are erased from the buffer. The
// same source bytes give the same output, which is what simulations need; production passes
// crypto/rand.Reader.
//
// A new seed allocates twice per 1 MiB. A message takes 24 bytes, so that is once in 43,000
// messages. Everything else allocates nothing.
//
// A copy of the process's memory that goes on running, such as a restored snapshot of a virtual
// machine, would repeat output. Who must withstand that calls Reseed on a timer.
type Random struct {
	src    io.Reader
	stream cipher.Stream
	made   int    // bytes made since the last seed
	failed uint64 // reseeds that src failed
	next   int    // first byte of buf that is not handed out
	seed   [seedSize]byte
	buf    [randomBuffer]byte // zero before next
}

// NewRandom returns a Random seeded from src, of which it reads 48 bytes now and after every
// 1 MiB of output. The error is the one of src, or wraps ErrSelfTest.
func NewRandom(src io.Reader) (*Random, error) {
	if err := verdict(); err != nil {
		return nil, err
	}
	r := &Random{src: src}
	if err := r.Reseed(); err != nil {
		return nil, err
	}
	return r, nil
}

// Reseed mixes 48 fresh bytes of the source into the key and drops what was made ahead. It is
// called by itself after every 1 MiB. On error the generator stays as it was and is usable.
func (r *Random) Reseed() error {
	if _, err := io.ReadFull(r.src, r.seed[:]); err != nil {
		clear(r.seed[:])
		return fmt.Errorf("aead: reading seed: %w", err)
	}
	if r.stream != nil {
		// The old stream goes in too: one good seed is enough for all that follow.
		r.stream.XORKeyStream(r.seed[:], r.seed[:])
	}
	block, err := aes.NewCipher(r.seed[:32])
	if err != nil {
		return fmt.Errorf("aead: random generator: %w", err)
	}
	r.stream = cipher.NewCTR(block, r.seed[32:])
	clear(r.seed[:])
	clear(r.buf[:])
	r.made, r.next = 0, len(r.buf)
	return nil
}

// refill makes the next 4 KiB. Precondition: all of buf was handed out and is zero.
func (r *Random) refill() {
	if r.made >= reseedAfter && r.Reseed() != nil {
		r.failed++
	}
	r.stream.XORKeyStream(r.buf[:], r.buf[:])
	r.made += len(r.buf)
	r.next = 0
}

// Read fills p and returns len(p) and no error, always.
func (r *Random) Read(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if r.next == len(r.buf) {
			r.refill()
		}
		c := copy(p, r.buf[r.next:])
		clear(r.buf[r.next : r.next+c])
		r.next += c
		p = p[c:]
	}
	return n, nil
}

// Uint64 returns 64 random bits: what Read of 8 bytes gives, little-endian, in less time.
func (r *Random) Uint64() uint64 {
	if r.next > len(r.buf)-8 {
		var b [8]byte
		r.Read(b[:])
		return binary.LittleEndian.Uint64(b[:])
	}
	b := r.buf[r.next : r.next+8]
	r.next += 8
	v := binary.LittleEndian.Uint64(b)
	binary.LittleEndian.PutUint64(b, 0)
	return v
}

// Block fills b with what Read gives, in less time. For masking IVs and ID nonces.
func (r *Random) Block(b *[16]byte) {
	binary.LittleEndian.PutUint64(b[:8], r.Uint64())
	binary.LittleEndian.PutUint64(b[8:], r.Uint64())
}

// Uint32n returns a uniformly distributed number in [0, n), and 0 for n = 0.
func (r *Random) Uint32n(n uint32) uint32 {
	// Lemire, Fast Random Integer Generation in an Interval: the high half of a product is
	// the number, and the few low halves that would make some numbers likelier are redrawn.
	var b [4]byte
	r.Read(b[:])
	m := uint64(binary.LittleEndian.Uint32(b[:])) * uint64(n)
	if uint32(m) < n {
		for least := -n % n; uint32(m) < least; {
			r.Read(b[:])
			m = uint64(binary.LittleEndian.Uint32(b[:])) * uint64(n)
		}
	}
	return uint32(m >> 32)
}
