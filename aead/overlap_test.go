package aead

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"testing"
)

// TestS50Overlap tries outputs at all relevant distances from their input. Seal and Open panic
// unless the output starts at the input or does not overlap it.
func TestS50Overlap(t *testing.T) {
	for name, make := range implementations {
		for _, n := range []int{1, 16, 20, 48, 49, 112, 113, 128, 240, 241, 600, 1200} {
			t.Run(fmt.Sprintf("%s/%d bytes", name, n), func(t *testing.T) {
				for range widths {
					testOverlap(t, make(&[KeySize]byte{5}), n)
				}
			})
		}
	}
}

func testOverlap(t *testing.T, c Cipher, n int) {
	nonce, ad, text := &[NonceSize]byte{6}, bytes.Repeat([]byte{7}, 71), bytes.Repeat([]byte{8, 9, 10}, n)[:n]
	want := c.Seal(nil, nonce, text, ad)
	const space = 1300
	distances := map[int]bool{}
	for _, d := range []int{0, 1, 15, 16, 17, 100, 111, 112, 113, 127, 128, 129, 239, 240, 241, 500, n - 1, n, n + 1, n + TagSize - 1, n + TagSize, n + TagSize + 1} {
		distances[d], distances[-d] = true, true
	}
	buf := make([]byte, 3*space)
	for d := range distances {
		in, out := buf[space:][:n], buf[space+d:][:0]
		copy(in, text)
		var sealed []byte
		refused := panics(func() { sealed = c.Seal(out, nonce, in, ad) })
		// The output has n + TagSize bytes.
		if must := d != 0 && d < n && d > -n-TagSize; refused != must {
			t.Errorf("Seal at distance %d panics: %v", d, refused)
		}
		if !refused && !bytes.Equal(sealed, want) {
			t.Errorf("Seal at distance %d: wrong result", d)
		}

		in = buf[space:][:n+TagSize]
		copy(in, want)
		var opened []byte
		var err error
		refused = panics(func() { opened, err = c.Open(out, nonce, in, ad) })
		if must := d != 0 && d < n+TagSize && d > -n; refused != must {
			t.Errorf("Open at distance %d panics: %v", d, refused)
		}
		if !refused && (err != nil || !bytes.Equal(opened, text)) {
			t.Errorf("Open at distance %d: wrong result, %v", d, err)
		}
	}
}

// TestS50OverlapAD does the same for additional data, which must not overlap the output.
func TestS50OverlapAD(t *testing.T) {
	for name, make := range implementations {
		t.Run(name, func(t *testing.T) {
			c := make(&[KeySize]byte{5})
			for _, n := range []int{0, 20, 300} {
				testOverlapAD(t, c, n)
			}
		})
	}
}

func testOverlapAD(t *testing.T, c Cipher, n int) {
	nonce := &[NonceSize]byte{6}
	const adSize, at = 32, 100
	buf := make([]byte, 600)
	for i := range buf {
		buf[i] = byte(i)
	}
	for start := 0; start+adSize <= len(buf); start++ {
		b := bytes.Clone(buf)
		ad, in := b[start:start+adSize], b[at:at+n]
		var sealed []byte
		refused := panics(func() { sealed = c.Seal(in[:0], nonce, in, ad) })
		if must := start < at+n+TagSize && start+adSize > at; refused != must {
			t.Fatalf("%d bytes, additional data at %d of an output at %d: Seal panics: %v", n, start, at, refused)
		}
		if refused {
			continue
		}
		opened, err := c.Open(sealed[:0], nonce, sealed, ad)
		if err != nil || !bytes.Equal(opened, buf[at:at+n]) {
			t.Fatalf("%d bytes, additional data at %d: opened %x, %v", n, start, opened, err)
		}
	}
	// Open writes no tag, so additional data there does not overlap the output. If the output is
	// empty, additional data may be anywhere.
	sealed := c.Seal(nil, nonce, buf[:n], nil)
	for _, ad := range [][]byte{sealed[n:], sealed[n/2 : n/2]} {
		if panics(func() { c.Open(sealed[:0], nonce, sealed, ad) }) {
			t.Errorf("%d bytes: Open panics for additional data outside of its output", n)
		}
	}
	for start := range n {
		packet := c.Seal(nil, nonce, buf[:n], nil)
		if !panics(func() { c.Open(packet[:0], nonce, packet, packet[start:start+1]) }) {
			t.Errorf("%d bytes: Open takes the byte %d of its output as additional data", n, start)
		}
		if n > 16 && start+16 <= n && !panics(func() { c.Open(packet[:0], nonce, packet, packet[start:start+16]) }) {
			t.Errorf("%d bytes: Open takes the 16 bytes %d of its output as additional data", n, start)
		}
	}
}

// TestNonceInOutput: the nonce may be in the memory of the output, because it is read first.
func TestNonceInOutput(t *testing.T) {
	nonce := [NonceSize]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for name, make := range implementations {
		for _, ad := range [][]byte{nil, bytes.Repeat([]byte{7}, 32)} {
			for _, n := range []int{16, 48, 49, 112, 113, 200, 300, 1200} {
				c := make(&[KeySize]byte{5})
				// A text that starts with the nonce, and one whose ciphertext does.
				clear, hidden := bytes.Repeat([]byte{8}, n), c.Seal(nil, &nonce, bytes.Repeat([]byte{0}, n), nil)[:n]
				copy(clear, nonce[:])
				subtle.XORBytes(hidden, hidden, nonce[:])

				want := c.Seal(nil, &nonce, clear, ad)
				b := append(bytes.Clone(clear), bytes.Repeat([]byte{0}, TagSize)...)
				if got := c.Seal(b[:0], (*[NonceSize]byte)(b), b[:n], ad); !bytes.Equal(got, want) {
					t.Errorf("%s, %d bytes, %d of additional data: Seal = %x, want %x", name, n, len(ad), got, want)
				}
				b = c.Seal(nil, &nonce, hidden, ad)
				if got, err := c.Open(b[:0], (*[NonceSize]byte)(b), b, ad); err != nil || !bytes.Equal(got, hidden) {
					t.Errorf("%s, %d bytes, %d of additional data: Open = %x, %v, want %x", name, n, len(ad), got, err, hidden)
				}
			}
		}
	}
}
