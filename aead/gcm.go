package aead

import (
	"crypto/subtle"
	"encoding/binary"
)

// This file is AES-128-GCM (NIST SP 800-38D) for messages of one UDP packet, where the processor
// has the instructions. It differs from crypto/cipher, its twin everywhere else and in the tests,
// in what it is made for:
//
//   - A key takes 304 bytes, without pointers, of which a short message reads five cache lines. The
//     one of crypto/cipher takes 736 in two places of memory. With a hundred thousand sessions the
//     wait for keys costs more than the arithmetic.
//   - A message of up to 48 bytes, as most are, is sealed or opened in place by one function, in
//     registers alone: header, text and lengths are hashed as one run of blocks, beside the key
//     stream, of which the first block is the mask of the tag. See short_amd64.s.
//   - Open authenticates first and decrypts then: a message that does not fit is as it came.
//
// The instructions take the same time whatever the data. No table is looked up and no branch taken
// by a secret.

// gcmKey is a key made ready: the key schedule, and powers of the hash key.
type gcmKey struct {
	rk roundKeys
	// powers are H^8 to H, each divided by x and with its bytes reversed; see gcm_amd64.h.
	powers [8][16]byte
}

// ownGCM reports whether gcmKey is used. It is set once, when the program starts.
var ownGCM = accelerated && hasGCM()

// expand makes key ready. Precondition: ownGCM.
func (k *gcmKey) expand(key *[KeySize]byte) {
	expandKey(&k.rk, key)
	var h, zero [16]byte
	xorKeyStream(h[:], &k.rk, &zero, 0)
	const last = len(k.powers) - 1
	k.powers[last] = dividedByX(&h)
	p := h
	for i := last - 1; i >= 0; i-- {
		// The hash of one block is that block times H.
		var y [16]byte
		ghashCLMUL(&y, &k.powers, &p[0], 1)
		p = y
		k.powers[i] = dividedByX(&p)
	}
}

// dividedByX returns a field element, given as a block, divided by x, with its bytes reversed.
func dividedByX(block *[16]byte) (r [16]byte) {
	hi, lo := binary.BigEndian.Uint64(block[:8]), binary.BigEndian.Uint64(block[8:])
	// all bits, if the coefficient of 1 is set, which becomes that of x^-1 = 1 + x + x^6 + x^127
	carry := -(hi >> 63)
	hi, lo = hi<<1|lo>>63, lo<<1
	binary.LittleEndian.PutUint64(r[:8], lo^carry&1)
	binary.LittleEndian.PutUint64(r[8:], hi^carry&(0xc2<<56))
	return r
}

// tag writes to t what authenticates ciphertext and ad, but for the mask.
func (k *gcmKey) tag(t *[TagSize]byte, ciphertext, ad []byte) {
	*t = [TagSize]byte{}
	k.hash(t, ad)
	k.hash(t, ciphertext)
	k.hashLengths(t, ciphertext, ad)
}

// hashLengths adds the last block, the lengths in bits.
func (k *gcmKey) hashLengths(t *[TagSize]byte, ciphertext, ad []byte) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], 8*uint64(len(ad)))
	binary.BigEndian.PutUint64(b[8:], 8*uint64(len(ciphertext)))
	ghashCLMUL(t, &k.powers, &b[0], 1)
}

// hash adds b, filled up with zeros, to t.
func (k *gcmKey) hash(t *[TagSize]byte, b []byte) {
	if n := len(b) / 16; n > 0 {
		ghashCLMUL(t, &k.powers, &b[0], n)
		b = b[16*n:]
	}
	if len(b) > 0 {
		var last [16]byte
		copy(last[:], b)
		ghashCLMUL(t, &k.powers, &last[0], 1)
	}
}

// maxStream is how many bytes of key stream, those of the tag included, are made in one pass.
const maxStream = 128

// maxShort is the longest text that sealShort and openShort take: with the tag it needs four blocks
// of key stream.
const maxShort = 64 - TagSize

// fitsShort reports whether a message is one that sealShort and openShort can do in one go, as
// nearly all requests and answers are: with its additional data, of which there is at least a
// block, and the lengths it makes nine blocks at most.
func fitsShort(ad, text int) bool {
	return text > 0 && text <= maxShort && ad >= 16 && (ad+15)&^15+(text+15)&^15+16 <= 9*16
}

