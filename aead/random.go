package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	randomBuffer = 4 << 10 // bytes made per refill
	reseedAfter  = 1 << 20 // bytes made per key
	seedSize     = 32 + aes.BlockSize
)

// Random is a source of random bytes that is cheap enough for several calls per packet: for masking
// IVs, nonces, ID nonces and request IDs. It is not safe for concurrent use. Do not make keys from
// it: the ephemeral keys of handshakes come from the source itself, crypto/rand in production.
//
// Random is AES-256-CTR, computed 4 KiB ahead, with key and counter from a source. It mixes in a
// new seed after each 1 MiB, and erases bytes from the buffer when it returns them. Equal source
// bytes give equal output, as simulations need.
//
// A new seed allocates twice per 1 MiB. A message needs 24 bytes, so that is once in 43,000
// messages. Nothing else allocates.
//
// A running copy of the process's memory, such as a restored snapshot of a virtual machine, repeats
// the output. If that can happen, call Reseed on a timer.
type Random struct {
	src    io.Reader
	stream cipher.Stream
	made   int    // bytes made since the last seed
	failed uint64 // failed reseeds; tests read it
	next   int    // index of the first unused byte of buf
	seed   [seedSize]byte
	buf    [randomBuffer]byte // zero before next
}

// NewRandom returns a Random seeded from src. It reads 48 bytes from src now and after each 1 MiB
// of output. It returns the error of src, or one that wraps ErrSelfTest.
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

// Reseed mixes 48 bytes from the source into the key and drops buffered output. Random calls it
// after each 1 MiB. On error the generator is unchanged and usable.
func (r *Random) Reseed() error {
	if _, err := io.ReadFull(r.src, r.seed[:]); err != nil {
		clear(r.seed[:])
		return fmt.Errorf("aead: reading seed: %w", err)
	}
	if r.stream != nil {
		// The new seed includes the old stream, so one good seed is enough for all later ones.
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

// refill makes the next 4 KiB. buf must be used up, and is zero then. If a reseed fails, the
// generator keeps its key, which is secure far beyond 1 MiB, and retries after 4 KiB.
func (r *Random) refill() {
	if r.made >= reseedAfter && r.Reseed() != nil {
		r.failed++
	}
	r.stream.XORKeyStream(r.buf[:], r.buf[:])
	r.made += len(r.buf)
	r.next = 0
}

// Read fills p. It always returns len(p) and nil.
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

// Uint64 returns 64 random bits: the bytes that Read would return, little-endian, in less time.
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

// Block fills b like Read, in less time. It serves masking IVs and ID nonces.
func (r *Random) Block(b *[16]byte) {
	binary.LittleEndian.PutUint64(b[:8], r.Uint64())
	binary.LittleEndian.PutUint64(b[8:], r.Uint64())
}

// Uint32n returns a uniformly distributed number in [0, n), and 0 for n = 0.
func (r *Random) Uint32n(n uint32) uint32 {
	// The method is from Lemire, Fast Random Integer Generation in an Interval: the high half of a
	// product is the result, and low halves that would make some results more likely are redrawn.
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
