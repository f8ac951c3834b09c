package aead

import (
	"bytes"
	"crypto/fips140"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
)

// Errors of SelfTest.
var (
	// ErrSelfTest means that this machine or build computes wrong results. Do not use this package.
	ErrSelfTest = errors.New("aead: known-answer test failed")

	// ErrFIPS means that the program runs under GODEBUG=fips140=only. That forbids AES-GCM with
	// external nonces, which discv5 requires.
	ErrFIPS = errors.New("aead: GODEBUG=fips140=only forbids AES-GCM with nonces from outside, which discv5 needs")
)

// SelfTest compares results of this package with known answers: the mask, AES-GCM for short and
// long messages, and the key derivation. It tests the implementation that this machine uses,
// assembly or Go. It runs once per process, in about ten microseconds; later calls return the same
// verdict. NewRandom and every node call it. Call it yourself if you use only other parts of this
// package.
//
// The error wraps ErrSelfTest, or is ErrFIPS. SelfTest checks the latter on each call, because
// enforcement may be switched off for a function.
func SelfTest() error {
	if fips140.Enforced() {
		return ErrFIPS
	}
	return verdict()
}

// verdict returns the result of this process's known-answer tests.
var verdict = sync.OnceValue(func() (err error) {
	// The comparison runs whether or not the program may use AES-GCM.
	fips140.WithoutEnforcement(func() { err = knownAnswers(underTest()) })
	return err
})

// arithmetic holds the functions that SelfTest tests.
type arithmetic struct {
	cipher func(*[KeySize]byte) Cipher
	mask   func(b []byte, destID *[32]byte, iv *[IVSize]byte)
	worker func(b []byte, destID *[32]byte, iv *[IVSize]byte, offset int)
	derive func(secret *[33]byte, challengeData []byte, initiator, recipient *[32]byte) (initiatorKey, recipientKey [KeySize]byte)
}

// underTest returns the functions of this package.
func underTest() *arithmetic {
	return &arithmetic{
		cipher: NewCipher,
		mask:   MaskOnce,
		worker: func(b []byte, destID *[32]byte, iv *[IVSize]byte, offset int) { NewMask(destID).XOR(b, iv, offset) },
		derive: DeriveKeys,
	}
}

// knownAnswers runs all known-answer tests on a.
func knownAnswers(a *arithmetic) error {
	for _, test := range []struct {
		name string
		ok   bool
	}{
		{"mask", a.maskOK()},
		{"AES-GCM", a.shortOK() && a.longOK()},
		{"key derivation", a.deriveOK()},
	} {
		if !test.ok {
			return fmt.Errorf("%w: %s", ErrSelfTest, test.name)
		}
	}
	return nil
}

// known decodes the hexadecimal digits of a known answer.
func known(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err) // a constant of this file is wrong
	}
	return b
}

// maskOK checks the example of NIST SP 800-38A, F.5.1: CTR-AES128.
func (a *arithmetic) maskOK() bool {
	var id [32]byte
	copy(id[:], known("2b7e151628aed2a6abf7158809cf4f3c"))
	iv := (*[IVSize]byte)(known("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"))
	plain := known("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	want := known("874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff" +
		"5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee")
	once, twice := bytes.Clone(plain), bytes.Clone(plain)
	a.mask(once[:61], &id, iv) // the last block is partial
	a.worker(twice[:16], &id, iv, 0)
	a.worker(twice[16:], &id, iv, 16)
	return bytes.Equal(once[:61], want[:61]) && bytes.Equal(once[61:], plain[61:]) && bytes.Equal(twice, want)
}

// shortOK checks the example of discv5-wire-test-vectors.md, Encryption/Decryption.
func (a *arithmetic) shortOK() bool {
	c := a.cipher((*[KeySize]byte)(known("9f2d77db7004bf8a1a85107ac686990b")))
	nonce := (*[NonceSize]byte)(known("27b5af763c446acd2749fe8e"))
	ad := known("93a7400fa0d6a694ebc24d5cf570f65d04215b6ac00757875e3f3a5f42107903")
	text, want := known("01c20101"), known("a5d12a2d94b8ccb3ba55558229867dc13bfa3648")
	return a.sealed(c, nonce, text, ad, want)
}

// longOK checks a message of 400 bytes, whose tag crypto/cipher computed.
func (a *arithmetic) longOK() bool {
	var key [KeySize]byte
	var nonce [NonceSize]byte
	ad, text := make([]byte, 71), make([]byte, 400)
	count := func(b []byte, factor, base byte) {
		for i := range b {
			b[i] = byte(i)*factor + base
		}
	}
	count(key[:], 17, 3)
	count(nonce[:], 1, 200)
	count(ad, 5, 0)
	count(text, 7, 1)
	return a.sealed(a.cipher(&key), &nonce, text, ad, known("c9242a73ad61e57823e89f7a141fb8f2"))
}

// sealed reports whether text, sealed in place and not, ends with want, opens, and does not open
// with its last bit flipped.
func (a *arithmetic) sealed(c Cipher, nonce *[NonceSize]byte, text, ad, want []byte) bool {
	apart := c.Seal(nil, nonce, text, ad)
	packet := append(bytes.Clone(text), make([]byte, TagSize)...)
	packet = c.Seal(packet[:0], nonce, packet[:len(text)], ad)
	if !bytes.Equal(apart, packet) || !bytes.HasSuffix(packet, want) {
		return false
	}
	opened, err := c.Open(nil, nonce, packet, ad)
	if err != nil || !bytes.Equal(opened, text) {
		return false
	}
	apart[len(apart)-1] ^= 1
	if _, err = c.Open(apart[:0], nonce, apart, ad); err != ErrAuth {
		return false
	}
	opened, err = c.Open(packet[:0], nonce, packet, ad)
	return err == nil && bytes.Equal(opened, text)
}

// deriveOK checks the example of discv5-wire-test-vectors.md, Key Derivation. The secret is the
// product of its two keys.
func (a *arithmetic) deriveOK() bool {
	initiator, recipient := a.derive(
		(*[33]byte)(known("022c82f214eb37159111712add00040fcdf73fd4d7d0b7c0f980da4d099aa59ba4")),
		known("0000000000000000000000000000000064697363763500010101020304050607"+
			"08090a0b0c00180102030405060708090a0b0c0d0e0f100000000000000000"),
		(*[32]byte)(known("aaaa8419e9f49d0083561b48287df592939a8d19947d8c0ef88f2a4856a69fbb")),
		(*[32]byte)(known("bbbb9d047f0488c0b5a93c1c3f2d8bafc7c8ff337024a55434a0d0555de64db9")))
	return bytes.Equal(initiator[:], known("dccc82d81bd610f4f76d3ebe97a40571")) &&
		bytes.Equal(recipient[:], known("ac74bb8773749920b0d3a8881c173ec5"))
}
