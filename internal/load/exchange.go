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
	// In the chain of its identity, or in that of all lost exchanges.
	older, newer int32
}

// chain is a list of exchanges by age.
type chain struct{ oldest, newest int32 }

func newChain() chain { return chain{none, none} }

// exchanges is the memory of all exchanges of a worker. It never grows.
type exchanges struct {
	all  []exchange
	free int32
	live int // under way

	lost chain
}

func newExchanges(n int) *exchanges {
	t := &exchanges{all: make([]exchange, n), free: none, lost: newChain()}
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
	live       int32 // the first that is not lost
	cursor     int32 // behind the last one that was answered
}

func newList() list { return list{none, none, none, none} }

// take returns a free exchange that belongs to who, appended to its list and to the socket's list.
// If all are in use it drops the oldest lost exchange of any socket. It returns none if there is no
// lost one either.
func (t *exchanges) take(lists []*socket, sock int32, who *identity) int32 {
	if t.free == none {
		if t.lost.oldest == none {
			return none
		}
		t.drop(&lists[t.at(t.lost.oldest).sock].list, t.lost.oldest)
	}
	i := t.free
	x := t.at(i)
	t.free = x.next
	*x = exchange{who: who, sock: sock}
	t.push(&lists[sock].list, i)
	if who != nil {
		t.link(&who.live, i)
	}
	t.live++
	return i
}

// link appends to a chain.
func (t *exchanges) link(c *chain, i int32) {
	x := t.at(i)
	if x.older, x.newer = c.newest, none; c.newest == none {
		c.oldest = i
	} else {
		t.at(c.newest).newer = i
	}
	c.newest = i
}

// unlink removes from a chain.
func (t *exchanges) unlink(c *chain, x *exchange) {
	if x.older == none {
		c.oldest = x.newer
	} else {
		t.at(x.older).newer = x.newer
	}
	if x.newer == none {
		c.newest = x.older
	} else {
		t.at(x.newer).older = x.older
	}
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

// pull removes from a socket's list.
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

// nextLive returns the first exchange from i on that is not lost.
func (t *exchanges) nextLive(i int32) int32 {
	for i != none && t.at(i).lost {
		i = t.at(i).next
	}
	return i
}

// leave removes a live exchange from the chain of its identity.
func (t *exchanges) leave(x *exchange) {
	if x.who != nil {
		t.unlink(&x.who.live, x)
	}
}

// end frees a live exchange.
func (t *exchanges) end(l *list, i int32) {
	t.leave(t.at(i))
	t.pull(l, i)
	t.release(i)
	t.live--
}

// markLost makes a live exchange a lost one.
func (t *exchanges) markLost(l *list, i int32) {
	x := t.at(i)
	t.leave(x)
	x.lost = true
	if l.live == i {
		l.live = t.nextLive(x.next)
	}
	t.link(&t.lost, i)
	t.live--
}

// drop forgets a lost exchange.
func (t *exchanges) drop(l *list, i int32) {
	t.unlink(&t.lost, t.at(i))
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
