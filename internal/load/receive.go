package load

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/fastpath"
)

// receive takes a batch that came to a socket. With GRO batches it can be many times receiveBatch:
// requests that are due meanwhile leave in between.
func (w *worker) receive(sock int32, rx *fastpath.Rx) error {
	for i := 0; i < rx.Len(); i += receiveBatch {
		if i > 0 {
			if err := w.send(); err != nil {
				return err
			}
		}
		w.now = w.clock.Now()
		if err := w.take(sock, rx, i, min(i+receiveBatch, rx.Len())); err != nil {
			return err
		}
	}
	return nil
}

// take takes datagrams i to end of a batch.
func (w *worker) take(sock int32, rx *fastpath.Rx, i, end int) error {
	target := w.cfg.Target.Addr
	for ; i < end; i++ {
		if rx.Addr(i) != target {
			w.stats.events.Foreign++
			continue
		}
		b := rx.Packet(i)
		if f := w.run.plan.OnDatagram; f != nil {
			f(len(b))
		}
		if len(w.sizes) > 0 {
			if err := w.sized(sock, b); err != nil {
				return err
			}
			continue
		}
		if err := w.datagram(sock, b); err != nil {
			return err
		}
	}
	return w.flush()
}

// sized takes a datagram of a target whose responses are told by their size: it belongs to the
// oldest request of its kind.
func (w *worker) sized(sock int32, b []byte) error {
	s, size := w.socks[sock], len(b)
	junk := size == codec.WhoareyouSize && w.picker.mix[Junk] > 0
	i := s.list.live
	for i != none && (w.pool.at(i).kind == Junk) != junk {
		i = w.pool.nextLive(w.pool.at(i).next)
	}
	if i == none {
		if ok, err := w.ofTarget(sock, b); ok || err != nil {
			return err
		}
		w.stats.events.Late++
		return nil
	}
	x := w.pool.at(i)
	switch {
	case junk:
		w.stats.events.Whoareyou++
		w.complete(s, i)
	case size != w.sizes[x.got]:
		if ok, err := w.ofTarget(sock, b); ok || err != nil {
			return err
		}
		w.stats.events.Malformed++
	default:
		if x.got++; int(x.got) == len(w.sizes) {
			w.complete(s, i)
		}
	}
	return nil
}

// datagram takes a packet of the target.
func (w *worker) datagram(sock int32, b []byte) error {
	s, p := w.socks[sock], &w.packet
	if w.picker.mix[Junk] > 0 && len(b) == codec.WhoareyouSize && w.junkIDs.decoder.Decode(b, p) == nil {
		w.challenged(s)
		return nil
	}
	i, malformed := w.recipient(s, b)
	switch {
	case malformed:
		w.stats.events.Malformed++
		return nil
	case i == none:
		if ok, err := w.ofTarget(sock, b); ok || err != nil {
			return err
		}
		w.stats.events.Unmatched++
		return nil
	}
	s.list.cursor = i
	switch p.Flag {
	case codec.FlagWhoareyou:
		return w.whoareyou(sock, i)
	case codec.FlagMessage:
		return w.message(sock, i)
	}
	w.stats.events.Malformed++ // an unsolicited handshake
	return nil
}

// recipient finds the identity that a packet is for, among those with exchanges of the socket, and
// decodes it into w.packet. It returns one of its exchanges, or none.
func (w *worker) recipient(s *socket, b []byte) (i int32, malformed bool) {
	start := s.list.cursor
	if start == none {
		start = s.list.live
	}
	if start == none {
		start = s.list.head
	}
	var tried *identity
	for i = start; i != none; {
		x := w.pool.at(i)
		if x.who != nil && x.who != tried {
			tried = x.who
			err := tried.decode(b, &w.packet, w.cfg.Protocol)
			if err == nil {
				return i, false
			}
			if !errors.Is(err, codec.ErrProtocol) {
				return none, true
			}
		}
		if i = x.next; i == none {
			i = s.list.head
		}
		if i == start {
			break
		}
	}
	return none, false
}

