package goid

import (
	"sync"
	"testing"
)

// TestID: concurrent goroutines have different numbers, and each keeps its own.
func TestID(t *testing.T) {
	const n = 1000
	var mu sync.Mutex
	seen := make(map[uint64]bool)
	var wg, all sync.WaitGroup
	all.Add(n)
	for range n {
		wg.Go(func() {
			id := ID()
			mu.Lock()
			if id == 0 || seen[id] {
				t.Errorf("number %d", id)
			}
			seen[id] = true
			mu.Unlock()
			all.Done()
			all.Wait()
			if again := deep(20); again != id {
				t.Errorf("number %d, then %d", id, again)
			}
		})
	}
	wg.Wait()
}

func deep(n int) uint64 {
	if n == 0 {
		return ID()
	}
	return deep(n - 1)
}

func BenchmarkID(b *testing.B) {
	for b.Loop() {
		ID()
	}
}
