package aead

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// widths runs the body of a loop with each of this package's ways through GCM that the processor
// has instructions for.
func widths(yield func() bool) {
	was := wide
	defer func() { wide = was }()
	if yield() && was {
		wide = false
		yield()
	}
}

// TestGCMVectors checks test cases 1 to 4 of the GCM specification (McGrew and Viega, appendix B)
// with each implementation.
func TestGCMVectors(t *testing.T) {
	const (
		key   = "feffe9928665731c6d6a8f9467308308"
		nonce = "cafebabefacedbaddecaf888"
		plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
		text  = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985"
	)
	zeros := hex.EncodeToString(make([]byte, 16))
	for range widths {
		for i, v := range []struct{ key, nonce, plain, ad, want string }{
			{zeros, zeros[:24], "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
			{zeros, zeros[:24], zeros, "", "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
			{key, nonce, plain, "", text + "4d5c2af327cd64a62cf35abd2ba6fab4"},
			{key, nonce, plain[:120], "feedfacedeadbeeffeedfacedeadbeefabaddad2", text[:120] + "5bc94fbc3221a5db94fae95ae7121a47"},
		} {
			for name, make := range implementations {
				c := make((*[16]byte)(unhex(t, v.key)))
				n := (*[12]byte)(unhex(t, v.nonce))
				got := c.Seal(nil, n, unhex(t, v.plain), unhex(t, v.ad))
				if want := unhex(t, v.want); !bytes.Equal(got, want) {
					t.Errorf("%s, case %d: Seal = %x, want %x", name, i+1, got, want)
				}
				if back, err := c.Open(nil, n, got, unhex(t, v.ad)); err != nil || !bytes.Equal(back, unhex(t, v.plain)) {
					t.Errorf("%s, case %d: Open = %x, %v", name, i+1, back, err)
				}
			}
		}
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestGCMReference compares this package's own GCM with crypto/cipher for each length of a message,
// and for lengths of additional data on both sides of each limit.
func TestGCMReference(t *testing.T) {
	if !ownGCM {
		t.Skip("probed for AES and carry-less multiplication on amd64: crypto/cipher does everything here")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := 0; n <= 1280; n++ {
		for _, a := range []int{0, 1, 15, 16, 17, 55, 63, 71, 80, 81, 95, 96, 112, 127, 128, 129, 170, 255, 470} {
			if n > 300 && a != 71 && (n+a)%13 != 0 {
				continue
			}
			compare(t, (*[16]byte)(randomBytes(r, 16)), (*[12]byte)(randomBytes(r, 12)), randomBytes(r, n), randomBytes(r, a))
		}
	}
	// Hash keys that start or end with ones, and messages of ones, cause every carry.
	ones := bytes.Repeat([]byte{0xff}, 200)
	for range 2000 {
		compare(t, (*[16]byte)(randomBytes(r, 16)), (*[12]byte)(ones), ones, ones)
	}
}

// compare seals with both implementations, and opens each result with the other one.
func compare(t *testing.T, key *[16]byte, nonce *[12]byte, plaintext, ad []byte) {
	t.Helper()
	for range widths {
		own, std := NewCipher(key), newStdCipher(key)
		const guard = 40
		buf := bytes.Repeat([]byte{0xa5}, guard+len(plaintext)+TagSize+guard)
		copy(buf[guard:], plaintext)
		sealed := own.Seal(buf[guard:guard], nonce, buf[guard:guard+len(plaintext)], ad)
		if want := std.Seal(nil, nonce, plaintext, ad); !bytes.Equal(sealed, want) {
			t.Fatalf("key %x, nonce %x, %d bytes, %d of additional data:\n got %x\nwant %x", *key, *nonce, len(plaintext), len(ad), sealed, want)
		}
		if apart := own.Seal(nil, nonce, plaintext, ad); !bytes.Equal(sealed, apart) {
			t.Fatalf("%d bytes: sealed apart %x, in place %x", len(plaintext), apart, sealed)
		}
		if got, err := own.Open(nil, nonce, sealed, ad); err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%d bytes: opened apart: %x, %v", len(plaintext), got, err)
		}
		if got, err := own.Open(sealed[:0], nonce, sealed, ad); err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%d bytes: opened in place: %x, %v", len(plaintext), got, err)
		}
		if at := guard + len(plaintext) + TagSize; !bytes.Equal(buf[:guard], buf[at:]) {
			t.Fatalf("%d bytes: written outside of the message", len(plaintext))
		}
	}
}

// TestGCMForgery: a message with a flipped bit does not open.
func TestGCMForgery(t *testing.T) {
	c, nonce, ad := NewCipher(&[16]byte{3}), &[12]byte{4}, bytes.Repeat([]byte{5}, 71)
	for range widths {
		sealed := c.Seal(nil, nonce, bytes.Repeat([]byte{6}, 100), ad)
		flip := func(b []byte, bit int) { b[bit/8] ^= 1 << (bit % 8) }
		for _, b := range [][]byte{sealed, ad, nonce[:]} {
			for bit := range 8 * len(b) {
				flip(b, bit)
				if _, err := c.Open(nil, nonce, sealed, ad); err == nil {
					t.Errorf("opens with bit %d of %d changed", bit, 8*len(b))
				}
				flip(b, bit)
			}
		}
		if _, err := c.Open(nil, nonce, sealed, ad); err != nil {
			t.Error(err)
		}
	}
}

// TestShortForgery: a short message with a flipped bit does not open in place, and stays unchanged.
func TestShortForgery(t *testing.T) {
	c, nonce := NewCipher(&[16]byte{3}), &[12]byte{4}
	for range widths {
		for n := 1; n <= maxShort+1; n++ {
			ad := bytes.Repeat([]byte{5}, 16+n)
			packet := append(c.Seal(nil, nonce, bytes.Repeat([]byte{6}, n), ad), 7, 7, 7)
			sealed := packet[:n+TagSize]
			for bit := range 8 * len(sealed) {
				packet[bit/8] ^= 1 << (bit % 8)
				before := bytes.Clone(packet)
				if _, err := c.Open(sealed[:0], nonce, sealed, ad); err == nil {
					t.Fatalf("%d bytes: opens with bit %d of %d changed", n, bit, 8*len(sealed))
				}
				if ownGCM && !bytes.Equal(packet, before) {
					t.Fatalf("%d bytes: a message that does not open is altered", n)
				}
				copy(packet, before)
				packet[bit/8] ^= 1 << (bit % 8)
			}
			tag := bytes.Clone(packet[n:])
			if text, err := c.Open(sealed[:0], nonce, sealed, ad); err != nil || !bytes.Equal(text, bytes.Repeat([]byte{6}, n)) {
				t.Fatalf("%d bytes: %x, %v", n, text, err)
			}
			if ownGCM && !bytes.Equal(packet[n:], tag) {
				t.Fatalf("%d bytes: opening has written behind the text", n)
			}
		}
	}
}

// TestCiphersPair: the two ciphers of a session use their own keys.
func TestCiphersPair(t *testing.T) {
	r, w := NewCiphers(&[16]byte{1}, &[16]byte{2})
	for i, c := range []Cipher{r, w} {
		got := c.Seal(nil, new([12]byte), []byte("text"), nil)
		if want := newStdCipher(&[16]byte{byte(i + 1)}).Seal(nil, new([12]byte), []byte("text"), nil); !bytes.Equal(got, want) {
			t.Errorf("cipher %d: %x, want %x", i, got, want)
		}
	}
}

// FuzzGCM compares this package's own GCM with crypto/cipher.
func FuzzGCM(f *testing.F) {
	for _, n := range []int{0, 1, 16, 33, 112, 113, 600} {
		f.Add(make([]byte, 16), make([]byte, 12), make([]byte, n), make([]byte, 71))
	}
	f.Fuzz(func(t *testing.T, key, nonce, plaintext, ad []byte) {
		if len(key) != 16 || len(nonce) != 12 || len(plaintext) > 2000 || len(ad) > 2000 {
			return
		}
		compare(t, (*[16]byte)(key), (*[12]byte)(nonce), plaintext, ad)
	})
}

// TestGCMLayout: the assembly depends on the offset of the powers.
func TestGCMLayout(t *testing.T) {
	if at := unsafe.Offsetof(gcmKey{}.powers); at != 176 {
		t.Errorf("powers are at byte %d", at)
	}
	if n := unsafe.Sizeof(gcmKey{}); n != 304 {
		t.Errorf("a key takes %d bytes", n)
	}
}
