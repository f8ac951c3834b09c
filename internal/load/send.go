package load

import (
	"time"

	"github.com/fastdisc/discv5/codec"
)

// send begins as many exchanges as window or schedule allow.
func (w *worker) send() error {
	if err := w.sendDue(); err != nil {
		return err
	}
	return w.flush()
}

func (w *worker) sendDue() error {
	if !w.sending {
		if w.run.stop.Load() {
			w.drained = min(w.drained, w.now+min(w.cfg.Timeout, DefaultTimeout))
		}
		return nil
	}
	if w.run.prepare {
		if done, err := w.prepared(); done || err != nil {
			w.sending = false
			return err
		}
	}
	if w.over() {
		w.sending, w.until = false, min(w.now, w.until)
		w.drained = w.now + 2*w.cfg.Timeout + w.expiry() + longestWait // by then all have ended
		if w.run.stop.Load() {
			w.drained = w.now + min(w.cfg.Timeout, DefaultTimeout)
		}
		return nil
	}
	w.due = w.due[:0]
	if w.scheduled() {
		w.due = w.schedule.take(w.due, min(w.now, w.until-1), w.left)
	} else {
		for range w.room() {
			w.due = append(w.due, w.now)
		}
	}
	for due := w.due; len(due) > 0; {
		t := w.ring.front()
		if t == nil {
			if n, err := w.seal(w.cfg.sealedLength()); n == 0 || err != nil {
				return err
			}
			continue
		}
		n := min(len(due), t.sealed-t.sent)
		if w.mustWait(t) {
			if n = min(n, w.wake()); n == 0 {
				return nil
			}
		}
		if err := w.transmit(t, due[:n]); err != nil {
			return err
		}
		due = due[n:]
		w.left -= uint64(n)
		w.ring.advance()
	}
	return nil
}

// scheduled reports whether the worker sends by the schedule of an open loop.
func (w *worker) scheduled() bool { return w.cfg.Rate > 0 }

// over reports whether nothing more is to be sent. A late worker still sends the requests that the
// schedule has before the end of the plan, unless they are hopelessly late.
func (w *worker) over() bool {
	switch {
	case w.left == 0 || w.run.stop.Load():
		return true
	case !w.scheduled():
		return w.now >= w.until
	case w.schedule.at >= w.until:
		return w.now >= w.until
	case w.now < w.until+2*w.cfg.Timeout:
		return false
	}
	n := min(w.schedule.until(w.until), w.left)
	for k, weight := range w.picker.mix {
		w.stats.counts[k].Unsent += n * uint64(weight) / uint64(w.picker.mix.sum())
	}
	return true
}

// room returns how many requests the window allows now: whole batches, unless nothing is under way.
func (w *worker) room() int {
	free := max(0, w.cfg.Window/w.cfg.Workers-w.pool.live)
	if w.pool.live > 0 {
		free -= free % w.cfg.GSOBatch
	}
	return int(min(uint64(min(free, sendBatch)), w.left))
}

// transmit begins exchanges with the next packets of a batch, one for each intended time.
func (w *worker) transmit(t *sealedBatch, due []time.Duration) error {
	w.now = w.clock.Now()
	counts := &w.stats.counts[t.kind]
	put := t.sent // packets from there on have not left
	for _, intended := range due {
		i := t.sent
		s := &t.slots[i]
		if t.kind == RegTopic {
			if err := w.register(t, s, intended); err != nil {
				return err
			}
			t.sent++
			put = t.sent
			continue
		}
		n := w.pool.take(w.socks, t.sock, s.who)
		if n == none {
			counts.Unsent++
			if err := w.put(t, put, i); err != nil {
				return err
			}
			t.sent++
			put = t.sent
			continue
		}
		x := w.pool.at(n)
		x.kind, x.seq = t.kind, s.seq
		x.intended, x.sent, x.deadline = intended, w.now, w.now+w.cfg.Timeout
		counts.Sent++
		if !w.scheduled() {
			x.intended = w.now
		}
		if t.kind == Handshake {
			x.deadline += w.cfg.Timeout
		}
		if who := s.who; t.kind.inSession() && who.shaking && w.now < who.deadline {
			x.held = true
			if err := w.put(t, put, i); err != nil {
				return err
			}
			t.sent++
			put = t.sent
			continue
		} else if t.kind.inSession() && s.generation != who.generation {
			s.generation = who.generation
			w.sealMessage(t.packet(i), who, t.kind, s.seq, &s.nonce)
		}
		x.nonce, x.generation = s.nonce, s.generation
		t.sent++
	}
	if w.scheduled() {
		w.stats.lagged(w.now-due[0], len(due))
	}
	return w.put(t, put, t.sent)
}

// mustWait reports whether a closed loop waits until an identity may register again. In a mix the
// other kinds continue, and such requests are skipped.
func (w *worker) mustWait(t *sealedBatch) bool {
	return t.kind == RegTopic && w.cfg.Tickets == HonestTickets && !w.scheduled() && w.picker.mix.kinds() == 1
}

// register begins an exchange with a registration, which is not sealed ahead: it holds the newest
// ticket.
func (w *worker) register(t *sealedBatch, s *slot, intended time.Duration) error {
	who := w.registrant(t.sock)
	if who == nil {
		w.stats.topics.Skipped++
		return nil
	}
	counts := &w.stats.counts[RegTopic]
	n := w.pool.take(w.socks, who.home, who)
	if n == none {
		counts.Unsent++
		w.later(who, w.now)
		return nil
	}
	x := w.pool.at(n)
	x.kind, x.seq = RegTopic, s.seq
	x.intended, x.sent, x.deadline = intended, w.now, w.now+w.cfg.Timeout
	if !w.scheduled() {
		x.intended = w.now
	}
	counts.Sent++
	if who.shaking && w.now < who.deadline {
		x.held = true
		return nil
	}
	x.generation = who.generation
	return w.out(who.home, w.sealMessage(w.buf[:0], who, RegTopic, s.seq, &x.nonce))
}

