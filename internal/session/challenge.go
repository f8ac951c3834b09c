package session

import (
	"time"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
)

// Challenge holds the fields in which two WHOAREYOU packets differ.
type Challenge struct {
	IV        [codec.IVSize]byte
	Nonce     codec.Nonce // of the message that this node challenged
	IDNonce   [codec.IDNonceSize]byte
	RecordSeq uint64 // of this node's record of the peer, 0 for none
}

// Append appends the unmasked WHOAREYOU packet, which is the challenge data of the handshake:
// codec.WhoareyouSize bytes. The result is always the same.
func (c *Challenge) Append(dst []byte, p codec.Protocol) []byte {
	return codec.AppendWhoareyou(dst, p, &c.IV, &c.Nonce, &c.IDNonce, c.RecordSeq)
}

// ChallengeResult is the result of Map.Challenge.
type ChallengeResult int

// Results of Challenge.
const (
	ChallengeNew      ChallengeResult = iota // a new challenge; send it
	ChallengeRepeated                        // an earlier challenge; send the same bytes once more
	// a new challenge; the table evicted the oldest one for it
	ChallengeEvicted
)

// MaxChallengesOfName is the largest number of live challenges of one name, which is an endpoint
// with a node ID.
const MaxChallengesOfName = 8

// Candidates are the challenges that a handshake may answer: all live ones of its sender's name.
// The zero value is empty.
type Candidates struct {
	list [MaxChallengesOfName]Challenge
	n    int
}

// List returns the challenges, newest first. The slice is valid until c is filled once more.
func (c *Candidates) List() []Challenge { return c.list[:c.n] }

// NamesRecord reports whether a challenge says that this node has a record of the peer, so that the
// handshake may omit the record.
func (c *Candidates) NamesRecord() bool {
	for i := range c.List() {
		if c.list[i].RecordSeq > 0 {
			return true
		}
	}
	return false
}

// Challenge fills ch with the challenge to send to the peer with hash h, whose message with the
// given nonce did not decrypt. recordSeq is the sequence number of this node's record of the peer.
//
// A live challenge does not change, whatever else arrives. If the second message of a name comes
// within a quarter of the lifetime, it gets the bytes of the first challenge, because other
// implementations expect that. Later messages get challenges of their own. Otherwise a sender of
// messages in a peer's name could keep that peer from being challenged. Once MaxChallengesOfName
// are live, Challenge replaces the oldest one after a quarter to half of its lifetime, at random,
// and repeats the newest one before that. Two messages with the same nonce get the same challenge.
func (m *Map) Challenge(now time.Duration, _ *Key, h uint64, nonce *codec.Nonce, recordSeq uint64,
	r *aead.Random, ch *Challenge) ChallengeResult {
	return m.challenges.challenge(now, h, nonce, recordSeq, r, ch)
}

// Arrival describes a handshake before any cryptography.
type Arrival struct {
	Live        bool // its sender has a live challenge
	First       bool // it is the first handshake since that challenge was sent
	NamesRecord bool // a challenge said that this node has the sender's record
}

// Arrived records that a handshake of the peer with hash h has arrived. Callers must spend nothing
// on a handshake that answers no challenge.
func (m *Map) Arrived(now time.Duration, _ *Key, h uint64) Arrival {
	return m.challenges.arrived(now, h)
}

// Attempt fills c with the live challenges of the peer, to examine a handshake, and counts an
// attempt for each. It leaves out challenges with Config.MaxAttempts attempts or Config.MaxProofs
// signatures. An attempt does not extend a challenge. Attempt returns false if no challenge is
// left.
func (m *Map) Attempt(now time.Duration, _ *Key, h uint64, c *Candidates) bool {
	return m.challenges.attempt(now, h, c)
}

// Proof counts a signature verification for challenge ch. Call it when the handshake's message has
// decrypted. It returns false if the challenge has ended or allows no more signatures.
func (m *Map) Proof(now time.Duration, _ *Key, h uint64, ch *Challenge) bool {
	return m.challenges.proof(now, h, ch)
}
