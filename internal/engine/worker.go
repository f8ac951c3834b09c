package engine

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/limiter"
	"github.com/fastdisc/discv5/internal/session"
	"github.com/fastdisc/discv5/limits"
)

// PacketWriter queues the datagrams that a worker sends.
type PacketWriter interface {
	// Buffer returns room for the next datagram: codec.MaxPacketSize bytes. If all buffers are in
	// use, the PacketWriter sends them first. nil drops the datagram.
	Buffer() []byte
	// Commit queues the first n bytes of the last result of Buffer, to be sent to addr from the
	// local address via. A response leaves from the address at which its request arrived, because
	// the peer would not accept it otherwise. A request leaves from the address at which the peer
	// last reached this node. 0 leaves the choice to the PacketWriter.
	Commit(n int, addr netip.AddrPort, via Via)
}

// BatchSize is the number of datagrams that a worker holds before it answers them: enough for their
// waits for memory to overlap, and few enough for the first-level cache.
const BatchSize = session.PrefetchSize

// Worker drives an engine for one goroutine.
type Worker struct {
	e       *Engine
	out     PacketWriter
	random  *aead.Random
	decoder *codec.Decoder
	now     time.Duration
	home    Via // local address of datagrams for which it is not known
	via     Via // local address of the datagram being served, and of responses

	batch   [BatchSize]staged
	n       int
	inBatch bool // the messages of the batch are being opened

	counts    Counters
	pubMu     sync.Mutex
	published Counters

	// Scratch memory. Arguments of a cipher would escape to the heap as local variables.
	cipherText [codec.MaxPacketSize]byte
	challenge  session.Challenge
	candidates session.Candidates
	verified   recordBatch
	records    [maxNodes][]byte
	peers      [maxNodes]Peer
	hashes     [BatchSize]uint64
	slots      [BatchSize]session.SlotRef
	// prefetched keeps the compiler from dropping the prefetches, whose results nothing else uses.
	prefetched byte
	replayed   replayFilter

	latency [NumLatencies]histogram
	// accepted has the arrival times of other nodes' handshakes that the last task accepted. The
	// engine reads no clock, so they end when the worker starts its next task.
	accepted   []time.Duration
	handshakes *handshakeBatch // nil unless batches save time

	header session.Header // of the packet that is being built
	topics *topicScratch  // nil unless the node is a registrar
}

// staged is a datagram of the batch: parsed, with the hash of its session key.
type staged struct {
	packet codec.Packet
	from   netip.AddrPort
	key    session.Key
	hash   uint64
	mark   uint64 // of an ordinary message, in the worker's replayFilter
	via    Via

	permitted bool // the address is exempt from limits
}

// NewWorker returns a worker that sends through out. via is the local address at which datagrams
// given to Add arrive, or 0 if the worker receives nothing.
func (e *Engine) NewWorker(out PacketWriter, via Via) (*Worker, error) {
	random, err := aead.NewRandom(e.cfg.Random)
	if err != nil {
		return nil, fmt.Errorf("discv5: new worker: %w", err)
	}
	self := [32]byte(e.self)
	w := &Worker{e: e, out: out, home: via, via: via, random: random, decoder: codec.NewDecoder(&self, e.cfg.Protocol)}
	w.header = session.Header{Protocol: e.cfg.Protocol, Source: self}
	w.replayed.init(random)
	if e.registrar != nil {
		w.topics = new(topicScratch)
	}
	if e.hands.Batches() {
		w.handshakes = new(handshakeBatch)
	}
	e.mu.Lock()
	e.workers = append(e.workers, w)
	e.mu.Unlock()
	return w, nil
}

// Begin starts a batch. now is the time for everything up to the next Begin.
func (w *Worker) Begin(now time.Duration) { w.now = now }

// Add adds a datagram to the batch. It parses b in place, and b must not change until Flush. If Add
// reports false, b is not a packet of this protocol: it has been counted and is unchanged. Add
// flushes a full batch.
func (w *Worker) Add(from netip.AddrPort, b []byte) bool { return w.AddVia(w.home, from, b) }

