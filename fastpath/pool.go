package fastpath

import "sync"

// Pool is a bounded set of buffers of one size, for datagrams whose work
// outlives their batch, such as a queued handshake. Memory is allocated when it
// is first needed, for poolChunk buffers at a time, and kept. Its methods, and
// Release, are safe for concurrent use.
//
// In builds with the tag discv5debug, releasing a buffer twice and writing to a
// buffer after its release panic. Other builds do not look for misuse.
type Pool struct {
	size  int
	count int

	mu        sync.Mutex
	slabs     [][]byte // of poolChunk buffers each, as many as have been needed
	bufs      []Buffer
	free      []*Buffer // a stack: the buffer used last is still in the cache
	gets      uint64
	exhausted uint64
}

// Buffer is one buffer of a Pool. Who holds it owns B until Release.
type Buffer struct {
	// B is the memory, of length and capacity Pool.Size at Get. It may be
	// resliced freely; Get restores it. Content is left over from earlier use.
	B []byte

	mem   []byte // what B is at Get
	pool  *Pool
	index int
	state bufferState // empty unless the tag discv5debug is set
}

// PoolStats are the figures of a Pool.
type PoolStats struct {
	Size      int    // bytes per buffer
	Count     int    // buffers
	Free      int    // buffers not in use
	Gets      uint64 // successful Gets
	Exhausted uint64 // Gets that found no free buffer
}

// NewPool returns a pool of count buffers of size bytes each. It panics unless
// both are positive: they come from the program, never from the network.
func NewPool(count, size int) *Pool {
	if count < 1 || size < 1 {
		panic("fastpath: pool without buffers or of empty buffers")
	}
	return &Pool{
		size: size, count: count,
		slabs: make([][]byte, 0, (count+poolChunk-1)/poolChunk),
		bufs:  make([]Buffer, 0, count),
		free:  make([]*Buffer, 0, count),
	}
}

// poolChunk is how many buffers have their memory together.
const poolChunk = 32

// grow adds a chunk of free buffers, if the pool has fewer than it can have. The
// lock is held.
func (p *Pool) grow() {
	first := len(p.bufs)
	n := min(poolChunk, p.count-first)
	if n == 0 {
		return
	}
	p.slabs = append(p.slabs, make([]byte, n*p.size))
	p.bufs = p.bufs[:first+n] // there is room: a Buffer never moves
	for i := first + n - 1; i >= first; i-- {
		b := &p.bufs[i]
		b.pool, b.index = p, i
		b.mem = p.slabs[len(p.slabs)-1][(i-first)*p.size : (i-first+1)*p.size : (i-first+1)*p.size]
		b.state.released(b)
		p.free = append(p.free, b)
	}
}

// Get returns a free buffer, or nil when there is none, which is counted. It
// does not wait.
func (p *Pool) Get() *Buffer {
	p.mu.Lock()
	if len(p.free) == 0 {
		p.grow()
	}
	n := len(p.free)
	if n == 0 {
		p.exhausted++
		p.mu.Unlock()
		return nil
	}
	b := p.free[n-1]
	p.free = p.free[:n-1]
	p.gets++
	p.mu.Unlock()
	b.state.taken(b)
	b.B = b.mem
	return b
}

// Release gives the buffer back. Neither b nor memory of b.B may be used after.
// Each Get is followed by at most one Release.
func (b *Buffer) Release() {
	p := b.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	b.state.released(b)
	if len(p.free) == len(p.bufs) {
		return // released twice: a pool never holds more than it has
	}
	b.B = nil
	p.free = append(p.free, b)
}

// Size is the number of bytes per buffer.
func (p *Pool) Size() int { return p.size }

// Stats returns the figures as of now.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolStats{
		Size: p.size, Count: p.count, Free: len(p.free) + p.count - len(p.bufs),
		Gets: p.gets, Exhausted: p.exhausted,
	}
}
