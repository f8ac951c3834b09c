package engine

import (
	"bytes"
	"sync"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/internal/session"
)

// An answer that is larger than its request goes only to an endpoint that has answered this node
// lately. Otherwise somebody who has a session, and sends under an address that is no longer its
// own, would have the larger answers sent there. The answer is withheld: a PING goes to the
// endpoint, no larger than the request, and the request is answered in full when the PONG arrives.
// So an honest node waits for one more round trip, and nobody sees an answer cut short.

const (
	// maxWithheld bounds the endpoints with requests that wait for a PONG, maxWithheldEach the
	// requests of one of them. More are dropped and counted.
	maxWithheld     = 64
	maxWithheldEach = 4
	// maxWithheldSite bounds the endpoints of one /24 or /48 once half of the places are taken, and
	// maxWithheldWide those of one /16 or /32: nodes of a few networks that ask and answer no PING
	// leave room for others.
	maxWithheldSite = 8
	maxWithheldWide = 16
)

// withheld are the requests that wait for the proof of an endpoint, by session.
type withheld struct {
	mu      sync.Mutex
	waiting map[session.Key][]heldRequest
	quota   prefixquota.Quota // of the keys of waiting
}

func (h *withheld) init() {
	h.waiting = make(map[session.Key][]heldRequest)
	h.quota.Init(prefixquota.Config{
		Limits: prefixquota.Limits{Host: maxWithheldSite, Site: maxWithheldSite, Wide: maxWithheldWide},
		Free:   maxWithheld / 2,
		Strict: true, // as that of the handshake queue
	})
}

// heldRequest is a FINDNODE, or a TALKREQ with its answer.
type heldRequest struct {
	via  Via
	body []byte          // of a FINDNODE, else nil
	talk codec.RequestID // of a TALKREQ
	// payload is the answer to the TALKREQ.
	payload []byte
}

// add queues a request. first reports whether it is the only one of its session.
func (h *withheld) add(key *session.Key, r heldRequest) (first, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, has := h.waiting[*key]
	if len(list) >= maxWithheldEach || !has && len(h.waiting) >= maxWithheld {
		return false, false
	}
	if !has {
		if _, ok := h.quota.Take(key.AddrPort().Addr()); !ok {
			return false, false
		}
	}
	h.waiting[*key] = append(list, r)
	return !has, true
}

func (h *withheld) take(key *session.Key) []heldRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, has := h.waiting[*key]
	if has {
		h.quota.Release(key.AddrPort().Addr())
	}
	delete(h.waiting, *key)
	return list
}

// mayExceed reports whether an answer of a given size may go to the endpoint of p for a request of
// the size asked.
func (w *Worker) mayExceed(p *peer, asked, answer int) bool {
	return answer <= asked || p.permitted || w.e.budget.Proven(w.now, p.from)
}

// nodesSize is the size of an answer with these records, in as many packets as it takes.
func nodesSize(records [][]byte) int {
	n := 0
	for _, r := range records {
		n += len(r)
	}
	return n + (1+n/codec.MaxPacketSize)*answerCost
}

// requestSize is the size of the packet with a message of this body.
func requestSize(body []byte) int { return messageStart + 1 + len(body) + codec.TagSize }

// withholdNodes keeps a FINDNODE until its sender has answered a PING.
func (w *Worker) withholdNodes(p *peer, body []byte) {
	if len(body) > codec.MaxMessageSize {
		return
	}
	w.withhold(p.key, heldRequest{via: w.via, body: bytes.Clone(body)})
}

// withhold keeps a request and asks its sender for a sign of life, unless that has been done.
func (w *Worker) withhold(key *session.Key, r heldRequest) {
	e := w.e
	first, ok := e.withheld.add(key, r)
	if !ok {
		w.counts[DropUnproven]++
		return
	}
	w.counts[AnswersWithheld]++
	if !first {
		return
	}
	k, via := *key, w.via
	w.start(Request{Type: codec.TypePing, Peer: e.PeerAt(key.ID(), key.AddrPort()), Here: true, Done: func(w *Worker, r Result) {
		list := e.withheld.take(&k)
		if r.Err != nil {
			w.counts[DropUnproven] += uint64(len(list))
			return
		}
		before := w.via
		for _, h := range list {
			w.via = h.via
			w.release(&k, h)
		}
		w.via = before
	}}, budget.Known, nil)
	w.via = via
}

// release answers a request that was withheld.
func (w *Worker) release(key *session.Key, h heldRequest) {
	hash := w.e.sessions.Hash(key)
	keys, ok := w.e.sessions.Sender(key, hash)
	if !ok {
		w.counts[DropUnproven]++
		return
	}
	id := [32]byte(key.ID())
	p := &peer{key.AddrPort(), key, hash, &id, new(codec.Nonce), keys, true}
	if h.body == nil {
		w.sendTalk(p, h.talk, h.payload)
		return
	}
	if err := w.findNode(p, h.body); err != nil { // it was decoded before
		w.counts[DropMessageForm]++
	}
}
