package engine

import (
	"bytes"
	"sync"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/budget"
	"github.com/fastdisc/discv5/internal/prefixquota"
	"github.com/fastdisc/discv5/internal/session"
)

// nodesPacker packs the records of a FINDNODE response into NODES packets.
//
// Records of up to 300 bytes do not fill packets evenly. But many nodes run the same program, and
// their records have the same size. Packets of one size with a shorter last one cost less to send:
// the kernel takes them as a single GSO batch. So the packer goes through the records by falling
// size. If there are enough equal records for all packets but the last, it gives each of these
// packets one of them. The last packet takes the records that have no equals. For three packets:
//
//	size of record   190 190 190 190 190 185 180 180 173 173 ...
//	into packet        1   2   1   2   3   3   1   2   1   2
type nodesPacker struct {
	max   int // bytes of records in a packet; set it before pack
	total int
	ends  [maxNodes]uint8  // where each packet ends in order
	order [maxNodes]uint8  // the records, by packet
	sizes [maxNodes]uint16 // of the records, in bytes
	keys  [maxNodes]uint16 // size and number of each record, by falling size
}

// maxNodesPayload6 is the largest number of bytes of records in a packet over IPv6. With its
// headers such a packet has 1,280 bytes, the smallest path MTU of IPv6. So no router and no forged
// message about a smaller path MTU makes the system fragment it (S43).
const maxNodesPayload6 = codec.MaxNodesPayload - ipv6Headers

// ipv6Headers is the size of the headers of IPv6 and UDP.
const ipv6Headers = 40 + 8

// A key is the size of a record and, below it, its number, counted from the last. So equal records
// stay in their order.
const (
	keyBits = 4
	keyMask = 1<<keyBits - 1
)

// record returns the number of the record with key k.
func record(k uint16) uint8 { return uint8(keyMask - k&keyMask) }

// pack packs records of at most codec.MaxRecordSize bytes. It makes no more packets than filling
// each in the order of the records would, and none is larger than those before it. Without records
// it makes one empty packet.
func (p *nodesPacker) pack(records [][]byte) {
	if p.max == 0 {
		p.max = codec.MaxNodesPayload
	}
	p.fill(records)
	if p.total > 1 && !p.packEqual(len(records)) {
		p.sortBySize()
	}
}

// fill fills packets with records in their order.
func (p *nodesPacker) fill(records [][]byte) {
	total, size := 0, 0
	for i, r := range records[:min(len(records), maxNodes)] {
		n := len(r)
		p.order[i], p.sizes[i] = uint8(i), uint16(n)
		if size+n > p.max {
			p.ends[total] = uint8(i)
			total++
			size = 0
		}
		size += n
	}
	p.ends[total] = uint8(len(records))
	p.total = total + 1
}

// packEqual packs n records into as many packets as fill did, or one less, so that all packets but
// the last have one size. It reports false, and does nothing, if too few records are equal.
func (p *nodesPacker) packEqual(n int) bool {
	p.sort(n)
	full := p.total - 1 // packets of one size
	var equal, rest [maxNodes]uint8
	each, left := 0, 0     // number of records in a full packet, and in the last
	size, restSize := 0, 0 // their bytes
	for i := 0; i < n; {
		k := p.keys[i]
		bytes := int(k >> keyBits)
		if last := i + full - 1; last < n && p.keys[last]>>keyBits == k>>keyBits && size+bytes <= p.max {
			equal[each] = uint8(i)
			each++
			size += bytes
			i += full
			continue
		}
		rest[left] = record(k)
		left++
		restSize += bytes
		i++
	}
	if restSize > size {
		return false
	}
	at := 0
	for k := range full {
		for _, first := range equal[:each] {
			p.order[at] = record(p.keys[int(first)+k])
			at++
		}
		p.ends[k] = uint8(at)
	}
	p.total = full
	if left > 0 {
		copy(p.order[at:], rest[:left])
		p.ends[full] = uint8(n)
		p.total++
	}
	return true
}

// sort computes the sorted keys of n records.
func (p *nodesPacker) sort(n int) {
	for i, size := range p.sizes[:n] {
		k := size<<keyBits | uint16(keyMask-i)
		j := i
		for ; j > 0 && p.keys[j-1] < k; j-- {
			p.keys[j] = p.keys[j-1]
		}
		p.keys[j] = k
	}
}

