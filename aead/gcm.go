package aead

import (
	"crypto/subtle"
	"encoding/binary"
)

// This file implements AES-128-GCM (NIST SP 800-38D) for messages that fit into one UDP packet, for
// processors with the instructions. Elsewhere, and as the reference implementation in tests,
// crypto/cipher does the same. This implementation has other goals:
//
//   - A key takes 304 bytes without pointers, and a short message reads five cache lines of it. A
//     key of crypto/cipher takes 736 bytes in two allocations. With a hundred thousand sessions,
//     the cache misses for keys cost more than the arithmetic.
//   - One function seals or opens a message of up to 48 bytes, as most are, in place and in
//     registers. It hashes header, text and lengths as a single run of blocks while it computes the
//     key stream, whose first block masks the tag. See short_amd64.s.
//   - Open authenticates before it decrypts, so a message that fails is unchanged.
//
// The time of these instructions does not depend on data. No secret selects a table entry or a
// branch.

// gcmKey is an expanded key: the key schedule, and powers of the hash key.
type gcmKey struct {
	rk roundKeys
	// powers are H^8 to H, each divided by x and byte-reversed; see gcm_amd64.h.
	powers [8][16]byte
}

// ownGCM reports whether gcmKey is used. It is set when the program starts.
var ownGCM = accelerated && hasGCM()

// wide reports whether messages that are not short take the instructions that work on four blocks
// at a time. It is set when the program starts.
var wide = ownGCM && hasWide()

// expand expands key. Precondition: ownGCM.
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

// dividedByX returns a field element, given as a block, divided by x and byte-reversed.
func dividedByX(block *[16]byte) (r [16]byte) {
	hi, lo := binary.BigEndian.Uint64(block[:8]), binary.BigEndian.Uint64(block[8:])
	// all ones if the coefficient of 1 is set, which becomes that of x^-1 = 1 + x + x^6 + x^127
	carry := -(hi >> 63)
	hi, lo = hi<<1|lo>>63, lo<<1
	binary.LittleEndian.PutUint64(r[:8], lo^carry&1)
	binary.LittleEndian.PutUint64(r[8:], hi^carry&(0xc2<<56))
	return r
}

// groupSize is the number of bytes that are hashed, and encrypted, together.
const groupSize = 128

// joined is memory in which short and incomplete pieces are joined, to be hashed by one call. Each
// call reduces at least once, which takes as long as hashing a few blocks.
type joined [2 * groupSize]byte

// tag writes the unmasked tag of ciphertext and ad to t.
func (k *gcmKey) tag(t *[TagSize]byte, ciphertext, ad []byte) {
	*t = [TagSize]byte{}
	var b joined
	n := k.hashAD(t, ad, &b)
	text := ciphertext
	if n+padded(len(text))+16 > len(b) {
		// Fill up the group, so that those that follow need no copy.
		m := copy(b[n:groupSize], text)
		ghashCLMUL(t, &k.powers, &b[0], (n+m)/16)
		text, n = k.hashGroups(t, text[m:]), 0
		b = joined{}
	}
	k.hashEnd(t, &b, n, text, ciphertext, ad)
}

// hashAD adds whole groups of ad to t. It writes the rest to b, whose bytes are zero, and returns
// its padded size.
func (k *gcmKey) hashAD(t *[TagSize]byte, ad []byte, b *joined) int {
	return padded(copy(b[:], k.hashGroups(t, ad)))
}

// hashGroups adds whole groups of b to t, and returns the rest.
func (k *gcmKey) hashGroups(t *[TagSize]byte, b []byte) []byte {
	n := len(b) / groupSize * groupSize
	if n > 0 {
		ghashCLMUL(t, &k.powers, &b[0], n/16)
	}
	return b[n:]
}

