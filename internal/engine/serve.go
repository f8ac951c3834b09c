package engine

import (
	"bytes"
	"net/netip"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/table"
)

const (
	// maxNodes is the number of records in a response to FINDNODE: one bucket (discv5-wire.md,
	// FINDNODE Request).
	maxNodes = table.DefaultBucketSize
	// messageStart is the offset in an empty buffer at which a message is encoded, behind its
	// header.
	messageStart = codec.MessageHeaderSize
)

// peer is the sender of an opened message.
type peer struct {
	from netip.AddrPort
	key  *session.Key
	hash uint64
	id   *[32]byte
	// nonce is the nonce of the message.
	nonce *codec.Nonce
	keys  *session.Keys

	permitted bool
}

func peerOf(s *staged, keys *session.Keys) peer {
	return peer{s.from, &s.key, s.hash, &s.packet.SourceID, &s.packet.Nonce, keys, s.permitted}
}

// dispatch handles a message that opened: the sender is authenticated, and the message is intact.
func (w *Worker) dispatch(p *peer, plaintext []byte) {
	t, body, err := codec.SplitMessage(plaintext)
	if err != nil {
		w.counts[DropMessageType]++
		return
	}
	switch t {
	case codec.TypePing, codec.TypeFindNode, codec.TypeRegTopic, codec.TypeTopicQuery:
		if !w.allowed(p.permitted, w.e.cfg.Verified, p.from, RateVerified) {
			return
		}
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
	case codec.TypeRegTopic:
		w.counts[InRegTopic]++
		err = w.stageRegTopic(p, body)
	case codec.TypeRegConfirmation:
		w.counts[InRegConfirmation]++
		err = w.handleRegConfirmation(p, body)
	case codec.TypeTopicQuery:
		w.counts[InTopicQuery]++
		err = w.handleTopicQuery(p, body)
	case codec.TypeTopicNodes:
		w.counts[InTopicNodes]++
		err = w.handleTopicNodes(p, body)
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

// send seals a message that was appended at messageStart of buf and commits the packet. If the keys
// are used up, it challenges the peer instead, which leads to new keys.
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

// seal builds the packet of a message at messageStart of buf, with the nonce w.header.Nonce.
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

// handleFindNode answers with at most 16 records at the requested distances. If there are more, the
// order of the distances decides which. The records of the response are in another order.
func (w *Worker) handleFindNode(p *peer, body []byte) error {
	var m codec.FindNode
	if err := m.Decode(body); err != nil {
		return err
	}
	n := w.gather(p, m.Distances)
	n = w.answer(codec.TypeNodes, w.e.self, m.Distances, w.records[:], n)
	records := w.records[:n]
	if n > 0 && !w.mayExceed(p, requestSize(body), nodesSize(records)) {
		clear(records)
		w.withholdRequest(p, codec.TypeFindNode, body)
		return nil
	}

	var c nodesPacker
	w.pack(p, &c, records)
	w.sendRecords(p, codec.TypeNodes, &m.RequestID, &c, records, uint64(c.total))
	clear(records)
	return nil
}

// pack packs records for a response to p.
func (w *Worker) pack(p *peer, c *nodesPacker, records [][]byte) {
	c.max = codec.MaxNodesPayload
	if p.from.Addr().Is6() {
		c.max = maxNodesPayload6
	}
	c.pack(records)
}

// sendRecords sends packed records in messages of type t, NODES or TOPICNODES. Each names the total
// number of packets of the response.
func (w *Worker) sendRecords(p *peer, t codec.MessageType, id *codec.RequestID, c *nodesPacker, records [][]byte, total uint64) {
	sent := OutNodes
	if t == codec.TypeTopicNodes {
		sent = OutTopicNodes
	}
	start := uint8(0)
	for _, end := range c.ends[:c.total] {
		buf := w.out.Buffer()
		if buf == nil {
			w.counts[DropSendQueue]++
			return
		}
		size := 0
		for _, i := range c.order[start:end] {
			size += len(records[i])
		}
		b := codec.AppendNodesHeader(buf[messageStart:messageStart], t, id, total, size)
		for _, i := range c.order[start:end] {
			b = append(b, records[i]...)
		}
		w.counts[sent]++
		w.send(p, buf, b)
		start = end
	}
}

// gather collects records for a response into w.records: first those with an endpoint of the
// address family of the requester, which it can certainly use, then others. It leaves out the
// requester itself and addresses that may not be relayed to it.
func (w *Worker) gather(p *peer, distances codec.Distances) (n int) {
	n, others := w.gatherOf(p, distances, true, 0)
	if others && n < maxNodes {
		n, _ = w.gatherOf(p, distances, false, n)
	}
	return n
}

// gatherOf adds records to the n of a response: those with an endpoint of the address family of the
// requester, or those without. others reports whether it left out any because of their family.
func (w *Worker) gatherOf(p *peer, distances codec.Distances, usable bool, n int) (_ int, others bool) {
	var seen distanceSet
	asking, family := table.Class(p.from.Addr()), table.FamilyOf(p.from.Addr())
	for {
		d, ok := distances.Next()
		if !ok || n == maxNodes {
			return n, others
		}
		if !seen.add(d) {
			continue
		}
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
		// If not all fit, pick at random: nobody can count on being relayed.
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

// replyTo holds what a later response needs to know about its request.
type replyTo struct {
	via  Via
	from netip.AddrPort
	key  session.Key
	id   [32]byte
	req  codec.RequestID
	size int // of the packet that held the request
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
			w.counts[DropTalkBusy]++ // no response: an empty one would look like the handler's
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
// bytes; more is ErrTooLarge. If the session of the peer has ended, Talk returns ErrNoSession.
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