// stream is the start of a message's key stream: 16 bytes for the tag, then those for the text.
type stream [maxStream]byte

// crypt XORs the key stream, of which s is the start, into src and writes the result to dst, of the
// same length.
func (k *gcmKey) crypt(dst, src []byte, s *stream, nonce *[NonceSize]byte) {
	n := subtle.XORBytes(dst, src, s[TagSize:])
	if n == len(src) {
		return // also if there is none
	}
	var iv [IVSize]byte
	copy(iv[:], nonce[:])
	if &dst[0] != &src[0] {
		copy(dst[n:], src[n:])
	}
	xorKeyStream(dst[n:], &k.rk, &iv, maxStream/16+1)
}

// seal is Cipher.Seal into dst, which has room for the message and its tag.
func (k *gcmKey) seal(dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte) {
	n := len(plaintext)
	if fitsShort(len(ad), n) && &dst[0] == &plaintext[0] {
		if overlap(dst, ad) {
			panic(overlapText)
		}
		sealShort(k, &dst[0], n, nonce, &ad[0], len(ad))
		return
	}
	k.sealAny(dst, nonce, plaintext, ad)
}

// sealAny is seal for whatever length and place.
func (k *gcmKey) sealAny(dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte) {
	checkOverlap(dst, plaintext, ad)
	var s stream
	var t [TagSize]byte
	iv := *nonce // the caller's may be overwritten
	nonce = &iv
	n := len(plaintext)
	if n >= maxStream-TagSize+groupSize {
		k.sealLong(&t, dst[:n], nonce, plaintext, ad, &s)
	} else {
		keyStream(&s, &k.rk, nonce)
		k.crypt(dst[:n], plaintext, &s, nonce)
		k.tag(&t, dst[:n], ad)
	}
	subtle.XORBytes(dst[n:], t[:], s[:TagSize])
}

// groupSize is how many bytes sealGroups takes at a time.
const groupSize = 128

// sealLong does what takes long in one go: most of the message is encrypted and hashed by the same
// loop.
func (k *gcmKey) sealLong(t *[TagSize]byte, dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte, s *stream) {
	keyStream(s, &k.rk, nonce)
	k.hash(t, ad)
	n := subtle.XORBytes(dst, plaintext, s[TagSize:])
	k.hash(t, dst[:n])
	if &dst[0] != &plaintext[0] {
		copy(dst[n:], plaintext[n:])
	}
	rest := dst[n:]
	groups, counter := len(rest)/groupSize, 1+maxStream/16
	sealGroups(&rest[0], groups, k, t, nonce, counter)
	if rest = rest[groups*groupSize:]; len(rest) > 0 {
		var iv [IVSize]byte
		copy(iv[:], nonce[:])
		xorKeyStream(rest, &k.rk, &iv, uint64(counter+8*groups))
		k.hash(t, rest)
	}
	k.hashLengths(t, dst, ad)
}

// open is Cipher.Open into dst, which has room for the message. ciphertext has at least a tag.
func (k *gcmKey) open(dst []byte, nonce *[NonceSize]byte, ciphertext, ad []byte) bool {
	n := len(ciphertext) - TagSize
	if fitsShort(len(ad), n) && &dst[0] == &ciphertext[0] {
		if overlap(dst, ad) {
			panic(overlapText)
		}
		return openShort(k, &dst[0], n, nonce, &ad[0], len(ad))
	}
	return k.openAny(dst, nonce, ciphertext, ad)
}

// openAny is open for whatever length and place.
func (k *gcmKey) openAny(dst []byte, nonce *[NonceSize]byte, ciphertext, ad []byte) bool {
	var s stream
	var t [TagSize]byte
	iv := *nonce // the caller's may be overwritten
	nonce = &iv
	n := len(ciphertext) - TagSize
	text, tag := ciphertext[:n], ciphertext[n:]
	checkOverlap(dst[:n], ciphertext, ad)
	keyStream(&s, &k.rk, nonce)
	k.tag(&t, text, ad)
	subtle.XORBytes(t[:], t[:], s[:TagSize])
	if subtle.ConstantTimeCompare(t[:], tag) != 1 {
		return false
	}
	k.crypt(dst[:n], text, &s, nonce)
	return true
}
