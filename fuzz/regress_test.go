package fuzz

import (
	"testing"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/engine"
)

// FINDNODE with so many distances that it fits into a packet only without its request ID ended
// twice: with the error, and again when its time was over.
func TestLargeFindNodeEndsOnce(t *testing.T) {
	for n := 1170; n < 1200; n++ {
		w := newWorld(t, &script{})
		to, ended := w.peers[1], 0
		var first error
		w.slow.Begin(w.now)
		w.slow.Start(engine.Request{
			Type: codec.TypeFindNode, Distances: make([]uint, n),
			Peer: engine.Peer{ID: to.Key.ID(), PublicKey: to.Key.PublicKey(), Addr: to.Addr, Record: to.Record},
			Done: func(_ *engine.Worker, r engine.Result) { first = r.Err; ended++ },
		})
		tooLarge := first == engine.ErrTooLarge
		for range 40 {
			w.pass(100 * time.Millisecond)
		}
		if ended != 1 || w.e.Pending() != 0 || tooLarge != (n > 1177) {
			t.Errorf("%d distances: ended %d times, %d pending, too large: %v", n, ended, w.e.Pending(), tooLarge)
		}
	}
}
