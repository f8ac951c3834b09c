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
	// a new challenge, for which the table has given up the oldest one
	ChallengeEvicted
)

// MaxChallengesOfName is how many challenges one name, an endpoint with a node ID, can have at a
// time.
const MaxChallengesOfName = 8

// Candidates are the challenges that a handshake may answer: all that are out to its sender's name.
// The zero value is empty.
type Candidates struct {
	list [MaxChallengesOfName]Challenge
	n    int
}

// List returns the challenges, the newest first. The slice is valid until c is filled again.
func (c *Candidates) List() []Challenge { return c.list[:c.n] }

// NamesRecord reports whether one of the challenges says that this node has a record of the peer's,
// so that the handshake may come without one.
func (c *Candidates) NamesRecord() bool {
	for i := range c.List() {
		if c.list[i].RecordSeq > 0 {
			return true
		}
	}
	return false
}

// Challenge finds or makes the challenge for the peer with hash h, which sent a message with the
// given nonce that did not open. recordSeq is the sequence number of the peer's record that this
// node has. ch is filled with what is to be sent.
//
// A challenge stays as it is while it lives, whatever else arrives from k. The second message of a
// name gets the bytes of the first one's challenge again if it comes within a quarter of the
// lifetime: other implementations expect it. Later ones get challenges of their own, so that
// whoever sends messages in the name of k does not keep k's own message from being challenged. With
// MaxChallengesOfName out the oldest one is replaced when it has had a quarter of its lifetime, or
// up to a half as chance will have it; before that the newest is repeated. A message that comes
// twice gets the same challenge twice.
func (m *Map) Challenge(now time.Duration, _ *Key, h uint64, nonce *codec.Nonce, recordSeq uint64,
	r *aead.Random, ch *Challenge) ChallengeResult {
	return m.challenges.challenge(now, h, nonce, recordSeq, r, ch)
}

// Arrival says what is known of a handshake before anything is calculated for it.
type Arrival struct {
	Live        bool // a challenge for its sender lives
	First       bool // it is the first handshake to arrive since that challenge was sent
	NamesRecord bool // a challenge said that this node has the sender's record
}

// Arrived notes that a handshake of k has arrived. Nothing expensive is done for one that answers
// no challenge.
func (m *Map) Arrived(now time.Duration, _ *Key, h uint64) Arrival {
	return m.challenges.arrived(now, h)
}

// Attempt fills c with the live challenges for k, so that a handshake can be examined, and counts
// the attempt for each. A challenge that has been tried Config.MaxAttempts times, or has had
// Config.MaxProofs signatures, is left out. No attempt prolongs a challenge. Attempt reports false
// if none is left.
func (m *Map) Attempt(now time.Duration, _ *Key, h uint64, c *Candidates) bool {
	return m.challenges.attempt(now, h, c)
}

// Proof counts a signature that is about to be verified for challenge ch of k, whose keys have
// opened the handshake's message. It reports false if the challenge has ended or allows no more.
func (m *Map) Proof(now time.Duration, _ *Key, h uint64, ch *Challenge) bool {
	return m.challenges.proof(now, h, ch)
}
