package session

import (
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// Challenge is a WHOAREYOU that was sent: all that differs between two such packets.
type Challenge struct {
	IV        [codec.IVSize]byte
	Nonce     codec.Nonce // of the message that was challenged
	IDNonce   [codec.IDNonceSize]byte
	RecordSeq uint64 // of the peer's record that this node had, 0 for none
}

// Append appends the WHOAREYOU packet in clear, which is the challenge data of the handshake:
// codec.WhoareyouSize bytes, always the same ones.
func (c *Challenge) Append(dst []byte, p codec.Protocol) []byte {
	return codec.AppendWhoareyou(dst, p, &c.IV, &c.Nonce, &c.IDNonce, c.RecordSeq)
}

// ChallengeResult says what Challenge did.
type ChallengeResult int

// Results of Challenge.
const (
	ChallengeNew      ChallengeResult = iota // a new challenge, to be sent
	ChallengeRepeated                        // one is out already; the same bytes, to be sent again
	ChallengeFull                            // there are too many; nothing is sent
)

// challengeTable is a bounded table of challenges with a timing wheel. No part of it has pointers.
type challengeTable struct {
	index    index
	slots    []challengeSlot
	free     []uint32
	wheel    wheel
	lifetime time.Duration
	n        int
	expire   func(slot uint32)
}

type challengeSlot struct {
	key      Key
	attempts uint8
	hash     uint64
	deadline time.Duration
	Challenge
}

// wheelTicks is the ring of challenges: it spans twice the lifetime of one.
const wheelTicks = 64

func (t *challengeTable) init(capacity int, lifetime time.Duration) {
	t.index = newIndex(capacity)
	t.slots = make([]challengeSlot, capacity)
	t.free = make([]uint32, capacity)
	for i := range t.free {
		t.free[i] = uint32(capacity - 1 - i)
	}
	t.lifetime = lifetime
	t.wheel = newWheel(capacity, wheelTicks, max(lifetime*2/wheelTicks, time.Millisecond))
	t.expire = t.release
}

func (t *challengeTable) find(k *Key, h uint64) (*challengeSlot, uint32) {
	var i uint32
	for {
		n, ok := t.index.next(h, &i)
		if !ok {
			return nil, 0
		}
		if c := &t.slots[n]; c.key == *k {
			return c, n
		}
	}
}

// release frees a slot that is no longer in the wheel.
func (t *challengeTable) release(slot uint32) {
	t.index.remove(t.slots[slot].hash, slot)
	t.slots[slot] = challengeSlot{}
	t.free = append(t.free, slot)
	t.n--
}

func (t *challengeTable) advance(now time.Duration) { t.wheel.advance(now, t.expire) }

// finish ends the challenge of k if it is the one with the given ID nonce.
func (t *challengeTable) finish(k *Key, h uint64, idNonce *[codec.IDNonceSize]byte) bool {
	c, slot := t.find(k, h)
	if c == nil || c.IDNonce != *idNonce {
		return false
	}
	t.wheel.remove(slot)
	t.release(slot)
	return true
}

// Challenge finds or makes the challenge for k, which sent a message with the given nonce that
// did not open. While a challenge lives it stays as it is, whatever else arrives from k, so that
// an answer under way still fits. recordSeq is the sequence number of the peer's record that this
// node has. ch is filled unless the table is full.
func (m *Map) Challenge(now time.Duration, k *Key, h uint64, nonce *codec.Nonce, recordSeq uint64,
	r *aead.Random, ch *Challenge) ChallengeResult {
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.challenges
	t.advance(now)
	if c, slot := t.find(k, h); c != nil {
		if now <= c.deadline {
			*ch = c.Challenge
			return ChallengeRepeated
		}
		t.wheel.remove(slot)
		t.release(slot)
	}
	if len(t.free) == 0 {
		return ChallengeFull
	}
	slot := t.free[len(t.free)-1]
	if !t.index.put(h, slot) {
		return ChallengeFull
	}
	t.free = t.free[:len(t.free)-1]
	t.n++
	c := &t.slots[slot]
	c.key, c.hash, c.deadline, c.attempts = *k, h, now+t.lifetime, 0
	c.Nonce, c.RecordSeq = *nonce, recordSeq
	r.Block(&c.IV)
	r.Block(&c.IDNonce)
	t.wheel.add(slot, c.deadline)
	*ch = c.Challenge
	return ChallengeNew
}

// Challenged reports whether a challenge for k lives. Nothing expensive is done for a
// handshake that answers none.
func (m *Map) Challenged(now time.Duration, k *Key, h uint64) bool {
	s := m.shard(h)
	s.mu.Lock()
	c, _ := s.challenges.find(k, h)
	ok := c != nil && now <= c.deadline
	s.mu.Unlock()
	return ok
}

// Attempt returns the live challenge for k so that a handshake can be examined, and counts the
// attempt. A challenge allows a bounded number of attempts, and none of them prolongs it.
func (m *Map) Attempt(now time.Duration, k *Key, h uint64, ch *Challenge) bool {
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	c, _ := s.challenges.find(k, h)
	if c == nil || now > c.deadline || int(c.attempts) >= m.cfg.MaxAttempts {
		return false
	}
	c.attempts++
	*ch = c.Challenge
	return true
}
