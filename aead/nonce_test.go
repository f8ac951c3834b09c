package aead

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"
)

func TestCounter(t *testing.T) {
	r := newTestRandom(t)
	var c Counter
	var last [12]byte
	for i := range 1000 {
		var nonce [12]byte
		if !c.Next(&nonce, r) {
			t.Fatal("exhausted at once")
		}
		if got := binary.BigEndian.Uint32(nonce[:]); got != uint32(i) {
			t.Fatalf("message %d has number %d", i, got)
		}
		if [8]byte(nonce[4:]) == [8]byte(last[4:]) {
			t.Fatal("random part repeats")
		}
		last = nonce
	}
	if c.Count() != 1000 {
		t.Errorf("Count = %d", c.Count())
	}
}

// TestCounterExhausted lets goroutines run into the limit. They must get each remaining number
// once, and nothing after it. They take no lock, so a non-atomic increment would return numbers
// twice.
func TestCounterExhausted(t *testing.T) {
	const left, workers, each = 400000, 4, 150000
	var c Counter
	c.n.Store(MaxMessages - left)
	var got [workers][]uint32
	var wg sync.WaitGroup
	start := make(chan struct{})
	for w := range workers {
		r := newTestRandom(t)
		wg.Go(func() {
			<-start
			for range each {
				var nonce [12]byte
				if c.Next(&nonce, r) {
					got[w] = append(got[w], binary.BigEndian.Uint32(nonce[:]))
				} else if nonce != [12]byte{} {
					t.Error("nonce written although refused")
				}
			}
		})
	}
	close(start)
	wg.Wait()
	all := slices.Concat(got[:]...)
	slices.Sort(all)
	if len(all) != left {
		t.Errorf("%d nonces, want %d", len(all), left)
	}
	if once := len(slices.Compact(all)); once != left {
		t.Errorf("%d different numbers, want %d", once, left)
	}
	if c.Count() != MaxMessages {
		t.Errorf("Count = %d", c.Count())
	}

	// Where a 32-bit counter would wrap.
	c.n.Store(1<<32 - 1)
	var nonce [12]byte
	r := newTestRandom(t)
	for range 3 {
		if c.Next(&nonce, r) {
			t.Fatal("nonce after the end")
		}
	}
}
