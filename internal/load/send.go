package load

import (
	"errors"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
)

// send begins as many exchanges as window or schedule allow.
func (l *lane) send() error {
	if !l.sending {
		return nil
	}
	if l.run.prepare {
		if done, err := l.prepared(); done || err != nil {
			l.sending = false
			return err
		}
	}
	if l.over() {
		l.sending, l.until = false, min(l.now, l.until)
		l.drained = l.now + 2*l.cfg.Timeout + l.expiry() + longestWait // by then all have ended
		if l.run.stop.Load() {
			l.drained = l.now + min(l.cfg.Timeout, DefaultTimeout)
		}
		return nil
	}
	l.due = l.due[:0]
	if l.scheduled() {
		l.due = l.pace.take(l.due, min(l.now, l.until-1), l.left)
	} else {
		for range l.room() {
			l.due = append(l.due, l.now)
		}
	}
	for due := l.due; len(due) > 0; {
		t := l.ring.front()
		if t == nil {
			if n, err := l.seal(l.cfg.Train); n == 0 || err != nil {
				return err
			}
			continue
		}
		n := min(len(due), t.sealed-t.sent)
		if err := l.transmit(t, due[:n]); err != nil {
			return err
		}
		due = due[n:]
		l.left -= uint64(n)
		l.ring.advance()
	}
	return nil
}

// scheduled reports whether the lane sends by the schedule of an open loop.
func (l *lane) scheduled() bool { return l.cfg.Rate > 0 }

// over reports whether nothing more is to be sent. What the schedule has before the end of the plan
// is sent also when the lane is late, but for what is hopelessly late.
func (l *lane) over() bool {
	switch {
	case l.left == 0 || l.run.stop.Load():
		return true
	case !l.scheduled():
		return l.now >= l.until
	case l.pace.at >= l.until:
		return l.now >= l.until
	case l.now < l.until+2*l.cfg.Timeout:
		return false
	}
	n := min(l.pace.until(l.until), l.left)
	for k, w := range l.draw.mix {
		l.tally.counts[k].Unsent += n * uint64(w) / uint64(l.draw.mix.sum())
	}
	return true
}

// room is how many requests the window allows now. It is made of whole trains, unless nothing is
// under way.
func (l *lane) room() int {
	free := max(0, l.cfg.Window/l.cfg.Lanes-l.pool.live)
	if l.pool.live > 0 {
		free -= free % l.cfg.Train
	}
	return int(min(uint64(min(free, sendBatch)), l.left))
}

// transmit begins exchanges with the next packets of a train, one for each intended time.
func (l *lane) transmit(t *train, due []time.Duration) error {
	l.now = l.clock.Now()
	counts := &l.tally.counts[t.kind]
	put := t.sent // packets from there on have not left
	for _, intended := range due {
		i := t.sent
		s := &t.slots[i]
		n := l.pool.take(l.socks, t.sock, s.who)
		if n == none {
			counts.Unsent++
			if err := l.put(t, put, i); err != nil {
				return err
			}
			t.sent++
			put = t.sent
			continue
		}
		x := l.pool.at(n)
		x.kind, x.seq = t.kind, s.seq
		x.intended, x.sent, x.deadline = intended, l.now, l.now+l.cfg.Timeout
		counts.Sent++
		if !l.scheduled() {
			x.intended = l.now
		}
		if t.kind == Handshake {
			x.deadline += l.cfg.Timeout
		}
		if who := s.who; t.kind.inSession() && who.shaking && l.now < who.deadline {
			x.held = true
			if err := l.put(t, put, i); err != nil {
				return err
			}
			t.sent++
			put = t.sent
			continue
		} else if t.kind.inSession() && s.keys != who.keys {
			s.keys = who.keys
			l.sealMessage(t.packet(i), who, t.kind, s.seq, &s.nonce)
		}
		x.nonce, x.keys = s.nonce, s.keys
		t.sent++
	}
	if l.scheduled() {
		l.tally.lagged(l.now-due[0], len(due))
	}
	return l.put(t, put, t.sent)
}

// put sends packets from to end of a train.
func (l *lane) put(t *train, from, end int) error {
	s := l.socks[t.sock]
	for from < end && s.trains != nil {
		n := min(end-from, fastpath.TrainLength(t.size))
		err := s.trains.Send(t.slab[from*t.size:(from+n)*t.size], t.size, l.cfg.Target.Addr)
		if errors.Is(err, fastpath.ErrSegments) {
			l.segments, s.trains = s.trains.Reason(), nil
			break
		}
		if err != nil {
			return err
		}
		from += n
	}
	for ; from < end; from++ {
		if err := l.out(t.sock, t.packet(from)); err != nil {
			return err
		}
	}
	return l.flush()
}

