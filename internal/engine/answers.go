package engine

import "sync"

// AnswerPool keeps the memory into which NODES answers are collected for the answers to come. One
// with nothing in it is ready to use. Engines of one process may share it.
type AnswerPool struct {
	mu   sync.Mutex
	free [][]byte
}

// maxPooledAnswers bounds what is kept: 150 KiB.
const maxPooledAnswers = 32

// get returns an empty slice with room for maxAnswerBytes.
func (p *AnswerPool) get() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := len(p.free)
	if k == 0 {
		return make([]byte, 0, maxAnswerBytes)
	}
	b := p.free[k-1]
	p.free = p.free[:k-1]
	return b[:0]
}

// put takes back what get returned, or nil, which is nothing.
func (p *AnswerPool) put(b []byte) {
	if b == nil {
		return
	}
	p.mu.Lock()
	if len(p.free) < maxPooledAnswers {
		p.free = append(p.free, b)
	}
	p.mu.Unlock()
}
