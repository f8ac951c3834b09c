package aead

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"runtime"
	"sync"
	"testing"
)

func testCipher() (Cipher, cipher.AEAD) {
	key := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return NewCipher(&key), gcm
}

// implementations are the constructors that this platform supports.
var implementations = map[string]func(*[16]byte) Cipher{"default": NewCipher, "crypto/cipher": newStdCipher}

// TestCipherInPlace seals and opens in a packet buffer, behind a header, for many sizes.
func TestCipherInPlace(t *testing.T) {
	c, plain := testCipher()
	nonce := &[12]byte{1, 0xff}
	for n := 0; n <= 1200; n += 1 + n/7 {
		header := bytes.Repeat([]byte{7}, 71)
		message := bytes.Repeat([]byte{byte(n)}, n)
		want := plain.Seal(bytes.Clone(header), nonce[:], message, header)

		buf := make([]byte, 0, 1280)
		buf = append(buf, header...)
		buf = append(buf, message...)
		packet := c.Seal(buf[:71], nonce, buf[71:], buf[:71])
		if !bytes.Equal(packet, want) {
			t.Fatalf("%d bytes: Seal = %x, want %x", n, packet, want)
		}
		if &packet[0] != &buf[0] {
			t.Fatalf("%d bytes: Seal has moved a buffer with room", n)
		}
		sealed := packet[71:]
		opened, err := c.Open(sealed[:0], nonce, sealed, packet[:71])
		if err != nil || !bytes.Equal(opened, message) {
			t.Fatalf("%d bytes: Open = %x, %v", n, opened, err)
		}
		if n > 0 && &opened[0] != &sealed[0] {
			t.Fatalf("%d bytes: Open was not in place", n)
		}
	}
}

// TestCipherErrAuth changes each input of Open in turn.
func TestCipherErrAuth(t *testing.T) {
	for name, make := range implementations {
		t.Run(name, func(t *testing.T) { testErrAuth(t, make) })
	}
}

func testErrAuth(t *testing.T, newCipher func(*[16]byte) Cipher) {
	c, other := newCipher(&[16]byte{1}), newCipher(&[16]byte{9})
	nonce, ad, message := &[12]byte{1}, []byte("header"), []byte("a message of some length")
	sealed := c.Seal(nil, nonce, message, ad)
	flip := func(b []byte, i int) []byte {
		b = bytes.Clone(b)
		b[i] ^= 0x10
		return b
	}
	tests := []struct {
		name       string
		c          Cipher
		nonce      [12]byte
		ciphertext []byte
		ad         []byte
		destroyed  bool
	}{
		{"other key", other, *nonce, sealed, ad, true},
		{"other nonce", c, [12]byte{2}, sealed, ad, true},
		{"other ad", c, *nonce, sealed, flip(ad, 0), true},
		{"shorter ad", c, *nonce, sealed, ad[1:], true},
		{"first byte", c, *nonce, flip(sealed, 0), ad, true},
		{"last byte of tag", c, *nonce, flip(sealed, len(sealed)-1), ad, true},
		{"cut short", c, *nonce, sealed[:len(sealed)-1], ad, true},
		{"a tag alone", c, *nonce, sealed[len(message):], ad, true},
		{"shorter than a tag", c, *nonce, sealed[:TagSize-1], ad, false},
		{"empty", c, *nonce, nil, ad, false},
	}
	for _, tt := range tests {
		in := bytes.Clone(tt.ciphertext)
		out, err := tt.c.Open(in[:0], &tt.nonce, in, tt.ad)
		if !errors.Is(err, ErrAuth) || out != nil {
			t.Errorf("%s: Open = %x, %v", tt.name, out, err)
		}
		if !tt.destroyed {
			if !bytes.Equal(in, tt.ciphertext) {
				t.Errorf("%s: Open has changed its input", tt.name)
			}
			continue
		}
		n := len(in) - TagSize
		if !bytes.Equal(in[:n], make([]byte, n)) && !bytes.Equal(in, tt.ciphertext) {
			t.Errorf("%s: output neither zero nor as it was: %x", tt.name, in[:n])
		}
	}
}

// TestCipherConcurrent, for the race detector, uses one key in many goroutines.
func TestCipherConcurrent(t *testing.T) {
	c, _ := testCipher()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			nonce := &[12]byte{byte(g)}
			for range 50 {
				c.Prefetch()
				sealed := c.Seal(nil, nonce, []byte{1, 2, 3}, nil)
				if _, err := c.Open(nil, nonce, sealed, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestPrefetch(t *testing.T) {
	var zero Cipher
	if !zero.IsZero() || zero.Prefetch() != 0 {
		t.Error("the zero Cipher has something to touch")
	}
	c, _ := testCipher()
	if c.IsZero() {
		t.Error("a Cipher with a key is zero")
	}
	if runtime.Compiler != "gc" {
		return
	}
	// A failure means that crypto/cipher has changed and that Prefetch does nothing.
	if cipherSize == 0 || cipherSize > CipherMemory {
		t.Errorf("object behind a Cipher has %d bytes, documented are up to %d", cipherSize, CipherMemory)
	}
	if runtime.GOARCH == "s390x" {
		t.Skip("probed for s390x: crypto/cipher has its keys elsewhere there, and Prefetch reads a header")
	}
	if c.Prefetch() == 0 {
		t.Error("Prefetch has read nothing but zeros")
	}
}

// TestCipherMemory measures the memory that a Cipher keeps.
func TestCipherMemory(t *testing.T) {
	const n = 4096
	kept := make([]Cipher, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		kept[i] = NewCipher(&[16]byte{byte(i), byte(i >> 8)})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	runtime.KeepAlive(kept)
	t.Logf("%.0f bytes each", each)
	if each > CipherMemory*1.1 {
		t.Errorf("a Cipher keeps %.0f bytes, documented are %d", each, CipherMemory)
	}
}

func TestCipherAllocs(t *testing.T) {
	for name, make := range implementations {
		c := make(&[16]byte{1})
		nonce := new([12]byte)
		var array [1280]byte
		buf := array[:]
		for _, n := range []int{0, 20, 300, 1100} {
			got := testing.AllocsPerRun(100, func() {
				c.Prefetch()
				sealed := c.Seal(buf[:71], nonce, buf[71:71+n], buf[:71])
				body := sealed[71:]
				if _, err := c.Open(body[:0], nonce, body, buf[:71]); err != nil {
					t.Error(err)
				}
				body[len(body)-1] ^= 1
				if _, err := c.Open(body[:0], nonce, body, buf[:71]); err != ErrAuth {
					t.Error(err)
				}
			})
			if got != 0 {
				t.Errorf("%s, %d bytes: Seal, Open and Prefetch allocate %v times", name, n, got)
			}
		}
	}
}
