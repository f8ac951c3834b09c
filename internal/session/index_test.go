package session

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// indexModel is a reference index: the hash of each slot.
type indexModel map[uint32]uint64

// under returns the slots whose hash has the tag of h.
func (m indexModel) under(h uint64) (slots []uint32) {
	for s, g := range m {
		if tagOf(g) == tagOf(h) {
			slots = append(slots, s)
		}
	}
	slices.Sort(slots)
	return slots
}

func (x *index) all(h uint64) (slots []uint32) {
	var i uint32
	for {
		s, ok := x.next(h, &i)
		if !ok {
			slices.Sort(slots)
			return slots
		}
		slots = append(slots, s)
	}
}

// TestIndexModel compares an index with a Go map under random operations. The hashes are spread,
// share tags, share positions, or lie at the end of the array.
func TestIndexModel(t *testing.T) {
	const n = 100
	hashes := map[string]func(r *rand.Rand) uint64{
		"spread":       func(r *rand.Rand) uint64 { return r.Uint64() },
		"equal tags":   func(r *rand.Rand) uint64 { return uint64(r.IntN(5))<<32 | uint64(r.Uint32()) },
		"one tag":      func(r *rand.Rand) uint64 { return 7<<32 | uint64(r.Uint32()) },
		"equal places": func(r *rand.Rand) uint64 { return uint64(r.IntN(1000)) << (32 + 10) },
		"at the end":   func(r *rand.Rand) uint64 { return uint64(0xffffffff-r.Uint32N(40)) << 32 },
		"neighbors":    func(r *rand.Rand) uint64 { return uint64(r.IntN(64)) << 32 },
	}
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			x, model := newIndex(n), indexModel{}
			known := []uint64{0}
			for step := range 20000 {
				slot := uint32(r.IntN(n))
				if h, ok := model[slot]; ok {
					x.remove(h, slot)
					delete(model, slot)
				} else if r.IntN(100) < 55 {
					h := hash(r)
					if !x.put(h, slot) {
						t.Fatalf("step %d: refused with %d of %d in use", step, len(model), n)
					}
					model[slot], known[0] = h, h
					known = append(known[:min(len(known), 50)], h)
				}
				h := known[r.IntN(len(known))]
				if got, want := x.all(h), model.under(h); !slices.Equal(got, want) {
					t.Fatalf("step %d: %x has %v, want %v", step, h, got, want)
				}
				if h := hash(r); r.IntN(2) == 0 {
					x.remove(h, n+1) // a missing slot
				}
				if x.used() != len(model) {
					t.Fatalf("step %d: %d words in use, want %d", step, x.used(), len(model))
				}
			}
			for slot, h := range model {
				x.remove(h, slot)
			}
			if x.used() != 0 {
				t.Errorf("%d words in use after the last removal", x.used())
			}
		})
	}
}

// TestIndexProbeBound: maxProbe words are the longest run. put refuses more and changes nothing,
// and a removal makes room for one more.
func TestIndexProbeBound(t *testing.T) {
	x := newIndex(1000)
	const h = 0xfffffff0 << 32 // the run wraps around the end
	for s := range uint32(maxProbe) {
		if !x.put(h|uint64(s), s) {
			t.Fatalf("slot %d refused", s)
		}
	}
	if x.put(h, 500) {
		t.Fatal("run longer than maxProbe")
	}
	if got := x.all(h); len(got) != maxProbe {
		t.Fatalf("%d slots found", len(got))
	}
	steps := uint32(0)
	if _, ok := x.next(uint64(0xfffffff1)<<32, &steps); ok || steps > maxProbe {
		t.Fatalf("found %v after %d steps", ok, steps)
	}
	x.remove(h, 3)
	if !x.put(h, 500) {
		t.Fatal("refused after a removal")
	}
	got := x.all(h)
	if slices.Contains(got, 3) || !slices.Contains(got, 500) || len(got) != maxProbe {
		t.Errorf("slots %v", got)
	}
}

func TestIndexSize(t *testing.T) {
	for _, n := range []int{0, 1, 8, 9, 64, 328, 1000} {
		x := newIndex(n)
		if len(x.words) < 2*n || len(x.words)&(len(x.words)-1) != 0 || int(x.mask) != len(x.words)-1 {
			t.Errorf("%d slots: %d words", n, len(x.words))
		}
	}
}
