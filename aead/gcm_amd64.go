//go:build !purego

package aead

import "golang.org/x/sys/cpu"

// hasGCM reports whether the processor has the instructions of this package's own GCM: AES and
// PCLMULQDQ.
func hasGCM() bool { return hasAES() && cpu.X86.HasPCLMULQDQ }

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
