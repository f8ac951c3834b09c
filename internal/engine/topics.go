package engine

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync"
	"time"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// The registrar side of topic advertisement (discv5-theory.md, Registrar Behavior): REGTOPIC and
// TOPICQUERY are answered by the worker that received them. Only a record that the node does not
// know waits in the inbound queue for its signature check.

const (
	// maxAuxiliary bounds the auxiliary records of an answer. Other implementations take no more.
	maxAuxiliary = 8
	// nearBuckets is how many buckets of the node table below a distance are looked into: further
	// ones have nodes only in networks of many millions.
	nearBuckets = 24
	// recordCheckPause is the pause between two signature checks for REGTOPIC of one peer.
	recordCheckPause = time.Second
	// recordCheckSets and recordCheckWays size the memory for that: peers in each of the sets.
	recordCheckSets = 128
	recordCheckWays = 8
)

// topicScratch is the memory of one worker for topic requests.
type topicScratch struct {
	request   topic.Request
	ads       [topic.MaxSample * enr.MaxSize]byte
	adRecords [topic.MaxSample][]byte
	auxiliary [maxAuxiliary][]byte
	// buckets have the nodes that an auxiliary record is chosen from.
	buckets   [nearBuckets]choice
	adPacker  nodesPacker
	auxPacker nodesPacker
	// waiting are the registrations of the batch that is being answered.
	waiting [BatchSize]registration
	n       int
}

// registration is a REGTOPIC of a batch.
type registration struct {
	peer    peer
	body    []byte
	message codec.RegTopic
	via     Via
}

// choice is a bucket of the node table with the nodes among which to choose: bit i stands for entry
// i of at.Capable.
type choice struct {
	at    *table.Snapshot
	nodes uint64
}

// recordCheckLimit spaces the signature checks that one peer can cause with ever new records. It
// remembers the peers that had one within the last recordCheckPause. While the set that a peer
// falls into is full of others, the peer has to wait as well, so no number of peers gets more
// checks than there is room for.
type recordCheckLimit struct {
	mu   sync.Mutex
	sets [recordCheckSets][recordCheckWays]struct {
		hash  uint64
		until time.Duration
	}
}

// allow reports whether a peer may have a record checked now, and counts it if so. hash is the
// seeded hash of its session.
func (l *recordCheckLimit) allow(now time.Duration, hash uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	set := &l.sets[hash%recordCheckSets]
	free := -1
	for i := range set {
		switch s := &set[i]; {
		case s.until <= now:
			free = i
		case s.hash == hash:
			return false
		}
	}
	if free < 0 {
		return false
	}
	set[free].hash, set[free].until = hash, now+recordCheckPause
	return true
}

// initTopics makes the registrar, if the configuration asks for one.
func (e *Engine) initTopics() (err error) {
	if e.cfg.Registrar == nil {
		return nil
	}
	cfg := *e.cfg.Registrar
	cfg.Self, cfg.Random = e.self, e.cfg.Random
	if e.cfg.OnEvent != nil {
		cfg.Expired = func(t topic.Topic, id enr.ID) { e.event(Event{Kind: AdExpired, ID: id, Topic: t}) }
	}
	e.recordChecks = new(recordCheckLimit)
	e.registrar, err = topic.NewRegistrar(cfg)
	return err
}

// Registrar returns the registrar of topics, nil if the node is none.
func (e *Engine) Registrar() *topic.Registrar { return e.registrar }

// stageRegTopic leaves a REGTOPIC of a batch to registerBatch, and handles others.
func (w *Worker) stageRegTopic(p *peer, body []byte) error {
	t := w.topics
	if t == nil || !w.inBatch {
		return w.handleRegTopic(p, body)
	}
	r := &t.waiting[t.n]
	if err := r.message.Decode(body); err != nil {
		return err
	}
	r.peer, r.body, r.via = *p, body, w.via
	t.n++
	return nil
}

// handleRegTopic answers REGTOPIC, or queues the check of a record that is not known.
func (w *Worker) handleRegTopic(p *peer, body []byte) error {
	if w.e.registrar == nil {
		w.counts[DropTopic]++
		return nil
	}
	var m codec.RegTopic
	if err := m.Decode(body); err != nil {
		return err
	}
	r, err := w.knownRecord(p, m.Record)
	w.registerFound(p, &m, body, r, err)
	return nil
}