// out queues a packet; flush sends it.
func (l *lane) out(sock int32, packet []byte) error {
	if l.tx.Full() || l.tx.Len() > 0 && l.txSock != sock {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.txSock = sock
	l.tx.Commit(copy(l.tx.Buffer(), packet), l.cfg.Target.Addr)
	return nil
}

// flush sends what out has queued.
func (l *lane) flush() error {
	if l.tx.Len() == 0 {
		return nil
	}
	return l.socks[l.txSock].conn.WriteBatch(l.tx)
}

// seal makes up to n packets ready, and returns how many. 0 says that the ring is full, or that
// there is nobody to send for.
func (l *lane) seal(n int) (sealed int, err error) {
	for sealed < n {
		t := l.ring.back(l.setUp)
		if t == nil {
			return sealed, nil
		}
		for ; sealed < n && t.sealed < len(t.slots); sealed++ {
			ok, err := l.sealOne(t)
			if !ok || err != nil {
				return sealed, err
			}
			t.sealed++
		}
	}
	return sealed, nil
}

// setUp chooses kind and socket of a train.
func (l *lane) setUp(t *train) bool {
	if l.run.prepare && len(l.waiting)+l.missing == 0 {
		return false
	}
	t.kind = l.draw.next()
	t.size = l.templates[t.kind].size
	for range l.socks {
		l.turn = (l.turn + 1) % len(l.socks)
		if !t.kind.inSession() || len(l.socks[l.turn].members) > 0 {
			t.sock = int32(l.turn)
			return true
		}
	}
	return false // Generator.Run sees to it that there are members
}

// sealOne seals the next packet of a train. It reports false if there is nobody to seal it for.
func (l *lane) sealOne(t *train) (ok bool, err error) {
	s, packet := &t.slots[t.sealed], t.packet(t.sealed)
	l.seq++
	s.seq = l.seq
	switch t.kind {
	case Handshake:
		if s.who, err = l.newcomer(); s.who == nil || err != nil {
			return false, err
		}
		s.keys = s.who.keys
		l.random.Read(s.nonce[:])
		l.sealUnknown(packet, &s.who.id, &s.nonce)
	case Junk:
		s.who = nil
		l.strangers.nonce(&s.nonce, s.seq, l.random)
		l.sealUnknown(packet, l.strangers.next(l.random), &s.nonce)
	default:
		s.who = l.socks[t.sock].turn()
		s.keys = s.who.keys
		l.sealMessage(packet, s.who, t.kind, s.seq, &s.nonce)
	}
	return true, nil
}

// newcomer is who makes the next handshake, or nil if there is nobody.
func (l *lane) newcomer() (*identity, error) {
	switch n := len(l.waiting); {
	case l.run.prepare && n > 0:
		who := l.waiting[n-1]
		l.waiting = l.waiting[:n-1]
		return who, nil
	case l.run.prepare && l.missing == 0:
		return nil, nil
	case l.run.prepare:
		l.missing--
	case l.cfg.Handshake != GoodHandshake:
		l.nextBad = (l.nextBad + 1) % len(l.bad)
		return l.bad[l.nextBad], nil
	}
	return l.run.maker.take()
}

// sealMessage writes a request within a session. dst has the size of the packet.
func (l *lane) sealMessage(dst []byte, who *identity, k Kind, seq uint64, nonce *codec.Nonce) {
	if !who.counter.Next(nonce, l.random) {
		// The key is used up. A message that does not open brings about a handshake.
		l.random.Read(nonce[:])
		l.sealUnknown(dst, &who.id, nonce)
		return
	}
	l.random.Block(&l.iv)
	head := codec.AppendMessageHeader(dst[:0], l.cfg.Protocol, &l.iv, nonce, &who.id)
	message := l.templates[k].put(head, seq)[len(head):]
	packet := who.write.Seal(head, nonce, message, head)
	codec.MaskHeader(packet, codec.MessageHeaderSize, &l.initiator.target)
}

// sealUnknown writes a message of the size of dst that nobody can open.
func (l *lane) sealUnknown(dst []byte, id *[32]byte, nonce *codec.Nonce) {
	l.random.Block(&l.iv)
	head := codec.AppendMessageHeader(dst[:0], l.cfg.Protocol, &l.iv, nonce, id)
	l.random.Read(dst[len(head):])
	codec.MaskHeader(dst, codec.MessageHeaderSize, &l.initiator.target)
}
