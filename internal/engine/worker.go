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

// PacketWriter takes the datagrams that a worker sends.
type PacketWriter interface {
	// Buffer returns room for the next datagram: codec.MaxPacketSize bytes. If all buffers are in
	// use the outbox sends them first. nil drops the datagram.
	Buffer() []byte
	// Commit queues the first n bytes of what Buffer returned last, to be sent to addr. via is the
	// local address to send from: an answer leaves from where its request arrived, as it would not
	// be taken for one otherwise, and a request from where the peer last reached this node. 0
	// leaves the choice to the outbox.
	Commit(n int, addr netip.AddrPort, via Via)
}

// BatchSize is how many datagrams a worker holds before it answers them. It is enough for their
// waits for memory to overlap, and what they touch still fits into the first-level cache.
const BatchSize = session.PrefetchSize

// Worker drives an engine for one goroutine.
type Worker struct {
	e       *Engine
	out     PacketWriter
	random  *aead.Random
	decoder *codec.Decoder
	now     time.Duration
	home    Via // local address of datagrams whose own is not known
	via     Via // local address of what is being served, and of answers

	batch [BatchSize]staged
	n     int

	counts    Counters
	pubMu     sync.Mutex
	published Counters

	// Scratch memory. What is passed to a cipher would escape to the heap as a local variable.
	cipherText [codec.MaxPacketSize]byte
	challenge  session.Challenge
	candidates session.Candidates
	records    [maxNodes][]byte
	hashes     [BatchSize]uint64
	slots      [BatchSize]session.SlotRef
	// prefetched keeps the compiler from dropping the prefetches, whose results nothing else uses.
	prefetched byte
	replayed   replayFilter

	latency  [NumLatencies]histogram
	accepted acceptance

	header session.Header // of the packet that is being built
}

// staged is a datagram of the batch: decoded, its session's key hashed; then looked up.
type staged struct {
	packet codec.Packet
	from   netip.AddrPort
	key    session.Key
	hash   uint64
	mark   uint64 // of an ordinary message, in the worker's replayFilter
	via    Via

	permitted bool // by the address: no limit applies
}

// NewWorker returns a worker that sends through out. via is the local address that Add takes
// datagrams to have arrived at, or 0 if the worker receives nothing.
func (e *Engine) NewWorker(out PacketWriter, via Via) (*Worker, error) {
	random, err := aead.NewRandom(e.cfg.Random)
	if err != nil {
		return nil, fmt.Errorf("engine: new worker: %w", err)
	}
	self := [32]byte(e.self)
	w := &Worker{e: e, out: out, home: via, via: via, random: random, decoder: codec.NewDecoder(&self, e.cfg.Protocol)}
	w.header = session.Header{Protocol: e.cfg.Protocol, Source: self}
	w.replayed.init(random)
	e.mu.Lock()
	e.workers = append(e.workers, w)
	e.mu.Unlock()
	return w, nil
}

// Begin starts a batch: now is the time for all that follows until the next Begin.
func (w *Worker) Begin(now time.Duration) { w.now = now }

// Add takes in a datagram. b is decoded in place and must stay as it is until Flush, unless Add
// reports false: then b is not a packet of this protocol, has been counted and is as it came. A
// full batch is flushed at once.
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

// Flush answers the datagrams that were added. The answers are in the outbox afterwards.
func (w *Worker) Flush() {
	w.processBatch()
	w.publish()
}

// answer does the work of the batch and empties it.
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
	n = 0
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
	w.n, w.via = 0, w.home
}

// Receive is Begin, Add and Flush for one datagram.
func (w *Worker) Receive(now time.Duration, from netip.AddrPort, b []byte) bool {
	w.Begin(now)
	ok := w.Add(from, b)
	w.Flush()
	return ok
}

// publish makes the worker's counts visible to others.
func (w *Worker) publish() {
	w.pubMu.Lock()
	w.published = w.counts
	w.pubMu.Unlock()
}

// message opens an ordinary message and answers it, or challenges its sender. A session with one
// pair of keys is used where it was seen; else the keys are looked up.
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
		// Only what did not open is charged, so that who floods in a peer's name does not touch its
		// session.
		if w.allowed(s.permitted, w.e.cfg.Unverified, s.from, RateUnverified) {
			w.challengeSender(s)
		}
		return
	}
	if !w.replayed.add(w.now, s.mark) {
		if keys != current || !w.replayed.retransmitted(w.now, s.mark, s.hash, keys.Used()) {
			w.counts[DropReplay]++
			return
		}
		w.counts[Retransmissions]++ // the session does not change by it
		p := peerOf(s, keys)
		w.dispatch(&p, plaintext)
		return
	}
	keys.Opened(w.now)
	keys.SetVia(uint16(w.via))
	if current != keys && current != nil {
		current.SetVia(uint16(w.via)) // requests go out with those
	}
	p := peerOf(s, keys)
	if keys != current && w.e.sessions.Promote(w.now, &s.key, s.hash, keys) {
		w.confirmSession(&p, current != nil)
	}
	w.dispatch(&p, plaintext)
}

// open tries all keys of a session. Opening destroys what does not fit, so that the ciphertext is
// kept where there is more than one pair to try.
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

// blocked counts a datagram from a source that is not wanted.
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

// challengeSender sends WHOAREYOU for a message that did not open; see session.Map.Challenge.
func (w *Worker) challengeSender(s *staged) {
	w.sendWhoareyou(s.from, &s.key, s.hash, &s.packet.Nonce, &s.packet.SourceID)
}

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

// handshake queues a handshake packet if it answers a live challenge and can be good as far as that
// costs nothing to tell. No arithmetic has been done for it until then.
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

// Via names the local address that a datagram arrived at, or that one leaves from. The engine hands
// it back to its PacketWriter and to Config.LocalAddr and gives it no meaning. The zero value leaves the
// choice to the outbox.
type Via uint16

// LocalAddr returns the local IP address that v names. It is invalid if v is zero, or if the
// address is not known, as with sockets that cannot tell.
func (e *Engine) LocalAddr(v Via) netip.Addr {
	if v == 0 || e.cfg.LocalAddr == nil {
		return netip.Addr{}
	}
	return e.cfg.LocalAddr(v)
}

// LocalAddr returns the local IP address at which the datagram that is being served arrived. It is
// invalid if that is not known, and for work that no datagram has caused.
func (w *Worker) LocalAddr() netip.Addr { return w.e.LocalAddr(w.via) }