// hashEnd adds the first n bytes of b, the padded end of the text, and the lengths. The rest of b
// must be zero, and have room.
func (k *gcmKey) hashEnd(t *[TagSize]byte, b *joined, n int, end, ciphertext, ad []byte) {
	n += padded(copy(b[n:], end))
	binary.BigEndian.PutUint64(b[n:], 8*uint64(len(ad)))
	binary.BigEndian.PutUint64(b[n+8:], 8*uint64(len(ciphertext)))
	ghashCLMUL(t, &k.powers, &b[0], n/16+1)
}

// padded returns n rounded up to whole blocks.
func padded(n int) int { return (n + 15) &^ 15 }

// maxStream is the number of bytes of key stream per pass, including those for the tag.
const maxStream = 128

// maxShort is the longest text that sealShort and openShort accept: with the tag it needs four
// blocks of key stream.
const maxShort = 64 - TagSize

// fitsShort reports whether sealShort and openShort can handle a message, as for nearly all
// requests and answers. Additional data (at least a block), text and lengths take at most nine
// blocks.
func fitsShort(ad, text int) bool {
	return text > 0 && text <= maxShort && ad >= 16 && (ad+15)&^15+(text+15)&^15+16 <= 9*16
}

// stream is the start of a message's key stream: 16 bytes for the tag, then those for the text.
type stream [maxStream]byte

// masked returns the halves of a tag under the first block of key stream.
func masked(t *[TagSize]byte, s *stream) (lo, hi uint64) {
	return binary.LittleEndian.Uint64(t[:]) ^ binary.LittleEndian.Uint64(s[:]),
		binary.LittleEndian.Uint64(t[8:]) ^ binary.LittleEndian.Uint64(s[8:])
}

// crypt XORs the key stream, which starts with s, into src and writes the result to dst, of equal
// length.
func (k *gcmKey) crypt(dst, src []byte, s *stream, nonce *[NonceSize]byte) {
	n := subtle.XORBytes(dst, src, s[TagSize:])
	if n == len(src) {
		return // even if there is none
	}
	var iv [IVSize]byte
	copy(iv[:], nonce[:])
	if &dst[0] != &src[0] {
		copy(dst[n:], src[n:])
	}
	xorKeyStream(dst[n:], &k.rk, &iv, maxStream/16+1)
}

// tagWide writes the tag of ciphertext and ad to t. Precondition: wide.
func (k *gcmKey) tagWide(t *[TagSize]byte, nonce *[NonceSize]byte, ciphertext, ad []byte) {
	// An empty slice has no first byte; tagWide does not read that of t.
	text, data := &t[0], &t[0]
	if len(ciphertext) > 0 {
		text = &ciphertext[0]
	}
	if len(ad) > 0 {
		data = &ad[0]
	}
	tagWide(t, k, nonce, data, len(ad), text, len(ciphertext))
}

// cryptWide is crypt, which it does not need the start of the key stream for. Precondition: wide.
func (k *gcmKey) cryptWide(dst, src []byte, nonce *[NonceSize]byte) {
	if len(src) == 0 {
		return
	}
	if &dst[0] != &src[0] {
		copy(dst, src)
	}
	cryptWide(&dst[0], len(src), k, nonce)
}

// seal implements Cipher.Seal. dst has room for the message and its tag.
func (k *gcmKey) seal(dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte) {
	n := len(plaintext)
	if fitsShort(len(ad), n) && &dst[0] == &plaintext[0] {
		if overlap(dst, ad) {
			panic(overlapText)
		}
		sealShort(k, &dst[0], n, nonce, &ad[0], len(ad))
		return
	}
	if wide {
		k.sealWide(dst, nonce, plaintext, ad)
		return
	}
	k.sealAny(dst, nonce, plaintext, ad)
}

// sealWide is seal for any length and overlap. Precondition: wide.
func (k *gcmKey) sealWide(dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte) {
	checkOverlap(dst, plaintext, ad)
	iv := *nonce // the output may overwrite the caller's
	n := len(plaintext)
	k.cryptWide(dst[:n], plaintext, &iv)
	k.tagWide((*[TagSize]byte)(dst[n:]), &iv, dst[:n], ad)
}

