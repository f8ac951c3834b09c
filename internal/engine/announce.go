package engine

import (
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/lookup"
	"github.com/fastdisc/discv5/table"
)

// When the local record changes, the neighbors hear of it immediately: a PING carries the new
// sequence number, and whoever wants the record asks for it. Without that they would learn of it
// with the next liveness check, minutes later.

const (
	// announcePause is the shortest time between two rounds. Changes in between are told in one.
	announcePause = 5 * time.Second
	// announceMax bounds the neighbors of a round, the closest first, and announcePerTick those
	// that one Tick tells.
	announceMax     = 256
	announcePerTick = 8
)

// announcement is a round of PINGs. Only Tick uses it.
type announcement struct {
	seq   uint64        // of the record that was told last
	next  time.Duration // no round starts before
	queue []table.Node
}

// announce tells live neighbors that the local record has changed.
func (w *Worker) announce() {
	e, a := w.e, &w.e.maintain.announced
	if seq := e.Record().Seq(); seq != a.seq && w.now >= a.next {
		a.seq, a.next = seq, w.now+announcePause
		a.queue = e.table.ClosestLive(e.self, announceMax, a.queue[:0])
	}
	k := min(len(a.queue), announcePerTick)
	for _, n := range a.queue[:k] {
		w.start(Request{Type: codec.TypePing, Peer: lookup.NewPeer(n.Record, n.Addr), Here: true, Done: func(w *Worker, r Result) {
			if r.Err != nil {
				w.failed(n.ID, n.Addr, r)
			}
		}}, budget.Known, nil)
	}
	if a.queue = a.queue[k:]; len(a.queue) == 0 {
		a.queue = nil
	}
}

// nextAnnouncement returns when announce has something to do. Call it from the goroutine that calls
// Tick.
func (e *Engine) nextAnnouncement() time.Duration {
	a := &e.maintain.announced
	switch {
	case len(a.queue) > 0:
		return 0
	case e.Record().Seq() != a.seq:
		return a.next
	}
	return never
}
