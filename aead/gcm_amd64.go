//go:build !purego

package aead

import "golang.org/x/sys/cpu"

// hasGCM reports whether the processor has the instructions of this package's own GCM: AES and
// PCLMULQDQ.
func hasGCM() bool { return hasAES() && cpu.X86.HasPCLMULQDQ }

// hasWide reports whether the processor has the instructions of wide_amd64.s, which encrypt and
// multiply four blocks at a time.
func hasWide() bool {
	c := &cpu.X86
	return hasGCM() && c.HasBMI2 && c.HasAVX512F && c.HasAVX512BW && c.HasAVX512VL && c.HasAVX512DQ &&
		c.HasAVX512VPCLMULQDQ && c.HasAVX512VAES
}

// tagWide writes the tag of a message to y. It reads nothing through a pointer whose length is 0.
// Precondition: hasWide().
//
//go:noescape
func tagWide(y *[16]byte, k *gcmKey, nonce *[12]byte, ad *byte, adLen int, text *byte, textLen int)

// cryptWide encrypts or decrypts the n bytes at b in place. Preconditions: hasWide(), n >= 0.
//
//go:noescape
func cryptWide(b *byte, n int, k *gcmKey, nonce *[12]byte)

// ghashCLMUL adds blocks of 16 bytes at b to the hash y. powers is that of gcmKey. Preconditions:
// hasGCM(), blocks >= 0.
//
//go:noescape
func ghashCLMUL(y *[16]byte, powers *[8][16]byte, b *byte, blocks int)

// sealShort encrypts the n bytes at b in place and writes the tag behind them. openShort reports
// whether the tag behind the n bytes at b is correct, and if so decrypts them in place.
// Preconditions: hasGCM(), fitsShort(adLen, n).
//
//go:noescape
func sealShort(k *gcmKey, b *byte, n int, nonce *[12]byte, ad *byte, adLen int)

//go:noescape
func openShort(k *gcmKey, b *byte, n int, nonce *[12]byte, ad *byte, adLen int) bool

// sealGroups encrypts groups of 128 bytes at b in place and adds them to the hash y. counter is the
// number of the first block of key stream. Preconditions: hasGCM(), groups >= 0.
//
//go:noescape
func sealGroups(b *byte, groups int, k *gcmKey, y *[16]byte, nonce *[12]byte, counter int)

// keyStream writes the first eight blocks of a message's key stream to s. Precondition: hasGCM().
//
//go:noescape
func keyStream(s *stream, rk *roundKeys, nonce *[12]byte)