// challenged takes a WHOAREYOU for junk. A challenge that lives may come again for another packet,
// so one that names none under way answers the oldest.
func (w *worker) challenged(s *socket) {
	w.stats.events.Whoareyou++
	seq := w.junkIDs.sequence(&w.packet.Nonce)
	oldest := int32(none)
	i := s.list.cursor
	if i == none || w.pool.at(i).seq > seq {
		i = s.list.live
	}
	for ; i != none; i = w.pool.at(i).next {
		x := w.pool.at(i)
		if x.kind != Junk {
			continue
		}
		if x.seq == seq {
			w.complete(s, i)
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
	case oldest != none && w.junkIDs.used > 0:
		w.complete(s, oldest)
	case oldest != none || seq-w.since-1 < w.seq-w.since: // or names a packet that has been sent
		w.stats.events.Late++
	default:
		w.stats.events.Stray++
	}
}

// complete counts an exchange as answered.
func (w *worker) complete(s *socket, i int32) {
	x := w.pool.at(i)
	s.list.cursor = i // pull moves it on
	w.stats.answered(x.kind, w.now, w.now-x.intended)
	w.pool.end(&s.list, i)
}

// message takes a message to the identity of exchange i.
func (w *worker) message(sock, i int32) error {
	p, who := &w.packet, w.pool.at(i).who
	if p.SourceID != w.initiator.target {
		w.stats.events.Malformed++
		return nil
	}
	if who.session == nil {
		w.stats.events.Unopened++
		return nil
	}
	plain, err := who.session.Open(&p.Nonce, p.Message, p.AD)
	if err != nil {
		w.stats.events.Unopened++
		return nil
	}
	if who.bad {
		w.stats.events.Accepted++
		return nil
	}
	t, body, err := codec.SplitMessage(plain)
	if err != nil {
		w.stats.events.Malformed++
		return nil
	}
	var id codec.RequestID
	total, first := uint64(1), false // first: a handshake's message may be answered so too
	auxiliary := uint64(0)           // records in NODES
	kind := Ping
	var confirmation codec.RegConfirmation
	var ads []byte
	switch t {
	case codec.TypePong:
		var m codec.Pong
		err = m.Decode(body)
		id, first = m.RequestID, true
	case codec.TypeNodes:
		var m codec.Nodes
		var records uint64
		if err = m.Decode(body); err == nil {
			records, err = countRecords(m.Records)
		}
		id, total, kind, auxiliary = m.RequestID, m.Total, FindNode, records
	case codec.TypeTalkResponse:
		var m codec.TalkResponse
		err = m.Decode(body)
		id, kind = m.RequestID, Talk
	case codec.TypeRegConfirmation:
		if err = confirmation.Decode(body); err != nil {
			w.badConfirmation(err)
		}
		id, total, kind = confirmation.RequestID, confirmation.Total, RegTopic
	case codec.TypeTopicNodes:
		var m codec.TopicNodes
		err = m.Decode(body)
		id, total, kind, ads = m.RequestID, m.Total, TopicQuery, m.Records
	default:
		return w.asked(sock, who, t, body)
	}
	seq, ok := sequence(&id)
	if err != nil || !ok {
		w.stats.events.Malformed++
		return nil
	}
	if who.shaking && seq == who.ping {
		return w.shaken(who)
	}
	if i = w.find(i, seq); i == none {
		w.stats.events.Late++
		return nil
	}
	x := w.pool.at(i)
	switch {
	case x.kind.topical() && t == codec.TypeNodes:
		w.stats.topics.Auxiliary += auxiliary
	case x.kind != kind && !(first && x.kind == Handshake):
		w.stats.events.Malformed++
		return nil
	case kind == FindNode:
		w.stats.events.Records += auxiliary
	case kind == RegTopic:
		w.confirmed(x, &confirmation)
	case kind == TopicQuery:
		if err := w.topicNodes(x, ads); err != nil {
			w.stats.events.Malformed++
			return nil
		}
	}
	// A total of 0 is taken for 1, as a node does that cannot wait for nothing.
	if x.total == 0 {
		x.total = uint16(min(max(total, 1), math.MaxUint16))
	}
	if x.got++; x.got < x.total {
		return nil
	}
	if x.kind.topical() {
		w.answeredTopic(x)
	}
	w.established(sock, x)
	w.complete(w.socks[sock], i)
	return nil
}

// countRecords counts the records of a NODES message.
func countRecords(b []byte) (n uint64, err error) {
	for ; len(b) > 0; n++ {
		if _, b, err = codec.SplitRecord(b); err != nil {
			return n, err
		}
	}
	return n, nil
}

// find returns the exchange with the given request ID among those of the identity of exchange i, or
// none.
func (w *worker) find(i int32, seq uint64) int32 {
	if x := w.pool.at(i); x.seq == seq && !x.lost {
		return i
	}
	for i = w.pool.at(i).who.live.oldest; i != none; i = w.pool.at(i).newer {
		if w.pool.at(i).seq == seq {
			return i
		}
	}
	return none
}

// established makes a member of an identity whose first handshake is through.
func (w *worker) established(sock int32, x *exchange) {
	if x.kind == Handshake && w.run.prepare {
		s := w.socks[sock]
		x.who.topic = w.number + w.made*w.cfg.Workers
		w.made++
		s.members = append(s.members, x.who)
		w.run.made.Add(1)
		w.progress = w.now
	}
}

// whoareyou takes a challenge to the identity of exchange i.
func (w *worker) whoareyou(sock, i int32) error {
	w.stats.events.Whoareyou++
	p, who := &w.packet, w.pool.at(i).who
	n := int32(none)
	for k := who.live.oldest; k != none; k = w.pool.at(k).newer {
		// An identity without a session has sent nothing else: a challenge that names an older
		// packet is for this one too, as targets repeat challenges that live. The same goes for one
		// whose handshake was lost: it is made again, with the same challenge.
		if x := w.pool.at(k); x.nonce == p.Nonce && (!x.held || who.shaking && w.now >= who.deadline) || x.kind == Handshake {
			n = k
			break
		}
	}
	if n == none {
		w.stats.events.Stray++
		return nil
	}
	x := w.pool.at(n)
	if x.kind == Handshake {
		return w.greet(sock, n)
	}
	x.held = true
	if who.shaking && w.now < who.deadline {
		return nil
	}
	if who.key == nil {
		w.stats.events.Stray++ // a session from a seed, which cannot be renewed
		return nil
	}
	w.stats.events.Rekeys++
	w.seq++
	who.shaking, who.deadline = true, w.now+min(2*w.cfg.Timeout, challengeLife)
	return w.sendHandshake(sock, who, p.AD, w.seq, GoodHandshake)
}

// greet makes the handshake of an identity without a session.
func (w *worker) greet(sock, n int32) error {
	x := w.pool.at(n)
	who, form := x.who, w.cfg.Handshake
	if w.run.prepare {
		form = GoodHandshake
	}
	if form == GoodHandshake {
		if x.generation != who.generation {
			w.stats.events.Stray++ // it has made its handshake and waits for the PONG
			return nil
		}
		return w.answerChallenge(sock, n)
	}
	if err := w.sendHandshake(sock, who, w.packet.AD, x.seq, form); err != nil {
		return err
	}
	s := w.socks[sock]
	w.stats.answered(x.kind, w.now, w.now-x.intended)
	w.pool.markLost(&s.list, n) // a target that accepts it can be told
	return nil
}

// answerChallenge makes the good handshake of exchange n, and sends it when the round trip of the
// run has passed. Neither that nor the time that the generator computes is part of the latency.
func (w *worker) answerChallenge(sock, n int32) error {
	x, began := w.pool.at(n), w.clock.Now()
	packet, err := w.handshake(x.who, w.packet.AD, x.seq, GoodHandshake)
	if err != nil {
		return err
	}
	x.intended += w.clock.Now() - began
	if trip := w.cfg.Trip; trip > 0 && !w.run.prepare {
		x.intended += trip
		x.deadline = w.now + trip + w.cfg.Timeout
		w.delayed = append(w.delayed, delayed{w.now + trip, sock, bytes.Clone(packet)})
		return nil
	}
	return w.out(sock, packet)
}

// delayed is a packet that is sent later.
type delayed struct {
	due    time.Duration
	sock   int32
	packet []byte
}

// sendDelayed sends the handshakes whose round trip has passed.
func (w *worker) sendDelayed() error {
	n := 0
	for ; n < len(w.delayed) && w.delayed[n].due <= w.now; n++ {
		if err := w.out(w.delayed[n].sock, w.delayed[n].packet); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	w.delayed = slices.Delete(w.delayed, 0, n)
	return w.flush()
}

// shaken ends a handshake within a run: requests that were held back, or sent with older keys,
// leave now.
func (w *worker) shaken(who *identity) error {
	who.shaking = false
	for i := who.live.oldest; i != none; i = w.pool.at(i).newer {
		x := w.pool.at(i)
		if !x.kind.inSession() || !x.held && x.generation == who.generation {
			continue
		}
		if x.nonce != (codec.Nonce{}) {
			w.stats.events.Resent++
		}
		x.held, x.generation, x.got, x.total = false, who.generation, 0, 0
		x.sent, x.deadline = w.now, w.now+w.cfg.Timeout
		packet := w.sealMessage(w.buf[:0], who, x.kind, x.seq, &x.nonce)
		w.pool.resend(&w.socks[x.sock].list, i)
		if err := w.out(x.sock, packet); err != nil {
			return err
		}
	}
	return nil
}
