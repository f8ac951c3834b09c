package aead

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"runtime"
	"testing"
)

// testSource is a deterministic source that can fail.
type testSource struct {
	n, reads byte
	err      error
}

func (s *testSource) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	s.reads++
	// One byte at a time, because a reader may return less than requested.
	p[0] = s.n*167 + 13
	s.n++
	return 1, nil
}

func newTestRandom(t testing.TB) *Random {
	t.Helper()
	r, err := NewRandom(&testSource{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRandomDeterministic: equal seeds give equal bytes, whatever the calls.
func TestRandomDeterministic(t *testing.T) {
	want := make([]byte, 3*randomBuffer)
	if n, err := newTestRandom(t).Read(want); n != len(want) || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	r := newTestRandom(t)
	var got []byte
	for n := 0; len(got) < len(want); n = (n + 5) % 700 {
		p := make([]byte, min(n, len(want)-len(got)))
		r.Read(p)
		got = append(got, p...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the output depends on the sizes of the reads")
	}
	other, err := NewRandom(&testSource{n: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, len(want))
	other.Read(p)
	if bytes.Equal(p, want) {
		t.Error("another seed gives the same output")
	}
}

// TestRandomErasesWords: no method leaves returned bytes in the buffer.
func TestRandomErasesWords(t *testing.T) {
	for name, read := range map[string]func(*Random){
		"Uint64":   func(r *Random) { r.Uint64() },
		"Block":    func(r *Random) { r.Block(new([16]byte)) },
		"Uint32n":  func(r *Random) { r.Uint32n(1000) },
		"one byte": func(r *Random) { r.Read(make([]byte, 1)) },
		"Counter":  func(r *Random) { new(Counter).Next(new([NonceSize]byte), r) },
	} {
		r, err := NewRandom(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 * randomBuffer {
			read(r)
			if left := bytes.Trim(r.buf[:r.next], "\x00"); len(left) != 0 {
				t.Fatalf("%s: %d bytes that were handed out are still there", name, len(left))
			}
		}
		if bytes.Equal(r.buf[:], make([]byte, randomBuffer)) && r.next != len(r.buf) {
			t.Errorf("%s: nothing is made ahead", name)
		}
	}
}

// TestRandomErases: returned bytes are no longer in the buffer.
func TestRandomErases(t *testing.T) {
	r := newTestRandom(t)
	for _, n := range []int{1, 12, 28, 1000, randomBuffer} {
		r.Read(make([]byte, n))
		if !bytes.Equal(r.buf[:r.next], make([]byte, r.next)) {
			t.Fatalf("used bytes are still there after a Read of %d", n)
		}
	}
	if r.seed != [seedSize]byte{} {
		t.Error("the seed is still there")
	}
}

// TestRandomReseeds: output after 1 MiB depends on the new seed and on the old stream.
func TestRandomReseeds(t *testing.T) {
	same := &testSource{}
	a := newTestRandom(t)
	b, err := NewRandom(same)
	if err != nil {
		t.Fatal(err)
	}
	same.n = 99 // the seed that b gets
	p, q := make([]byte, reseedAfter), make([]byte, reseedAfter)
	a.Read(p)
	b.Read(q)
	if !bytes.Equal(p, q) {
		t.Fatal("outputs differ before the reseed")
	}
	if same.reads != seedSize {
		t.Fatalf("source was asked for %d bytes before 1 MiB, want %d", same.reads, seedSize)
	}
	a.Read(p[:64])
	b.Read(q[:64])
	if bytes.Equal(p[:64], q[:64]) {
		t.Error("fresh seed bytes change nothing")
	}
	if same.reads != 2*seedSize {
		t.Errorf("source was asked for %d bytes, want %d", same.reads, 2*seedSize)
	}

	// The same seed over two different old streams.
	c, _ := NewRandom(&testSource{n: 1})
	d, _ := NewRandom(&testSource{n: 2})
	c.src, d.src = bytes.NewReader(make([]byte, seedSize)), bytes.NewReader(make([]byte, seedSize))
	if c.Reseed() != nil || d.Reseed() != nil {
		t.Fatal("Reseed failed")
	}
	if c.Uint64() == d.Uint64() {
		t.Error("a reseed forgets the old stream")
	}
}

// TestRandomSourceFails: there is no generator without a seed, and a seeded one keeps working.
func TestRandomSourceFails(t *testing.T) {
	broken := errors.New("broken")
	if _, err := NewRandom(&testSource{err: broken}); !errors.Is(err, broken) {
		t.Errorf("NewRandom = %v", err)
	}
	if _, err := NewRandom(bytes.NewReader(make([]byte, seedSize-1))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("NewRandom with a short seed = %v", err)
	}
	src := &testSource{}
	r, err := NewRandom(src)
	if err != nil {
		t.Fatal(err)
	}
	src.err = broken
	p, q := make([]byte, reseedAfter), make([]byte, randomBuffer)
	r.Read(p)
	if r.failed != 0 {
		t.Error("reseeded too early")
	}
	if n, err := r.Read(q); n != len(q) || err != nil {
		t.Errorf("Read after a failed reseed = %d, %v", n, err)
	}
	if r.failed != 1 || bytes.Equal(q, make([]byte, len(q))) || bytes.Equal(q, p[:len(q)]) {
		t.Errorf("%d failures, output starts with %x", r.failed, q[:8])
	}
	src.err = nil
	r.Read(q)
	if r.failed != 1 || r.made != randomBuffer {
		t.Error("no new seed although the source is back")
	}
}

// TestUint32n checks the bounds and, roughly, the distribution. The generator is deterministic.
func TestUint32n(t *testing.T) {
	r := newTestRandom(t)
	for _, n := range []uint32{0, 1, 2, 3, 16, 1000, 1<<31 + 1, math.MaxUint32} {
		for range 200 {
			if v := r.Uint32n(n); v >= max(n, 1) {
				t.Fatalf("Uint32n(%d) = %d", n, v)
			}
		}
	}
	// Without redrawing, every third number below 3<<30 would come twice as often.
	const draws = 30000
	for _, n := range []uint32{3, 3 << 30} {
		var hits [3]int
		for range draws {
			hits[r.Uint32n(n)%3]++
		}
		for i, h := range hits {
			if h < draws/3*9/10 || h > draws/3*11/10 {
				t.Errorf("n = %d: remainder %d came %d times of %d", n, i, h, draws)
			}
		}
	}
}

func TestRandomAllocs(t *testing.T) {
	r, err := NewRandom(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var c Counter
	got := testing.AllocsPerRun(5000, func() {
		var iv [16]byte
		var nonce [12]byte
		r.Read(iv[:])
		c.Next(&nonce, r)
		r.Uint32n(7)
		r.Uint64()
	})
	if got != 0 {
		t.Errorf("randomness allocates %v times", got)
	}
	// As documented, a new stream allocates twice, once per 1 MiB. On s390x, crypto/aes allocates
	// its key schedule separately.
	most := 2.0
	if runtime.GOARCH == "s390x" {
		most = 3
	}
	if got := testing.AllocsPerRun(10, func() {
		if err := r.Reseed(); err != nil {
			t.Error(err)
		}
	}); got > most {
		t.Errorf("a reseed allocates %v times, documented are %v", got, most)
	}
}