// AddVia is Add for a datagram that arrived at the local address via.
func (w *Worker) AddVia(via Via, from netip.AddrPort, b []byte) bool {
	w.counts[PacketsIn]++
	w.counts[BytesIn] += uint64(len(b))
	verdict := w.e.cfg.Access.Check(w.now, from.Addr())
	if verdict.Blocked() {
		w.blocked(verdict)
		return true
	}
	s := &w.batch[w.n]
	if err := w.decoder.Decode(b, &s.packet); err != nil {
		w.counts[dropOf(err)]++
		return err != codec.ErrProtocol && err != codec.ErrSize
	}
	s.from, s.via, s.permitted = from, via, verdict == limits.Permitted
	if s.packet.Flag != codec.FlagWhoareyou {
		if s.packet.SourceID == w.e.self {
			w.counts[DropSelf]++
			return true
		}
		if w.e.cfg.Access.BlockedID(w.now, &s.packet.SourceID) {
			w.counts[DropBannedID]++
			return true
		}
		s.key = session.MakeKey(from, &s.packet.SourceID)
		s.hash = w.e.sessions.Hash(&s.key)
	}
	if w.n++; w.n == len(w.batch) {
		w.processBatch()
	}
	return true
}

// Flush answers the datagrams of the batch. The responses have been written to the PacketWriter
// when it returns.
func (w *Worker) Flush() {
	w.processBatch()
	w.publish()
}

// processBatch answers the batch and empties it.
func (w *Worker) processBatch() {
	n := 0
	for i := range w.n {
		if s := &w.batch[i]; s.packet.Flag == codec.FlagMessage {
			w.hashes[n] = s.hash
			s.mark = w.replayed.hash(s.packet.Message)
			w.prefetched ^= w.replayed.prefetch(s.mark)
			n++
		}
	}
	w.prefetched ^= w.e.sessions.Prefetch(w.hashes[:n], &w.slots)
	n, w.inBatch = 0, true
	for i := range w.n {
		s := &w.batch[i]
		w.via = s.via
		switch s.packet.Flag {
		case codec.FlagMessage:
			w.handleMessage(s, w.slots[n])
			n++
		case codec.FlagWhoareyou:
			w.handleWhoareyou(s)
		case codec.FlagHandshake:
			w.queueHandshake(s)
		}
	}
	w.inBatch = false
	w.registerBatch()
	w.n, w.via = 0, w.home
}

// Receive is Begin, Add and Flush for one datagram.
func (w *Worker) Receive(now time.Duration, from netip.AddrPort, b []byte) bool {
	w.Begin(now)
	ok := w.Add(from, b)
	w.Flush()
	return ok
}

// publish makes the counts of the worker visible to Counters.
func (w *Worker) publish() {
	w.pubMu.Lock()
	w.published = w.counts
	w.pubMu.Unlock()
}

// handleMessage opens an ordinary message and answers it, or challenges its sender. It uses a
// session with one pair of keys without a lock, and otherwise looks the keys up.
func (w *Worker) handleMessage(s *staged, at session.SlotRef) {
	var plaintext []byte
	keys := at.SingleKey(&s.key)
	current := keys
	if keys != nil {
		var err error
		if plaintext, err = keys.Open(&s.packet.Nonce, s.packet.Message, s.packet.AD); err != nil {
			keys = nil
		}
	} else if f, ok := w.e.sessions.Lookup(&s.key, s.hash); ok {
		current = f.Current
		plaintext, keys = w.open(s, &f)
	}
	if keys == nil {
		// Charge only datagrams that did not open, so that a flood in the name of a peer does not
		// touch its session.
		if w.allowed(s.permitted, w.e.cfg.Unverified, s.from, RateUnverified) {
			w.sendWhoareyou(s.from, &s.key, s.hash, &s.packet.Nonce, &s.packet.SourceID)
		}
		return
	}
	if !w.replayed.add(w.now, s.mark) {
		if keys != current || !w.replayed.retransmitted(w.now, s.mark, s.hash, keys.Used()) {
			w.counts[DropReplay]++
			return
		}
		w.counts[Retransmissions]++ // the session does not change
		p := peerOf(s, keys)
		w.dispatch(&p, plaintext)
		return
	}
	keys.Opened(w.now)
	keys.SetVia(uint16(w.via))
	if current != keys && current != nil {
		current.SetVia(uint16(w.via)) // requests use these keys
	}
	p := peerOf(s, keys)
	if keys != current && w.e.sessions.Promote(w.now, &s.key, s.hash, keys) {
		w.confirmSession(&p, current != nil)
	}
	w.dispatch(&p, plaintext)
}