// put queues packets from to end of a batch. The socket coalesces them into GSO batches where it
// can.
func (w *worker) put(t *sealedBatch, from, end int) error {
	for ; from < end; from++ {
		if err := w.out(t.sock, t.packet(from)); err != nil {
			return err
		}
	}
	return nil
}

// out queues a packet; flush sends it.
func (w *worker) out(sock int32, packet []byte) error {
	if w.tx.Len() == w.cfg.GSOBatch || w.tx.Len() > 0 && w.txSock != sock {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.txSock = sock
	w.tx.Commit(copy(w.tx.Buffer(), packet), w.cfg.Target.Addr)
	return nil
}

// flush sends what out has queued.
func (w *worker) flush() error {
	if w.tx.Len() == 0 {
		return nil
	}
	return w.socks[w.txSock].conn.WriteBatch(w.tx)
}

// seal seals up to n packets, and returns how many. 0 means that the ring is full, or that there is
// nobody to send for.
func (w *worker) seal(n int) (sealed int, err error) {
	for sealed < n {
		t := w.ring.back(w.setUp)
		if t == nil {
			return sealed, nil
		}
		for ; sealed < n && t.sealed < len(t.slots); sealed++ {
			ok, err := w.sealOne(t)
			if !ok || err != nil {
				return sealed, err
			}
			t.sealed++
		}
	}
	return sealed, nil
}

// setUp chooses kind and socket of a batch.
func (w *worker) setUp(t *sealedBatch) bool {
	if w.run.prepare && len(w.waiting)+w.missing == 0 {
		return false
	}
	t.kind = w.picker.next()
	t.size = w.templates[t.kind].size
	for range w.socks {
		w.turn = (w.turn + 1) % len(w.socks)
		if !t.kind.inSession() || len(w.socks[w.turn].members) > 0 {
			t.sock = int32(w.turn)
			return true
		}
	}
	return false // Generator.Run sees to it that there are members
}

// sealOne seals the next packet of a batch. It reports false if there is nobody to seal it for.
func (w *worker) sealOne(t *sealedBatch) (ok bool, err error) {
	s, packet := &t.slots[t.sealed], t.packet(t.sealed)
	w.seq++
	s.seq = w.seq
	switch t.kind {
	case Handshake:
		if s.who, err = w.initiate(); s.who == nil || err != nil {
			return false, err
		}
		if w.cfg.endpoints && w.run.prepare {
			if err = s.who.locate(w.socks[t.sock].endpoint); err != nil {
				return false, err
			}
		}
		s.generation = s.who.generation
		w.random.Read(s.nonce[:])
		w.sealUnknown(packet, &s.who.id, &s.nonce)
	case RegTopic:
		s.who = nil // see register
	case Junk:
		s.who = nil
		w.sealUnknown(packet, w.junkIDs.next(&s.nonce, s.seq, w.random), &s.nonce)
	default:
		s.who = w.socks[t.sock].turn()
		s.generation = s.who.generation
		w.sealMessage(packet, s.who, t.kind, s.seq, &s.nonce)
	}
	return true, nil
}

// initiate returns the identity that makes the next handshake, or nil if there is none.
func (w *worker) initiate() (*identity, error) {
	switch n := len(w.waiting); {
	case w.run.prepare && n > 0:
		who := w.waiting[n-1]
		w.waiting = w.waiting[:n-1]
		return who, nil
	case w.run.prepare && w.missing == 0:
		return nil, nil
	case w.run.prepare:
		w.missing--
	case w.cfg.Handshake != GoodHandshake:
		w.nextBad = (w.nextBad + 1) % len(w.bad)
		return w.bad[w.nextBad], nil
	}
	return w.run.maker.take()
}

// sealMessage writes a request within a session to the array of dst, which has room for it.
func (w *worker) sealMessage(dst []byte, who *identity, k Kind, seq uint64, nonce *codec.Nonce) []byte {
	h := &w.header
	if !who.session.NextNonce(&h.Nonce, w.random) {
		// The key is used up. A message that does not open brings about a handshake.
		w.random.Read(nonce[:])
		dst = dst[:w.templates[k].size]
		w.sealUnknown(dst, &who.id, nonce)
		return dst
	}
	*nonce = h.Nonce
	h.Source = who.id
	w.random.Block(&h.IV)
	message := dst[codec.MessageHeaderSize:codec.MessageHeaderSize]
	switch t := &w.templates[k]; k {
	case RegTopic:
		message = w.registration(message, who, seq)
	case TopicQuery:
		message = t.put(message, seq)
		copy(message[t.topic:], w.topics.topics[who.topic%len(w.topics.topics)][:])
	default:
		message = t.put(message, seq)
	}
	return h.AppendMessage(dst[:0], &w.initiator.target, who.session, message)
}

// sealUnknown writes a message of the size of dst that nobody can open.
func (w *worker) sealUnknown(dst []byte, id *[32]byte, nonce *codec.Nonce) {
	h := &w.header
	h.Source, h.Nonce = *id, *nonce
	w.random.Block(&h.IV)
	noise := dst[codec.MessageHeaderSize:]
	w.random.Read(noise)
	h.AppendUnopenable(dst[:0], &w.initiator.target, noise)
}
