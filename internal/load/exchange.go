package load

import (
	"time"

	"github.com/fastdisc/discv5/codec"
)

// exchange is a request that was sent and has not ended, or one that was lost and is remembered, so
// that a late response to it costs no more than any other.
type exchange struct {
	who        *identity // nil for junk
	seq        uint64    // request ID, of 8 bytes
	intended   time.Duration
	sent       time.Duration // the last time
	deadline   time.Duration
	nonce      codec.Nonce // of the packet that was sent last
	generation uint32      // of who, when it was
	sock       int32
	kind       Kind
	lost       bool
	held       bool   // waits for a handshake, to be sent then
	confirmed  bool   // REGCONFIRMATION has come
	ads        uint8  // records in TOPICNODES
	got        uint16 // packets of the answer
	total      uint16 // packets that the answer has, 0 when unknown

	// In the socket's list, by the time of sending. next of a free exchange is the next free one.
	prev, next int32
	// In the list of its identity, or of a lost, among all lost ones by age.
	older, newer int32
}

// exchanges is the memory of all exchanges of a worker. It never grows.
type exchanges struct {
	all  []exchange
	free int32
	live int // under way

	oldest, newest int32 // lost ones
}

func newExchanges(n int) *exchanges {
	t := &exchanges{all: make([]exchange, n), free: none, oldest: none, newest: none}
	for i := n - 1; i >= 0; i-- {
		t.all[i].next = t.free
		t.free = int32(i)
	}
	return t
}

func (t *exchanges) at(i int32) *exchange { return &t.all[i] }

// list is the exchanges of one socket in the order of sending.
type list struct {
	head, tail int32
	live       int32 // the first that is no lost, so that lost ones are passed over
	cursor     int32 // behind the last one that was answered
}

func newList() list { return list{none, none, none, none} }

// take returns a free exchange that belongs to who, appended to its list and to the socket's list.
// If all are in use the oldest lost, whichever socket it was of, is forgotten. It returns none if
// there is none.
func (t *exchanges) take(lists []*socket, sock int32, who *identity) int32 {
	if t.free == none {
		if t.oldest == none {
			return none
		}
		t.drop(&lists[t.at(t.oldest).sock].list, t.oldest)
	}
	i := t.free
	x := t.at(i)
	t.free = x.next
	*x = exchange{who: who, sock: sock, older: none, newer: none}
	t.push(&lists[sock].list, i)
	if who != nil {
		if x.older = who.last; who.last == none {
			who.first = i
		} else {
			t.at(who.last).newer = i
		}
		who.last = i
	}
	t.live++
	return i
}

// push appends to a socket's list.
func (t *exchanges) push(l *list, i int32) {
	x := t.at(i)
	x.prev, x.next = l.tail, none
	if l.tail == none {
		l.head = i
	} else {
		t.at(l.tail).next = i
	}
	l.tail = i
	if l.live == none {
		l.live = i
	}
}

// pull takes out of a socket's list.
func (t *exchanges) pull(l *list, i int32) {
	x := t.at(i)
	if x.prev == none {
		l.head = x.next
	} else {
		t.at(x.prev).next = x.next
	}
	if x.next == none {
		l.tail = x.prev
	} else {
		t.at(x.next).prev = x.prev
	}
	if l.cursor == i {
		l.cursor = x.next
	}
	if l.live == i {
		l.live = t.nextLive(x.next)
	}
}

// nextLive is the first from i on that is no lost.
func (t *exchanges) nextLive(i int32) int32 {
	for i != none && t.at(i).lost {
		i = t.at(i).next
	}
	return i
}

// leave takes a live exchange out of its identity's list.
func (t *exchanges) leave(x *exchange) {
	if who := x.who; who != nil {
		if x.older == none {
			who.first = x.newer
		} else {
			t.at(x.older).newer = x.newer
		}
		if x.newer == none {
			who.last = x.older
		} else {
			t.at(x.newer).older = x.older
		}
	}
	x.older, x.newer = none, none
}

// end frees a live exchange.
func (t *exchanges) end(l *list, i int32) {
	t.leave(t.at(i))
	t.pull(l, i)
	t.release(i)
	t.live--
}

// markLost makes a lost of a live exchange.
func (t *exchanges) markLost(l *list, i int32) {
	x := t.at(i)
	t.leave(x)
	x.lost = true
	if l.live == i {
		l.live = t.nextLive(x.next)
	}
	if x.older = t.newest; t.newest == none {
		t.oldest = i
	} else {
		t.at(t.newest).newer = i
	}
	t.newest = i
	t.live--
}

// drop forgets a lost.
func (t *exchanges) drop(l *list, i int32) {
	x := t.at(i)
	if x.older == none {
		t.oldest = x.newer
	} else {
		t.at(x.older).newer = x.newer
	}
	if x.newer == none {
		t.newest = x.older
	} else {
		t.at(x.newer).older = x.older
	}
	t.pull(l, i)
	t.release(i)
}

func (t *exchanges) release(i int32) {
	x := t.at(i)
	x.who = nil
	x.next = t.free
	t.free = i
}

// resend moves a live exchange to the end of its socket's list: its packet is resent.
func (t *exchanges) resend(l *list, i int32) {
	t.pull(l, i)
	t.push(l, i)
}

// clear ends all exchanges and forgets all lost ones. It returns how many were under way.
func (t *exchanges) clear(socks []*socket) (left int) {
	left = t.live
	for _, s := range socks {
		for s.list.head != none {
			if i := s.list.head; t.at(i).lost {
				t.drop(&s.list, i)
			} else {
				t.end(&s.list, i)
			}
		}
	}
	return left
}