// sealAny is seal for any length and overlap.
func (k *gcmKey) sealAny(dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte) {
	checkOverlap(dst, plaintext, ad)
	var s stream
	var t [TagSize]byte
	iv := *nonce // the output may overwrite the caller's
	nonce = &iv
	n := len(plaintext)
	if n >= maxStream-TagSize+groupSize {
		k.sealLong(&t, dst[:n], nonce, plaintext, ad, &s)
	} else {
		keyStream(&s, &k.rk, nonce)
		k.crypt(dst[:n], plaintext, &s, nonce)
		k.tag(&t, dst[:n], ad)
	}
	lo, hi := masked(&t, &s)
	binary.LittleEndian.PutUint64(dst[n:], lo)
	binary.LittleEndian.PutUint64(dst[n+8:], hi)
}

// sealLong encrypts and hashes most of the message in a single loop.
func (k *gcmKey) sealLong(t *[TagSize]byte, dst []byte, nonce *[NonceSize]byte, plaintext, ad []byte, s *stream) {
	keyStream(s, &k.rk, nonce)
	var b joined
	m := k.hashAD(t, ad, &b)
	n := subtle.XORBytes(dst, plaintext, s[TagSize:])
	m += copy(b[m:], dst[:n])
	ghashCLMUL(t, &k.powers, &b[0], m/16)
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
	}
	b = joined{}
	k.hashEnd(t, &b, 0, rest, dst, ad)
}

// open implements Cipher.Open. dst has room for the message. ciphertext has at least a tag.
func (k *gcmKey) open(dst []byte, nonce *[NonceSize]byte, ciphertext, ad []byte) bool {
	n := len(ciphertext) - TagSize
	if fitsShort(len(ad), n) && &dst[0] == &ciphertext[0] {
		if overlap(dst, ad) {
			panic(overlapText)
		}
		return openShort(k, &dst[0], n, nonce, &ad[0], len(ad))
	}
	if wide {
		return k.openWide(dst, nonce, ciphertext, ad)
	}
	return k.openAny(dst, nonce, ciphertext, ad)
}

// openWide is open for any length and overlap. Precondition: wide.
func (k *gcmKey) openWide(dst []byte, nonce *[NonceSize]byte, ciphertext, ad []byte) bool {
	iv := *nonce // the output may overwrite the caller's
	n := len(ciphertext) - TagSize
	text, tag := ciphertext[:n], (*[TagSize]byte)(ciphertext[n:])
	checkOverlap(dst[:n], ciphertext, ad)
	var t [TagSize]byte
	k.tagWide(&t, &iv, text, ad)
	// Both halves are compared, whatever the first one says.
	if (binary.LittleEndian.Uint64(t[:])^binary.LittleEndian.Uint64(tag[:]))|
		(binary.LittleEndian.Uint64(t[8:])^binary.LittleEndian.Uint64(tag[8:])) != 0 {
		return false
	}
	k.cryptWide(dst[:n], text, &iv)
	return true
}

// openAny is open for any length and overlap.
func (k *gcmKey) openAny(dst []byte, nonce *[NonceSize]byte, ciphertext, ad []byte) bool {
	var s stream
	var t [TagSize]byte
	iv := *nonce // the output may overwrite the caller's
	nonce = &iv
	n := len(ciphertext) - TagSize
	text, tag := ciphertext[:n], ciphertext[n:]
	checkOverlap(dst[:n], ciphertext, ad)
	keyStream(&s, &k.rk, nonce)
	k.tag(&t, text, ad)
	lo, hi := masked(&t, &s)
	// Both halves are compared, whatever the first one says.
	if (lo^binary.LittleEndian.Uint64(tag))|(hi^binary.LittleEndian.Uint64(tag[8:])) != 0 {
		return false
	}
	k.crypt(dst[:n], text, &s, nonce)
	return true
}