// sortBySize sorts the packets that fill has made by falling size, so that the second can still
// share a GSO batch with the first, and the fourth with the third.
func (p *nodesPacker) sortBySize() {
	var starts, ends [maxNodes]uint8
	var sizes [maxNodes]int
	start := uint8(0)
	for k, end := range p.ends[:p.total] {
		size := 0
		for _, n := range p.sizes[start:end] {
			size += int(n)
		}
		j := k
		for ; j > 0 && sizes[j-1] < size; j-- {
			starts[j], ends[j], sizes[j] = starts[j-1], ends[j-1], sizes[j-1]
		}
		starts[j], ends[j], sizes[j] = start, end, size
		start = end
	}
	at := uint8(0)
	for k := range p.total {
		for i := starts[k]; i < ends[k]; i++ {
			p.order[at] = i
			at++
		}
		p.ends[k] = at
	}
}

// A key holds every size and number.
const _ = uint16(codec.MaxRecordSize<<keyBits | (maxNodes - 1))

// A response that is larger than its request goes only to an endpoint that has answered this node
// lately. Otherwise a peer that sends under an address that it no longer has could direct larger
// responses there. The engine withholds the response: it sends a PING to the endpoint, no larger
// than the request, and answers the request in full when the PONG arrives. So an honest node waits
// for one more round trip and never sees a truncated response.

const (
	// maxWithheld bounds the endpoints with requests that wait for a PONG, maxWithheldEach the
	// requests of one of them. More are dropped and counted.
	maxWithheld     = 64
	maxWithheldEach = 4
	// maxWithheldSite bounds the endpoints of one /24 or /48 once half of the slots are in use, and
	// maxWithheldWide those of one /16 or /32. So nodes of a few networks that send requests and
	// answer no PING leave room for others.
	maxWithheldSite = 8
	maxWithheldWide = 16
)

// withheld holds the requests that wait for the proof of an endpoint, by session.
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

// heldRequest is a request whose response is withheld, or a TALKREQ with its response.
type heldRequest struct {
	via  Via
	kind codec.MessageType
	body []byte          // of the request; nil for TALKREQ
	talk codec.RequestID // of a TALKREQ
	// payload is the response to the TALKREQ.
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

// mayExceed reports whether a response of size answer may go to the endpoint of p for a request of
// size asked.
func (w *Worker) mayExceed(p *peer, asked, answer int) bool {
	return answer <= asked || p.permitted || w.e.budget.Proven(w.now, p.from)
}

// nodesSize returns the size of a response with these records, in all its packets.
func nodesSize(records [][]byte) int {
	n := 0
	for _, r := range records {
		n += len(r)
	}
	return n + (1+n/codec.MaxPacketSize)*answerCost
}

// requestSize returns the size of the packet of a message with this body.
func requestSize(body []byte) int { return messageStart + 1 + len(body) + codec.TagSize }

// withholdRequest withholds a request until its sender has answered a PING.
func (w *Worker) withholdRequest(p *peer, kind codec.MessageType, body []byte) {
	if len(body) > codec.MaxMessageSize {
		return
	}
	w.withhold(p.key, heldRequest{via: w.via, kind: kind, body: bytes.Clone(body)})
}

// withhold keeps a request and sends its sender a PING, unless one is outstanding.
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
	w.start(Request{Type: codec.TypePing, Peer: e.PeerAt(key.ID(), key.AddrPort()), NoFallback: true, Done: func(w *Worker, r Result) {
		list := e.withheld.take(&k)
		if r.Err != nil {
			w.counts[DropUnproven] += uint64(len(list))
			return
		}
		before := w.via
		for _, h := range list {
			w.via = h.via
			w.answerHeld(&k, h)
		}
		w.via = before
	}}, budget.Known, nil)
	w.via = via
}

// answerHeld answers a withheld request.
func (w *Worker) answerHeld(key *session.Key, h heldRequest) {
	hash := w.e.sessions.Hash(key)
	keys, ok := w.e.sessions.Sender(key, hash)
	if !ok {
		w.counts[DropUnproven]++
		return
	}
	id := [32]byte(key.ID())
	p := &peer{key.AddrPort(), key, hash, &id, new(codec.Nonce), keys, true}
	var err error
	switch h.kind {
	case codec.TypeFindNode:
		err = w.handleFindNode(p, h.body)
	case codec.TypeRegTopic:
		err = w.handleRegTopic(p, h.body)
	case codec.TypeTopicQuery:
		err = w.handleTopicQuery(p, h.body)
	default:
		w.sendTalk(p, h.talk, h.payload)
	}
	if err != nil { // it parsed before
		w.counts[DropMessageForm]++
	}
}

// answer lets Config.Answer replace the records of a response, list[:n], and returns how many there
// are then. More than list has room for are left out.
func (w *Worker) answer(t codec.MessageType, from enr.ID, distances codec.Distances, list [][]byte, n int) int {
	if w.e.cfg.Answer == nil {
		return n
	}
	var asked []uint
	for d, ok := distances.Next(); ok; d, ok = distances.Next() {
		asked = append(asked, uint(d))
	}
	return copy(list, w.e.cfg.Answer(t, from, asked, list[:n:n]))
}