// open tries all keys of a session. A failed attempt destroys the ciphertext, so it is kept where
// there is more than one pair to try.
func (w *Worker) open(s *staged, f *session.Found) ([]byte, *session.Keys) {
	p := &s.packet
	try := [...]*session.Keys{f.Current, f.Next, f.Previous}
	last := 0
	for i, k := range try {
		if k != nil {
			last = i
		}
	}
	kept := w.cipherText[:len(p.Message)]
	if last > 0 {
		copy(kept, p.Message)
	}
	for i, k := range try {
		if k == nil {
			continue
		}
		if plaintext, err := k.Open(&p.Nonce, p.Message, p.AD); err == nil {
			return plaintext, k
		}
		if i < last {
			copy(p.Message, kept)
		}
	}
	return nil, nil
}

// blocked counts a datagram from an unwanted source.
func (w *Worker) blocked(v limits.Verdict) {
	if v == limits.Outside {
		w.counts[DropOutside]++
	} else {
		w.counts[DropBannedAddr]++
	}
}

// allowed charges a datagram to a limiter and counts it if it exceeds the limit.
func (w *Worker) allowed(permitted bool, l *limiter.Limiter, from netip.AddrPort, c Counter) bool {
	if permitted {
		return true
	}
	ok := l.Allow(w.now, from.Addr())
	if !ok {
		w.counts[c]++
	}
	return ok
}

// sendWhoareyou sends WHOAREYOU for a message that did not open; see session.Map.Challenge.
func (w *Worker) sendWhoareyou(to netip.AddrPort, key *session.Key, hash uint64, nonce *codec.Nonce, id *[32]byte) {
	seq, _ := w.e.table.Seq(enr.ID(*id))
	switch w.e.sessions.Challenge(w.now, key, hash, nonce, seq, w.random, &w.challenge) {
	case session.ChallengeEvicted:
		w.counts[DropChallengesFull]++
		w.counts[WhoareyouSent]++
	case session.ChallengeNew:
		w.counts[WhoareyouSent]++
	case session.ChallengeRepeated:
		w.counts[WhoareyouRepeated]++
	}
	b := w.out.Buffer()
	if b == nil {
		w.counts[DropSendQueue]++
		return
	}
	w.commit(len(w.challenge.AppendPacket(b[:0], w.e.cfg.Protocol, id)), to)
}

func (w *Worker) commit(n int, to netip.AddrPort) {
	w.counts[PacketsOut]++
	w.counts[BytesOut] += uint64(n)
	w.out.Commit(n, to, w.via)
}

// queueHandshake queues a handshake packet if it answers a live challenge and passes all checks
// that cost nothing. No arithmetic happens before.
func (w *Worker) queueHandshake(s *staged) {
	came := w.e.sessions.Arrived(w.now, &s.key, s.hash)
	switch {
	case !came.Live:
		w.counts[DropNoChallenge]++
		return
	case !session.PlausibleKey(s.packet.EphemeralKey):
		w.counts[DropHandshakeKey]++
		return
	case len(s.packet.Record) == 0 && !came.NamesRecord:
		w.counts[DropHandshakeRecord]++
		return
	}
	if !w.allowed(s.permitted, w.e.cfg.Handshake, s.from, RateHandshake) {
		return
	}
	t, cause := w.e.inbound.reserveHandshake(s.from.Addr(), came.First)
	if t == nil {
		w.counts[cause]++
		return
	}
	t.kind, t.via, t.from, t.key, t.hash, t.came = taskAccept, w.via, s.from, s.key, s.hash, w.now
	s.packet.CopyTo(&t.packet, t.buf[:])
	w.e.submit(t)
}

// Via identifies a local address at which a datagram arrived, or from which one leaves. The engine
// only passes it back to its PacketWriter and to Config.LocalAddr. The zero value leaves the choice
// to the PacketWriter.
type Via uint16

// LocalAddr returns the local IP address that v identifies. It is invalid if v is zero or the
// address is not known, as with sockets that cannot tell.
func (e *Engine) LocalAddr(v Via) netip.Addr {
	if v == 0 || e.cfg.LocalAddr == nil {
		return netip.Addr{}
	}
	return e.cfg.LocalAddr(v)
}

// LocalAddr returns the local IP address at which the datagram that is being served arrived. It is
// invalid if that is not known, and for work without a datagram.
func (w *Worker) LocalAddr() netip.Addr { return w.e.LocalAddr(w.via) }
