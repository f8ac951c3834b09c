package fastpath

import (
	"sync"
	"testing"
)

func TestPool(t *testing.T) {
	p := NewPool(3, 100)
	var held []*Buffer
	for range 3 {
		b := p.Get()
		if b == nil || len(b.B) != 100 || cap(b.B) != 100 {
			t.Fatalf("Get = %+v", b)
		}
		for i := range b.B {
			b.B[i] = byte(len(held))
		}
		held = append(held, b)
	}
	for range 2 {
		if p.Get() != nil {
			t.Error("Get beyond the bound")
		}
	}
	for k, b := range held {
		for _, v := range b.B {
			if int(v) != k {
				t.Fatalf("buffer %d holds %d: buffers overlap", k, v)
			}
		}
	}
	if s := p.Stats(); s != (PoolStats{Size: 100, Count: 3, Gets: 3, Exhausted: 2}) {
		t.Errorf("%+v", s)
	}
	// Whatever the holder made of B, the next one gets the whole buffer.
	held[1].B = append(held[1].B[:50:50], make([]byte, 500)...)
	held[1].Release()
	if held[1].B != nil {
		t.Error("memory is still reachable through a released buffer")
	}
	if b := p.Get(); b != held[1] || len(b.B) != 100 || &b.B[0] != &b.mem[0] {
		t.Errorf("Get = %+v", b)
	}
	for _, b := range held {
		b.Release()
	}
	if s := p.Stats(); s.Free != 3 || p.Size() != 100 {
		t.Errorf("%+v", s)
	}
	mustPanic(t, "empty pool", func() { NewPool(0, 1) })
	mustPanic(t, "empty buffers", func() { NewPool(1, 0) })
}

func TestPoolConcurrent(t *testing.T) {
	const workers, rounds = 4, 2000
	p := NewPool(3, 64)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range rounds {
				b := p.Get()
				if b == nil {
					continue
				}
				for i := range b.B {
					b.B[i] = byte(w)
				}
				for _, v := range b.B {
					if int(v) != w {
						t.Error("two holders of one buffer")
						break
					}
				}
				b.Release()
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Free != 3 || s.Gets+s.Exhausted != workers*rounds {
		t.Errorf("%+v", s)
	}
}

func TestPoolAllocs(t *testing.T) {
	p := NewPool(2, 1280)
	if n := testing.AllocsPerRun(1000, func() {
		a, b := p.Get(), p.Get()
		p.Get()
		a.Release()
		b.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A pool takes memory for the buffers that have been in use at a time.
func TestPoolTakesMemoryWhenNeeded(t *testing.T) {
	const count, size = 100, 1280
	p := NewPool(count, size)
	var held []*Buffer
	for i := range count {
		if want := (i + poolChunk - 1) / poolChunk; len(p.slabs) != want {
			t.Fatalf("%d slabs for %d buffers, want %d", len(p.slabs), i, want)
		}
		b := p.Get()
		if b == nil || len(b.B) != size || cap(b.B) != size {
			t.Fatalf("buffer %d: %v", i, b)
		}
		b.B[0] = byte(i)
		held = append(held, b)
	}
	if p.Get() != nil {
		t.Error("more buffers than the pool has")
	}
	for i, b := range held {
		if b.B[0] != byte(i) {
			t.Errorf("buffer %d shares its memory", i)
		}
		b.Release()
	}
	if st := p.Stats(); st.Free != count || st.Count != count || len(p.slabs) != (count+poolChunk-1)/poolChunk {
		t.Errorf("%+v, %d slabs", st, len(p.slabs))
	}
}
