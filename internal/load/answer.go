package load

import (
	"errors"
	"math"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
)

// receive takes a batch that came to a socket. Trains make one of many times receiveBatch: what is
// due meanwhile leaves in between.
func (l *lane) receive(sock int32, rx *fastpath.Rx) error {
	for i := 0; i < rx.Len(); i += receiveBatch {
		if i > 0 {
			if err := l.send(); err != nil {
				return err
			}
		}
		l.now = l.clock.Now()
		if err := l.take(sock, rx, i, min(i+receiveBatch, rx.Len())); err != nil {
			return err
		}
	}
	return nil
}

// take takes datagrams i to end of a batch.
func (l *lane) take(sock int32, rx *fastpath.Rx, i, end int) error {
	s, target := l.socks[sock], l.cfg.Target.Addr
	for ; i < end; i++ {
		if rx.Addr(i) != target {
			l.tally.events.Foreign++
			continue
		}
		b := rx.Packet(i)
		if len(l.cfg.Echo) > 0 {
			l.echoed(s, len(b))
			continue
		}
		if err := l.datagram(sock, b); err != nil {
			return err
		}
	}
	return l.flush()
}

// echoed takes a datagram of an echo server, which answers in order.
func (l *lane) echoed(s *socket, size int) {
	i := s.list.live
	if i == none {
		l.tally.events.Late++
		return
	}
	x := l.pool.at(i)
	if size != l.cfg.Echo[x.got] {
		l.tally.events.Malformed++
		return
	}
	if x.got++; int(x.got) == len(l.cfg.Echo) {
		l.complete(s, i)
	}
}

// datagram takes a packet of the target.
func (l *lane) datagram(sock int32, b []byte) error {
	s, p := l.socks[sock], &l.packet
	if l.draw.mix[Junk] > 0 && len(b) == codec.WhoareyouSize && l.strangers.decoder.Decode(b, p) == nil {
		l.challenged(s)
		return nil
	}
	i := l.recipient(s, b)
	if i == none {
		return nil
	}
	s.list.cursor = i
	switch p.Flag {
	case codec.FlagWhoareyou:
		return l.whoareyou(sock, i)
	case codec.FlagMessage:
		return l.message(sock, i)
	}
	l.tally.events.Malformed++ // a handshake to somebody who did not ask for one
	return nil
}

// recipient finds whom a packet is for, among those with exchanges of the socket, and decodes it
// into l.packet. It returns one of his exchanges, or none.
func (l *lane) recipient(s *socket, b []byte) int32 {
	start := s.list.cursor
	if start == none {
		start = s.list.live
	}
	if start == none {
		start = s.list.head
	}
	var tried *identity
	for i := start; i != none; {
		x := l.pool.at(i)
		if x.who != nil && x.who != tried {
			tried = x.who
			err := tried.decoder.Decode(b, &l.packet)
			if err == nil {
				return i
			}
			if !errors.Is(err, codec.ErrProtocol) {
				l.tally.events.Malformed++
				return none
			}
		}
		if i = x.next; i == none {
			i = s.list.head
		}
		if i == start {
			break
		}
	}
	l.tally.events.Unmatched++
	return none
}

// challenged takes a WHOAREYOU to a stranger. A challenge that lives may come again for another
// packet, so one that names none under way answers the oldest.
func (l *lane) challenged(s *socket) {
	l.tally.events.Whoareyou++
	seq := l.strangers.sequence(&l.packet.Nonce)
	oldest := int32(none)
	i := s.list.cursor
	if i == none || l.pool.at(i).seq > seq {
		i = s.list.live
	}
	for ; i != none; i = l.pool.at(i).next {
		x := l.pool.at(i)
		if x.kind != Junk {
			continue
		}
		if x.seq == seq {
			l.complete(s, i)
			return
		}
		if oldest == none {
			oldest = i
		}
		if x.seq > seq {
			break
		}
	}
	switch {
	case oldest != none && len(l.strangers.fixed) > 0:
		l.complete(s, oldest)
	case oldest != none || seq-l.since-1 < l.seq-l.since: // or names a packet that has been sent
		l.tally.events.Late++
	default:
		l.tally.events.Stray++
	}
}

// complete counts an exchange as answered.
func (l *lane) complete(s *socket, i int32) {
	x := l.pool.at(i)
	s.list.cursor = i // pull moves it on
	l.tally.answered(x.kind, l.now, l.now-x.intended)
	l.pool.end(&s.list, i)
}

