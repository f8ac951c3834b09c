package engine

import (
	"bytes"
	"slices"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/topic"
)

// REGTOPIC and TOPICQUERY as requests of this node. A response has several messages in any order:
// one REGCONFIRMATION or any number of TOPICNODES, and NODES with auxiliary records. Each names the
// number of all.

// topicAnswer is what has come for a REGTOPIC or TOPICQUERY besides auxiliary records. calls.mu
// guards it.
type topicAnswer struct {
	ads       []byte // records of TOPICNODES, one after another
	confirmed bool
	ticket    []byte
	wait      time.Duration
}

// maxTopicWait is the longest wait-time that a caller is told, whatever the registrar says.
const maxTopicWait = topic.MaxLifetime

// encodeTopic appends the message of a REGTOPIC or TOPICQUERY.
func (c *call) encodeTopic(e *Engine, r Request, b []byte) ([]byte, error) {
	if len(r.Distances) > codec.MaxTopicDistances {
		return nil, codec.ErrDistance
	}
	var room [messageRoom]byte
	d, _, err := codec.NewDistances(room[:0], r.Distances)
	if err != nil {
		return nil, err
	}
	c.topic = new(topicAnswer)
	if r.Type == codec.TypeTopicQuery {
		m := codec.TopicQuery{RequestID: c.id, Topic: r.Topic, Distances: d}
		return m.Append(b), nil
	}
	if len(r.Ticket) > codec.MaxTicketSize {
		return nil, codec.ErrTicketSize
	}
	record := r.Record
	if record == nil {
		record = e.Record()
	}
	m := codec.RegTopic{
		RequestID: c.id, Topic: r.Topic, Record: record.Bytes(), Ticket: r.Ticket, Distances: d, TicketFirst: r.TicketFirst,
	}
	return m.Append(b), nil
}

func (w *Worker) handleRegConfirmation(p *peer, body []byte) error {
	var m codec.RegConfirmation
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypeRegTopic)
	if c == nil {
		return nil
	}
	w.collect(c, m.Total, func() {
		if c.topic.confirmed {
			w.counts[DropUnsolicited]++ // the first one counts
			return
		}
		c.topic.confirmed, c.topic.ticket = true, bytes.Clone(m.Ticket)
		c.topic.wait = maxTopicWait
		if m.WaitTime < uint64(maxTopicWait/time.Millisecond) {
			c.topic.wait = time.Duration(m.WaitTime) * time.Millisecond
		}
	})
	return nil
}

func (w *Worker) handleTopicNodes(p *peer, body []byte) error {
	var m codec.TopicNodes
	if err := m.Decode(body); err != nil {
		return err
	}
	c := w.callOf(p, m.RequestID, codec.TypeTopicQuery)
	if c == nil {
		return nil
	}
	w.collect(c, m.Total, func() { w.keepRecords(&c.topic.ads, m.Records) })
	return nil
}

// collect counts a packet of the answer to c and has add keep what it brings, under the lock of
// calls. With the last packet the records go to a task that verifies them, which takes long. The
// deadline of the call does not move.
func (w *Worker) collect(c *call, total uint64, add func()) {
	w.e.calls.mu.Lock()
	// another worker has been faster, with the rest of the answer: this packet is one too many
	if c.collected {
		w.e.calls.mu.Unlock()
		w.counts[DropUnsolicited]++
		return
	}
	c.packets++
	add()
	c.answered = w.now
	complete := c.packets >= min(max(total, 1), maxAnswerPackets)
	w.e.calls.mu.Unlock()
	if !complete {
		return
	}
	if _, ok := w.e.calls.pending.take(c.id); ok {
		w.prove(c.request.Peer.Addr)
		w.addResponder(c)
		w.queueVerify(c)
	}
}

// keepRecords appends the records of a packet to those of the answer so far.
func (w *Worker) keepRecords(to *[]byte, records []byte) {
	if *to == nil {
		*to = w.e.nodesBuffers.get()
	}
	if len(*to)+len(records) > maxAnswerBytes {
		w.counts[DropNodeExcess]++
		return
	}
	*to = append(*to, records...)
}

// partial reports whether a call whose deadline has passed has enough of an answer. A REGTOPIC
// needs its confirmation, a TOPICQUERY any packet. calls.mu is held.
func (c *call) partial() bool {
	switch {
	case c.topic == nil:
		return len(c.nodes) > 0
	case c.request.Type == codec.TypeRegTopic:
		return c.topic.confirmed
	default:
		return c.packets > 0
	}
}

// verifyRecords ends a call with the good ones among the records that came.
func (w *Worker) verifyRecords(t *task) {
	if t.call.topic != nil {
		w.verifyTopicAnswer(t)
	} else {
		w.verifyNodes(t)
	}
}

// verifyTopicAnswer is verifyRecords for REGTOPIC and TOPICQUERY.
func (w *Worker) verifyTopicAnswer(t *task) {
	c := t.call
	w.e.calls.mu.Lock()
	nodes, a := c.nodes, *c.topic
	c.nodes, c.topic.ads, c.collected = nil, nil, true
	w.e.calls.mu.Unlock()
	r := Result{RTT: c.answered - c.sent, Ticket: a.ticket, Wait: a.wait}
	r.grant = grantOf(c.request.Peer.Addr, c.packets, len(nodes)+len(a.ads))
	if c.request.Type == codec.TypeRegTopic && !a.confirmed {
		r.Err = ErrTimeout // all packets came but the one that counts
	}
	w.eachRecord(a.ads, func(rec *enr.Record) {
		switch {
		case len(r.Ads) == topic.MaxSample:
			w.counts[DropNodeExcess]++
		case contains(r.Ads, rec.ID()):
			w.counts[DropNodeDistance]++
		case !relayAllowed(c.request.Peer.Addr, rec) || w.e.unwanted(w.now, rec):
			w.counts[DropNodeRelay]++
		case rec.ID() != w.e.self:
			r.Ads = append(r.Ads, rec)
		}
	})
	var served [codec.MaxDistance + 1]bool
	w.eachRecord(nodes, func(rec *enr.Record) {
		d := c.request.Topic.Distance(rec.ID())
		switch {
		case len(r.Records) == maxNodes:
			w.counts[DropNodeExcess]++
		case served[d] || !slices.Contains(c.request.Distances, uint(d)) || !rec.SupportsTopics():
			w.counts[DropNodeDistance]++
		case !relayAllowed(c.request.Peer.Addr, rec) || w.e.unwanted(w.now, rec):
			w.counts[DropNodeRelay]++
		case rec.ID() != w.e.self:
			served[d] = true
			r.Records = append(r.Records, rec)
			w.e.event(Event{Kind: Discovered, ID: rec.ID(), Record: rec})
		}
	})
	w.e.nodesBuffers.put(a.ads)
	w.e.nodesBuffers.put(nodes)
	w.notify(c, r)
}

func contains(list []*enr.Record, id enr.ID) bool {
	return slices.ContainsFunc(list, func(r *enr.Record) bool { return r.ID() == id })
}