// registerBatch answers the REGTOPICs of a batch. It finds all records first: each search waits for
// memory three times, and here the searches wait together.
func (w *Worker) registerBatch() {
	t := w.topics
	if t == nil || t.n == 0 {
		return
	}
	var found [BatchSize]*enr.Record
	for i := range t.waiting[:t.n] {
		found[i], _ = w.e.records.Find(t.waiting[i].message.Record)
	}
	for i := range t.waiting[:t.n] {
		r, record, err := &t.waiting[i], found[i], error(nil)
		w.via = r.via
		if record == nil {
			record, err = w.knownRecord(&r.peer, r.message.Record)
		}
		w.registerFound(&r.peer, &r.message, r.body, record, err)
		r.peer.keys = nil // what ends its session may end them
	}
	t.n = 0
}

// registerFound handles a REGTOPIC whose record knownRecord has looked for.
func (w *Worker) registerFound(p *peer, m *codec.RegTopic, body []byte, r *enr.Record, err error) {
	switch {
	case err != nil:
		w.counts[DropTopicRecord]++
	case r == nil:
		w.queueRegistration(p, body)
	default:
		w.register(p, m, body, r)
	}
}

// knownRecord returns the verified record with the bytes b if the node has it: from the cache of
// verified records, from the session of the peer, or from the table. It returns nil
// if the record is not known, and an error if it is none.
func (w *Worker) knownRecord(p *peer, b []byte) (*enr.Record, error) {
	e := w.e
	if r, ok := e.records.Find(b); ok {
		return r, nil
	}
	if s, ok := e.sessions.Get(p.key, p.hash); ok && s.Record != nil && bytes.Equal(s.Record.Bytes(), b) {
		return s.Record, nil
	}
	if r := e.known(enr.ID(*p.id)); r != nil && bytes.Equal(r.Bytes(), b) {
		return r, nil
	}
	_, err := enr.ParseView(b)
	return nil, err
}

// queueRegistration keeps a REGTOPIC until its record has been verified. Such requests share the
// inbound queue and its quotas with handshakes, which cost as much.
func (w *Worker) queueRegistration(p *peer, body []byte) {
	e := w.e
	if !e.recordChecks.allow(w.now, p.hash) {
		w.counts[RateTopicRecord]++
		return
	}
	if !w.allowed(p.permitted, e.cfg.Handshake, p.from, RateHandshake) {
		return
	}
	t, cause := e.inbound.reserve(p.from.Addr())
	if t == nil {
		w.counts[cause]++
		return
	}
	t.kind, t.via, t.from, t.key, t.hash, t.came = taskRegister, w.via, p.from, *p.key, p.hash, w.now
	t.packet.SourceID, t.packet.Nonce = *p.id, *p.nonce
	t.packet.Message = append(t.buf[:0], body...)
	e.submit(t)
}

// registerNew is the rest of handleRegTopic for a record that was not known.
func (w *Worker) registerNew(t *task) {
	e := w.e
	var m codec.RegTopic
	err := m.Decode(t.packet.Message)
	var v enr.View
	if err == nil {
		v, err = enr.ParseView(m.Record)
	}
	var r *enr.Record
	if err == nil {
		r, err = e.records.Verify(v)
	}
	if err != nil {
		w.counts[DropTopicRecord]++
		return
	}
	keys, ok := e.sessions.Sender(&t.key, t.hash)
	if !ok {
		w.counts[DropTopicLate]++
		return
	}
	w.register(&peer{t.from, &t.key, t.hash, &t.packet.SourceID, &t.packet.Nonce, keys, false}, &m, t.packet.Message, r)
}

