package aead

import (
	"crypto/cipher"
	"errors"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cryptotest"
)

// faultyAEAD is an AES-GCM with a fault.
type faultyAEAD struct {
	cipher.AEAD
	seal func(sealed []byte)
	open func(text []byte, err error) ([]byte, error)
}

func (f faultyAEAD) Seal(dst, nonce, plaintext, ad []byte) []byte {
	out := f.AEAD.Seal(dst, nonce, plaintext, ad)
	if f.seal != nil {
		f.seal(out)
	}
	return out
}

func (f faultyAEAD) Open(dst, nonce, ciphertext, ad []byte) ([]byte, error) {
	out, err := f.AEAD.Open(dst, nonce, ciphertext, ad)
	if f.open != nil {
		return f.open(out, err)
	}
	return out, err
}

// faultyCipher returns a constructor of ciphers with the fault f.
func faultyCipher(f faultyAEAD) func(*[KeySize]byte) Cipher {
	return func(key *[KeySize]byte) Cipher {
		f.AEAD = newStdCipher(key).aead
		return Cipher{aead: f}
	}
}

// TestSelfTestNotices breaks one function after the other.
func TestSelfTestNotices(t *testing.T) {
	if err := SelfTest(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fault func(a *arithmetic)
		says  string
	}{
		"mask, first block":  {func(a *arithmetic) { a.mask = flipped(0) }, "mask"},
		"mask, last byte":    {func(a *arithmetic) { a.mask = flipped(60) }, "mask"},
		"mask, too long":     {func(a *arithmetic) { a.mask = tooLong }, "mask"},
		"worker's mask":      {func(a *arithmetic) { a.worker = offsetIgnored }, "mask"},
		"key of the cipher":  {func(a *arithmetic) { a.cipher = func(k *[KeySize]byte) Cipher { k[15] ^= 1; return NewCipher(k) } }, "AES-GCM"},
		"ciphertext":         {func(a *arithmetic) { a.cipher = faultyCipher(faultyAEAD{seal: func(b []byte) { b[0] ^= 1 }}) }, "AES-GCM"},
		"tag":                {func(a *arithmetic) { a.cipher = faultyCipher(faultyAEAD{seal: func(b []byte) { b[len(b)-1] ^= 1 }}) }, "AES-GCM"},
		"tag, long messages": {func(a *arithmetic) { a.cipher = faultyCipher(faultyAEAD{seal: longTag}) }, "AES-GCM"},
		"opens everything":   {func(a *arithmetic) { a.cipher = faultyCipher(faultyAEAD{open: opensAll}) }, "AES-GCM"},
		"opens nothing":      {func(a *arithmetic) { a.cipher = faultyCipher(faultyAEAD{open: opensNone}) }, "AES-GCM"},
		"opens wrongly":      {func(a *arithmetic) { a.cipher = faultyCipher(faultyAEAD{open: opensWrong}) }, "AES-GCM"},
		"keys change places": {func(a *arithmetic) { a.derive = swapped }, "key derivation"},
	} {
		t.Run(name, func(t *testing.T) {
			a := underTest()
			c.fault(a)
			if err := knownAnswers(a); !errors.Is(err, ErrSelfTest) || !strings.HasSuffix(err.Error(), c.says) {
				t.Errorf("error %v, want one about %s", err, c.says)
			}
		})
	}
	t.Run("portable AES", func(t *testing.T) {
		sboxTable[0x52] ^= 1
		defer func() { sboxTable[0x52] ^= 1 }()
		a := underTest()
		a.mask = func(b []byte, id *[32]byte, iv *[IVSize]byte) {
			var rk roundKeys
			expandKeyGeneric(&rk, (*[KeySize]byte)(id[:]))
			xorKeyStreamGeneric(b, &rk, iv, 0)
		}
		if err := knownAnswers(a); !errors.Is(err, ErrSelfTest) {
			t.Error(err)
		}
	})
}

func flipped(at int) func([]byte, *[32]byte, *[IVSize]byte) {
	return func(b []byte, id *[32]byte, iv *[IVSize]byte) {
		MaskOnce(b, id, iv)
		b[at] ^= 1
	}
}

func tooLong(b []byte, id *[32]byte, iv *[IVSize]byte) { MaskOnce(b[:cap(b)], id, iv) }

func offsetIgnored(b []byte, id *[32]byte, iv *[IVSize]byte, _ int) { NewMask(id).XOR(b, iv, 0) }

func longTag(b []byte) {
	if len(b) > 200 {
		b[len(b)-1] ^= 1
	}
}

func opensAll(b []byte, _ error) ([]byte, error) { return b, nil }

func opensNone([]byte, error) ([]byte, error) { return nil, ErrAuth }

func opensWrong(b []byte, err error) ([]byte, error) {
	if err == nil {
		b[0] ^= 1
	}
	return b, err
}

func swapped(secret *[33]byte, challenge []byte, initiator, recipient *[32]byte) (a, b [KeySize]byte) {
	b, a = DeriveKeys(secret, challenge, initiator, recipient)
	return a, b
}

// TestS51FIPSOnly: under GODEBUG=fips140=only a program that imports this package starts, and
// SelfTest returns ErrFIPS.
func TestS51FIPSOnly(t *testing.T) {
	if !cryptotest.UnderGODEBUG(t, "fips140=only", "fips140=only,cpu.aes=off,cpu.pclmulqdq=off") {
		return
	}
	if err := SelfTest(); !errors.Is(err, ErrFIPS) {
		t.Errorf("SelfTest = %v", err)
	}
	// The known answers are still correct.
	if err := verdict(); err != nil {
		t.Error(err)
	}
}

// TestPlainByGODEBUG: an operator can disable the assembly at program start.
func TestPlainByGODEBUG(t *testing.T) {
	if !cryptotest.UnderGODEBUG(t, "cpu.adx=off,cpu.aes=off,cpu.pclmulqdq=off") {
		return
	}
	if accelerated || ownGCM {
		t.Errorf("accelerated %v, own GCM %v", accelerated, ownGCM)
	}
	if NewCipher(&[KeySize]byte{}).own != nil {
		t.Error("a Cipher of this package's own")
	}
	if err := SelfTest(); err != nil {
		t.Error(err)
	}
	t.Run("GCM", TestPublishedGCMFiles)
	t.Run("AES", TestPublishedAES)
}

func BenchmarkSelfTest(b *testing.B) {
	for b.Loop() {
		if err := knownAnswers(underTest()); err != nil {
			b.Fatal(err)
		}
	}
}