// message takes a message to the identity of exchange i.
func (l *lane) message(sock, i int32) error {
	p, who := &l.packet, l.pool.at(i).who
	if p.SourceID != l.initiator.target {
		l.tally.events.Malformed++
		return nil
	}
	if who.read.IsZero() {
		l.tally.events.Unopened++
		return nil
	}
	plain, err := who.read.Open(p.Message[:0], &p.Nonce, p.Message, p.AD)
	if err != nil {
		l.tally.events.Unopened++
		return nil
	}
	if who.bad {
		l.tally.events.Accepted++
		return nil
	}
	t, body, err := codec.SplitMessage(plain)
	if err != nil {
		l.tally.events.Malformed++
		return nil
	}
	var id codec.RequestID
	total, first := uint64(1), false // first: a handshake's message may be answered so too
	kind := Ping
	switch t {
	case codec.TypePong:
		var m codec.Pong
		err = m.Decode(body)
		id, first = m.RequestID, true
	case codec.TypeNodes:
		var m codec.Nodes
		if err = m.Decode(body); err == nil {
			err = l.records(m.Records)
		}
		id, total, kind = m.RequestID, m.Total, FindNode
	case codec.TypeTalkResponse:
		var m codec.TalkResponse
		err = m.Decode(body)
		id, kind = m.RequestID, Talk
	default:
		l.tally.events.Asked++
		return nil
	}
	seq, ok := sequence(&id)
	if err != nil || !ok {
		l.tally.events.Malformed++
		return nil
	}
	if who.shaking && seq == who.ping {
		return l.shaken(who)
	}
	if i = l.find(i, seq); i == none {
		l.tally.events.Late++
		return nil
	}
	x := l.pool.at(i)
	if x.kind != kind && !(first && x.kind == Handshake) {
		l.tally.events.Malformed++
		return nil
	}
	// A total of 0 is taken for 1, as a node does that cannot wait for nothing.
	if x.total == 0 {
		x.total = uint16(min(max(total, 1), math.MaxUint16))
	}
	if x.got++; x.got < x.total {
		return nil
	}
	l.established(sock, x)
	l.complete(l.socks[sock], i)
	return nil
}

// records counts the records of a NODES message.
func (l *lane) records(b []byte) (err error) {
	for len(b) > 0 {
		if _, b, err = codec.SplitRecord(b); err != nil {
			return err
		}
		l.tally.events.Records++
	}
	return nil
}

// find returns the exchange with the given request ID among those of the identity of exchange i, or
// none.
func (l *lane) find(i int32, seq uint64) int32 {
	if x := l.pool.at(i); x.seq == seq && !x.ghost {
		return i
	}
	for i = l.pool.at(i).who.first; i != none; i = l.pool.at(i).newer {
		if l.pool.at(i).seq == seq {
			return i
		}
	}
	return none
}

// established makes a member of an identity whose first handshake is through.
func (l *lane) established(sock int32, x *exchange) {
	if x.kind == Handshake && l.run.prepare {
		s := l.socks[sock]
		s.members = append(s.members, x.who)
		l.run.made.Add(1)
		l.progress = l.now
	}
}

// whoareyou takes a challenge to the identity of exchange i.
func (l *lane) whoareyou(sock, i int32) error {
	l.tally.events.Whoareyou++
	p, who := &l.packet, l.pool.at(i).who
	n := int32(none)
	for k := who.first; k != none; k = l.pool.at(k).newer {
		// A newcomer has sent nothing else: a challenge that names an older packet is for this one
		// too, as targets repeat challenges that live. The same goes for one whose handshake was
		// lost: it is made again, with the same challenge.
		if x := l.pool.at(k); x.nonce == p.Nonce && (!x.held || who.shaking && l.now >= who.deadline) || x.kind == Handshake {
			n = k
			break
		}
	}
	if n == none {
		l.tally.events.Stray++
		return nil
	}
	x := l.pool.at(n)
	if x.kind == Handshake {
		return l.greet(sock, n)
	}
	x.held = true
	if who.shaking && l.now < who.deadline {
		return nil
	}
	l.tally.events.Rekeys++
	l.seq++
	who.shaking, who.deadline = true, l.now+min(2*l.cfg.Timeout, challengeLife)
	return l.shake(sock, who, p.AD, l.seq, GoodHandshake)
}

// greet makes the handshake of a newcomer.
func (l *lane) greet(sock, n int32) error {
	x := l.pool.at(n)
	who, form := x.who, l.cfg.Handshake
	if l.run.prepare {
		form = GoodHandshake
	}
	if form == GoodHandshake {
		if x.keys != who.keys {
			l.tally.events.Stray++ // it has made its handshake and waits for the PONG
			return nil
		}
		return l.shake(sock, who, l.packet.AD, x.seq, form)
	}
	if err := l.shake(sock, who, l.packet.AD, x.seq, form); err != nil {
		return err
	}
	s := l.socks[sock]
	l.tally.answered(x.kind, l.now, l.now-x.intended)
	l.pool.bury(&s.list, n) // a target that accepts it can be told
	return nil
}

// shaken ends a handshake within a run: what was held back, or sent with older keys, leaves now.
func (l *lane) shaken(who *identity) error {
	who.shaking = false
	for i := who.first; i != none; i = l.pool.at(i).newer {
		x := l.pool.at(i)
		if !x.kind.inSession() || !x.held && x.keys == who.keys {
			continue
		}
		if x.nonce != (codec.Nonce{}) {
			l.tally.events.Resent++
		}
		x.held, x.keys, x.got, x.total = false, who.keys, 0, 0
		x.sent, x.deadline = l.now, l.now+l.cfg.Timeout
		packet := l.buf[:l.templates[x.kind].size]
		l.sealMessage(packet, who, x.kind, x.seq, &x.nonce)
		l.pool.again(&l.socks[x.sock].list, i)
		if err := l.out(x.sock, packet); err != nil {
			return err
		}
	}
	return nil
}