// register answers REGTOPIC with the sender's record r: REGCONFIRMATION first, then auxiliary
// records. The registrar is not asked before the node knows that the answer may go out.
func (w *Worker) register(p *peer, m *codec.RegTopic, body []byte, r *enr.Record) {
	t := w.topics
	auxiliary := w.gatherAuxiliary(p, (*topic.Topic)(&m.Topic), m.Distances)
	defer clear(auxiliary)
	size := confirmationSize
	if len(auxiliary) > 0 {
		size += nodesSize(auxiliary)
	}
	if !w.mayExceed(p, requestSize(body), size) {
		w.withholdRequest(p, codec.TypeRegTopic, body)
		return
	}
	q := &t.request
	q.Topic, q.ID, q.Source, q.Record, q.Ticket = m.Topic, enr.ID(*p.id), p.from, r, m.Ticket
	v := w.e.registrar.Register(w.now, q)
	if w.e.cfg.OnRegistration != nil {
		w.e.cfg.OnRegistration(m.RequestID, q, v)
	}
	q.Record, q.Ticket = nil, nil
	if !v.Result.Answered() {
		return // the registrar counts it
	}
	if v.Result == topic.Admitted && w.e.cfg.OnEvent != nil {
		w.e.event(Event{Kind: AdAdmitted, ID: r.ID(), Addr: p.from, Record: r, Topic: m.Topic})
	}
	total := uint64(1)
	if len(auxiliary) > 0 {
		w.pack(p, &t.auxPacker, auxiliary)
		total += uint64(t.auxPacker.total)
	}
	buf := w.out.Buffer()
	if buf == nil {
		w.counts[DropSendQueue]++
		return
	}
	c := codec.RegConfirmation{RequestID: m.RequestID, Total: total, Ticket: v.Ticket, WaitTime: uint64(v.Wait / time.Millisecond)}
	w.counts[OutRegConfirmation]++
	w.send(p, buf, c.Append(buf[messageStart:messageStart]))
	if len(auxiliary) > 0 {
		w.sendRecords(p, codec.TypeNodes, &m.RequestID, &t.auxPacker, auxiliary, total)
		w.counts[AuxiliaryReturned] += uint64(len(auxiliary))
	}
}

// confirmationSize is the size of the packet with a REGCONFIRMATION: list header, ticket with its
// header, and two integers at most.
const confirmationSize = answerCost + 2 + topic.TicketSize + 9

// handleTopicQuery answers TOPICQUERY with a random sample of the topic's ads, and auxiliary
// records. Without either it sends one empty TOPICNODES: silence would look like loss.
func (w *Worker) handleTopicQuery(p *peer, body []byte) error {
	e := w.e
	if e.registrar == nil {
		w.counts[DropTopic]++
		return nil
	}
	var m codec.TopicQuery
	if err := m.Decode(body); err != nil {
		return err
	}
	t := w.topics
	auxiliary := w.gatherAuxiliary(p, (*topic.Topic)(&m.Topic), m.Distances)
	defer clear(auxiliary)
	q := topic.Query{Topic: m.Topic, ID: enr.ID(*p.id), Source: p.from.Addr()}
	ads := e.registrar.SampleRecords(w.now, &q, w.random, 0, t.adRecords[:0], t.ads[:])
	ads = t.adRecords[:w.answer(codec.TypeTopicNodes, enr.ID(m.Topic), m.Distances, t.adRecords[:], len(ads))]
	if size := nodesSize(ads) + nodesSize(auxiliary); !w.mayExceed(p, requestSize(body), size) && len(ads)+len(auxiliary) > 0 {
		w.withholdRequest(p, codec.TypeTopicQuery, body)
		return nil
	}
	total := uint64(0)
	if len(ads) > 0 || len(auxiliary) == 0 {
		w.pack(p, &t.adPacker, ads)
		total += uint64(t.adPacker.total)
	}
	if len(auxiliary) > 0 {
		w.pack(p, &t.auxPacker, auxiliary)
		total += uint64(t.auxPacker.total)
	}
	if len(ads) > 0 || len(auxiliary) == 0 {
		w.sendRecords(p, codec.TypeTopicNodes, &m.RequestID, &t.adPacker, ads, total)
	}
	if len(auxiliary) > 0 {
		w.sendRecords(p, codec.TypeNodes, &m.RequestID, &t.auxPacker, auxiliary, total)
		w.counts[AuxiliaryReturned] += uint64(len(auxiliary))
	}
	return nil
}

