package engine

import (
	"bytes"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

const (
	// maxNodes is how many records a FINDNODE is answered with (discv5-wire.md, FINDNODE Request).
	maxNodes = 16
	// messageStart is where a message is encoded in an empty buffer: its header comes before it.
	messageStart = codec.MessageHeaderSize
)

// peer is whom an opened message came from.
type peer struct {
	from netip.AddrPort
	key  *session.Key
	hash uint64
	id   *[32]byte
	// nonce is that of the message.
	nonce *codec.Nonce
	keys  *session.Keys

	permitted bool
}

func peerOf(s *staged, keys *session.Keys) peer {
	return peer{s.from, &s.key, s.hash, &s.packet.SourceID, &s.packet.Nonce, keys, s.permitted}
}

// dispatch handles a message that opened: it is from whom it says, and not altered.
func (w *Worker) dispatch(p *peer, plaintext []byte) {
	t, body, err := codec.SplitMessage(plaintext)
	if err != nil {
		w.counts[DropMessageType]++
		return
	}
	if t != codec.TypePong && t != codec.TypeNodes && t != codec.TypeTalkRequest && t != codec.TypeTalkResponse &&
		!w.allowed(p.permitted, w.e.cfg.Verified, p.from, RateVerified) {
		return
	}
	switch t {
	case codec.TypePing:
		w.counts[InPing]++
		err = w.handlePing(p, body)
	case codec.TypeFindNode:
		w.counts[InFindNode]++
		err = w.handleFindNode(p, body)
	case codec.TypeTalkRequest:
		w.counts[InTalkRequest]++
		err = w.handleTalkRequest(p, body)
	case codec.TypePong:
		w.counts[InPong]++
		err = w.handlePong(p, body)
	case codec.TypeNodes:
		w.counts[InNodes]++
		err = w.handleNodes(p, body)
	case codec.TypeTalkResponse:
		w.counts[InTalkResponse]++
		err = w.handleTalkResponse(p, body)
	default:
		w.counts[InTopic]++
		w.counts[DropTopic]++
	}
	switch err {
	case nil:
	case codec.ErrRequestID:
		w.counts[DropRequestID]++
	case codec.ErrDistance:
		w.counts[DropDistance]++
	default:
		w.counts[DropMessageForm]++
	}
}

// send seals a message that was appended at messageStart of buf, and commits the packet. With
// keys that have been used up, the peer is challenged instead: new keys follow.
func (w *Worker) send(p *peer, buf, message []byte) {
	if len(message) > codec.MaxMessageSize {
		w.counts[DropTooLarge]++
		return
	}
	if !p.keys.NextNonce(&w.header.Nonce, w.random) {
		w.counts[Rekeys]++
		w.sendWhoareyou(p.from, p.key, p.hash, p.nonce, p.id)
		return
	}
	w.commit(w.seal(buf, message, p.keys, p.id), p.from)
}

// seal makes a packet of a message that stands at messageStart of buf. The nonce is
// w.header.Nonce.
func (w *Worker) seal(buf, message []byte, keys *session.Keys, dest *[32]byte) int {
	w.random.Block(&w.header.IV)
	return len(w.header.AppendMessage(buf[:0], dest, keys, message))
}

func (w *Worker) handlePing(p *peer, body []byte) error {
	var m codec.Ping
	if err := m.Decode(body); err != nil {
		return err
	}
	w.noteSeq(p, m.RecordSeq)
	if a := &w.e.address; a.watch.Load() {
		a.checkedBy(w.now, p.from.Addr())
	}
	buf := w.out.Buffer()
	if buf == nil {
		w.counts[DropSendQueue]++
		return nil
	}
	answer := codec.Pong{RequestID: m.RequestID, RecordSeq: w.e.Record().Seq(), Recipient: p.from}
	w.counts[OutPong]++
	w.send(p, buf, answer.Append(buf[messageStart:messageStart]))
	return nil
}

// findNode answers with records at the distances that were asked for, 16 at the most. If there are
// more, the distances count in the order of asking; in the answer the records have another order.
func (w *Worker) handleFindNode(p *peer, body []byte) error {
	var m codec.FindNode
	if err := m.Decode(body); err != nil {
		return err
	}
	n := w.gather(p, m.Distances)
	records := w.records[:n]
	if n > 0 && !w.mayExceed(p, requestSize(body), nodesSize(records)) {
		clear(records)
		w.withholdNodes(p, body)
		return nil
	}

	// Pack the records first: each packet names the number of all packets.
	var c nodesPacker
	if p.from.Addr().Is6() {
		c.max = maxNodesPayload6
	}
	c.pack(records)
	start := uint8(0)
	for _, end := range c.ends[:c.total] {
		buf := w.out.Buffer()
		if buf == nil {
			w.counts[DropSendQueue]++
			break
		}
		size := 0
		for _, i := range c.order[start:end] {
			size += len(records[i])
		}
		b := codec.AppendNodesHeader(buf[messageStart:messageStart], codec.TypeNodes, &m.RequestID, uint64(c.total), size)
		for _, i := range c.order[start:end] {
			b = append(b, records[i]...)
		}
		w.counts[OutNodes]++
		w.send(p, buf, b)
		start = end
	}
	clear(records)
	return nil
}

// gather collects records for an answer into w.records: first those with an endpoint of the asker's
// address family, which it can use for certain, then others. It leaves out the asking node itself
// and addresses that are none of its business.
func (w *Worker) gather(p *peer, distances codec.Distances) (n int) {
	n, others := w.gatherOf(p, distances, true, 0)
	if others && n < maxNodes {
		n, _ = w.gatherOf(p, distances, false, n)
	}
	return n
}

// gatherOf adds to the n records of an answer those with an endpoint of the asker's family, or
// those without. others reports whether it left out any for their family.
func (w *Worker) gatherOf(p *peer, distances codec.Distances, usable bool, n int) (_ int, others bool) {
	var seen [codec.MaxDistance + 1]bool
	asking, family := table.Class(p.from.Addr()), table.FamilyOf(p.from.Addr())
	for {
		d, ok := distances.Next()
		if !ok || n == maxNodes {
			return n, others
		}
		if seen[d] {
			continue
		}
		seen[d] = true
		if d == 0 {
			if usable { // the first time
				w.records[n] = w.e.Record().Bytes()
				n++
			}
			continue
		}
		at := w.e.table.Relay(d)
		size := at.Len()
		if size == 0 {
			continue
		}
		// Where not all fit, chance decides which: nobody can count on being relayed.
		first := 0
		if size > maxNodes-n {
			first = int(w.random.Uint32n(uint32(size)))
		}
		for i := range size {
			if n == maxNodes {
				return n, others
			}
			k := first + i
			if k >= size {
				k -= size
			}
			if *at.ID(k) == *p.id || !at.MayRelay(k, asking, family) {
				continue
			}
			if at.Usable(k, family) != usable {
				others = true
				continue
			}
			w.records[n] = at.Record(k)
			n++
		}
	}
}

// replyTo is what an answer needs to know of a request that is answered later.
type replyTo struct {
	via  Via
	from netip.AddrPort
	key  session.Key
	id   [32]byte
	req  codec.RequestID
	size int // of the packet with the request
}

func (w *Worker) handleTalkRequest(p *peer, body []byte) error {
	var m codec.TalkRequest
	if err := m.Decode(body); err != nil {
		return err
	}
	h := w.e.cfg.Talk
	limit, over, registered := w.e.cfg.Verified, RateVerified, h != nil && h.Registered(m.Protocol)
	if registered {
		limit, over = w.e.cfg.TalkLimit, RateTalk
	}
	if !w.allowed(p.permitted, limit, p.from, over) {
		return nil
	}
	if registered {
		if !h.Talk(w.talkRequest(p, &m, requestSize(body))) {
			w.counts[DropTalkBusy]++ // silence: an empty answer would look like the handler's
		}
		return nil
	}
	w.sendTalk(p, m.RequestID, nil)
	return nil
}

func (w *Worker) sendTalk(p *peer, id codec.RequestID, payload []byte) {
	buf := w.out.Buffer()
	if buf == nil {
		w.counts[DropSendQueue]++
		return
	}
	answer := codec.TalkResponse{RequestID: id, Payload: payload}
	w.counts[OutTalkResponse]++
	w.send(p, buf, answer.Append(buf[messageStart:messageStart]))
}

// Talk answers a request that a TalkHandler took over. The payload is at most codec.MaxTalkResponse
// bytes, or ErrTooLarge is returned. An answer to a peer whose session has ended is dropped:
// ErrNoSession.
func (w *Worker) Talk(req TalkRequest, payload []byte) error {
	defer w.publish()
	if len(payload) > codec.MaxTalkResponse {
		return ErrTooLarge
	}
	r := req.reply
	hash := w.e.sessions.Hash(&r.key)
	keys, ok := w.e.sessions.Sender(&r.key, hash)
	if !ok {
		return ErrNoSession
	}
	w.via = r.via
	p := &peer{r.from, &r.key, hash, &r.id, new(codec.Nonce), keys, false}
	if w.mayExceed(p, r.size, answerCost+len(payload)) {
		p.permitted = true
		w.sendTalk(p, r.req, payload)
	} else {
		w.withhold(&r.key, heldRequest{via: w.via, talk: r.req, payload: bytes.Clone(payload)})
	}
	w.via = w.home
	return nil
}
