package topic

// chunkSize is how many elements a slab takes at a time. Elements of 24, 56, 64 and 304 bytes fill
// the sizes in which the heap hands out so many of them, and few are left over at the end.
const chunkSize = 16

// slab is an array that takes its memory in chunks, up to a fixed size. Elements never move. The
// chunks stay, so that a cache which is full, empty and full again allocates once.
type slab[T any] struct {
	chunks []*[chunkSize]T
	used   uint32 // elements handed out so far
	most   uint32
}

func newSlab[T any](most int) slab[T] {
	return slab[T]{chunks: make([]*[chunkSize]T, 0, (most+chunkSize-1)/chunkSize), most: uint32(most)}
}

// at returns element n, which must have been handed out.
func (s *slab[T]) at(n uint32) *T { return &s.chunks[n/chunkSize][n%chunkSize] }

// next hands out an element that was never handed out before. ok is false when there are no more.
func (s *slab[T]) next() (n uint32, ok bool) {
	if s.used == s.most {
		return 0, false
	}
	if s.used%chunkSize == 0 {
		s.chunks = append(s.chunks, new([chunkSize]T))
	}
	s.used++
	return s.used - 1, true
}