// gatherAuxiliary collects auxiliary records for an answer: for each distance from the topic that
// was asked for, one live capable node of the table, chosen at random (discv5-theory.md, Service
// Lookup). The asker itself and addresses that it must not be told are left out. The result is
// valid until the next call.
func (w *Worker) gatherAuxiliary(p *peer, t *topic.Topic, distances codec.Distances) [][]byte {
	list, asked := w.topics.auxiliary[:0], distances
	rest := distances
	if _, ok := rest.Next(); !ok {
		return list
	}
	var seen distanceSet
	own := t.Distance(w.e.self)
	random := w.random.Uint64()
	for range codec.MaxTopicDistances { // 18 are usual
		d, ok := distances.Next()
		if !ok || len(list) == maxAuxiliary {
			break
		}
		if d == 0 || !seen.add(d) {
			continue
		}
		if r := w.auxiliaryAt(p, t, d, own, &random); r != nil {
			list = append(list, r)
		}
	}
	return list[:w.answer(codec.TypeNodes, enr.ID(*t), asked, w.topics.auxiliary[:], len(list))]
}

// auxiliaryAt chooses a capable node at distance d from the topic, or returns nil. own is this
// node's distance from the topic, and random the state of a generator of the caller. Distance and
// own decide which buckets of the node table to look into:
//
//	d > own   bucket d: its nodes differ from the topic where they differ from this node
//	d < own   bucket own, whose nodes agree with the topic in the bit in which this node does not
//	d = own   all buckets below own
func (w *Worker) auxiliaryAt(p *peer, t *topic.Topic, d, own int, random *uint64) []byte {
	high, low := d, d
	switch {
	case d < own:
		high, low = own, own
	case d == own:
		high, low = own-1, max(own-nearBuckets, 1)
	}
	found, total := w.topics.buckets[:0], 0
	head := binary.BigEndian.Uint64(t[:])
	for j := high; j >= low && total < maxNodes; j-- {
		at := w.e.table.Relay(j)
		capable := at.Capable()
		capable = capable[:min(len(capable), 64)]
		if len(capable) == 0 {
			continue
		}
		nodes := ^uint64(0) >> (64 - len(capable))
		if d < own {
			for i, c := range capable {
				if !isAt(d, head, c.Head, t, at.ID(c.Index)) {
					nodes &^= 1 << i
				}
			}
		}
		found, total = append(found, choice{at, nodes}), total+bits.OnesCount64(nodes)
	}
	defer clear(found)
	asking, family := table.Class(p.from.Addr()), table.FamilyOf(p.from.Addr())
	for ; total > 0; total-- {
		*random = *random*6364136223846793005 + 1442695040888963407
		k, _ := bits.Mul64(*random, uint64(total))
		c, bit := pick(found, int(k))
		i := c.at.Capable()[bits.TrailingZeros64(bit)].Index
		if c.at.MayRelay(i, asking, family) && *c.at.ID(i) != *p.id {
			return c.at.Record(i)
		}
		c.nodes &^= bit
	}
	return nil
}

// pick returns node k of all in a list: its bucket and its bit there. k must be less than their
// number.
func pick(list []choice, k int) (c *choice, bit uint64) {
	for c = &list[0]; k >= bits.OnesCount64(c.nodes); c = &list[0] {
		k -= bits.OnesCount64(c.nodes)
		list = list[1:]
	}
	nodes := c.nodes
	if nodes&(nodes+1) == 0 { // all of the lower bits
		return c, 1 << k
	}
	for ; k > 0; k-- {
		nodes &= nodes - 1
	}
	return c, nodes & -nodes
}

// distanceSet is a set of log distances.
type distanceSet [codec.MaxDistance/64 + 1]uint64

// add adds a distance, and reports whether it was not there.
func (s *distanceSet) add(d int) bool {
	word, bit := &s[d/64], uint64(1)<<(d%64)
	added := *word&bit == 0
	*word |= bit
	return added
}

// isAt reports whether node id is at log distance d from t. The heads are the first eight bytes of
// both, which are enough for all but very near nodes.
func isAt(d int, topicHead, head uint64, t *topic.Topic, id *enr.ID) bool {
	if x := topicHead ^ head; x != 0 {
		return codec.MaxDistance-64+bits.Len64(x) == d
	}
	return t.Distance(*id) == d
}

// expelAds ends the ads of nodes that have been banned since.
func (e *Engine) expelAds(now time.Duration) {
	if e.registrar == nil {
		return
	}
	e.registrar.Remove(func(a *topic.Ad) bool {
		addr, _ := a.Addr()
		return e.blocked(now, a.ID, addr)
	})
}
