package session

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

// Reasons to refuse a handshake. A refused handshake changes no session and no challenge.
var (
	ErrNoRecord    = errors.New("discv5: handshake has no record, and no record is known")
	ErrRecord      = errors.New("discv5: record in handshake is invalid")
	ErrRecordOwner = errors.New("discv5: record in handshake belongs to another node")
	ErrIDSignature = errors.New("discv5: ID signature is invalid")
	ErrEphemeral   = errors.New("discv5: ephemeral key is not on the curve")
	ErrMessage     = errors.New("discv5: message of handshake does not decrypt")
)

// Handshaker does the cryptography of handshakes of one local node with Curve (discv5-theory.md,
// Handshake Steps). It has no other state and is safe for concurrent use. Each call takes ten to a
// hundred microseconds, so call it outside the receive loop. Do not copy a Handshaker after first
// use.
type Handshaker struct {
	Key      *enr.PrivateKey
	Curve    curve.Curve
	Records  *enr.Cache // of verified records
	Protocol codec.Protocol

	scratch sync.Pool // of *operands, without secrets
	batches sync.Pool // of *batchScratch, without secrets
}

// Accepted is the result of a valid handshake for its recipient.
type Accepted struct {
	Keys *Keys
	// Record is the initiator's: the record in the handshake if it is newer, else the known one.
	Record *enr.Record
	// Plaintext is the decrypted message of the handshake. It overlays the packet.
	Plaintext []byte
}

// Agreement is the result of the key agreement: the challenge that the handshake answers. The
// sender has seen that challenge, but its identity is not verified yet.
type Agreement struct {
	Challenge *Challenge
	Keys      *Keys
	Plaintext []byte // of the message; it overlays the packet

	view  enr.View // of the record in the packet
	fresh bool     // that record is newer than the known one
	known *enr.Record
	pub   [codec.EphemeralKeySize]byte // key to verify the signature with
	xy    [64]byte                     // its coordinates, if point is true
	point bool
}

// Agree examines handshake packet p, which may answer one of the given challenges. known is this
// node's newest record of the sender, or nil.
//
// Agree makes the cheap checks first. One key agreement then yields a secret. If the message
// decrypts with keys derived from that secret and a challenge, the sender has seen the challenge.
// An off-path attacker gets no further, so its signature is never verified. A failure costs one key
// agreement, a key derivation and a tag per challenge, and one square root if the packet has a new
// record.
func (h *Handshaker) Agree(challenges []Challenge, p *codec.Packet, known *enr.Record) (a Agreement, err error) {
	if !PlausibleKey(p.EphemeralKey) {
		return a, ErrEphemeral
	}
	w := h.operands()
	defer h.release(w)
	if a.view, a.fresh, err = h.newer(w, p, known); err != nil {
		return a, err
	}
	a.known, a.pub, a.xy, a.point = known, w.pub, w.xy, w.point
	w.scalar = h.Key.Bytes()
	secret, err := h.Curve.ECDH(&w.scalar, (*[codec.EphemeralKeySize]byte)(p.EphemeralKey))
	if err != nil {
		return a, ErrEphemeral
	}
	err = h.open(w, &a, challenges, p, &secret)
	clear(secret[:])
	return a, err
}

// open decrypts the message of p with keys derived from the agreed secret and one of the
// challenges, which it stores in a with the keys.
func (h *Handshaker) open(w *operands, a *Agreement, challenges []Challenge, p *codec.Packet, secret *[curve.SharedSecretSize]byte) (err error) {
	self := [32]byte(h.Key.ID())
	var buf [codec.WhoareyouSize]byte
	for i := range challenges {
		ch := &challenges[i]
		read, write := aead.DeriveKeys(secret, ch.Append(buf[:0], h.Protocol), &p.SourceID, &self)
		if len(challenges) > 1 && !w.opens(&read, p) {
			eraseKeys(&read, &write)
			continue
		}
		keys := NewKeys(&read, &write)
		eraseKeys(&read, &write)
		if a.Plaintext, err = keys.Open(&p.Nonce, p.Message, p.AD); err != nil {
			break
		}
		keys.prefer(&p.SourceID, &self)
		a.Challenge, a.Keys = ch, keys
		return nil
	}
	return ErrMessage
}

// PlausibleKey reports whether b may be a compressed public key. The check costs next to nothing.
func PlausibleKey(b []byte) bool {
	return len(b) == codec.EphemeralKeySize && (b[0] == 2 || b[0] == 3)
}

// opens reports whether key decrypts the message of p. It leaves p unchanged.
func (w *operands) opens(key *[aead.KeySize]byte, p *codec.Packet) bool {
	c := aead.NewCipher(key)
	_, err := c.Open(w.message[:0], &p.Nonce, p.Message, p.AD)
	c.Erase()
	return err == nil
}

// eraseKeys overwrites session keys that ciphers have taken over or that are not needed.
func eraseKeys(a, b *[aead.KeySize]byte) {
	clear(a[:])
	clear(b[:])
}

// Finish verifies the signatures of handshake p, for which Agree returned a. It verifies the record
// last, because anyone can repeat a record, but only its owner can sign the challenge.
func (h *Handshaker) Finish(a *Agreement, p *codec.Packet) (Accepted, error) {
	w := h.operands()
	defer h.release(w)
	w.pub, w.xy, w.point = a.pub, a.xy, a.point
	w.digest = h.idDigest(a, p)
	if !w.verify(h.Curve, (*[codec.SignatureSize]byte)(p.Signature)) {
		return Accepted{}, ErrIDSignature
	}
	record := a.known
	if a.fresh {
		var err error
		if record, err = h.verifyRecord(w, a.view, p.SourceID); err != nil {
			return Accepted{}, fmt.Errorf("%w: %w", ErrRecord, err)
		}
	}
	a.Keys.SetRecordSeq(record.Seq())
	return Accepted{a.Keys, record, a.Plaintext}, nil
}

// idDigest returns the digest that the ID signature of p signs (discv5-theory.md, Identity-Specific
// Cryptography in the Handshake).
func (h *Handshaker) idDigest(a *Agreement, p *codec.Packet) [32]byte {
	var buf [codec.WhoareyouSize]byte
	self := [32]byte(h.Key.ID())
	return aead.IDSignatureDigest(a.Challenge.Append(buf[:0], h.Protocol), (*[codec.EphemeralKeySize]byte)(p.EphemeralKey), &self)
}

// Accept calls Agree and Finish for one challenge.
func (h *Handshaker) Accept(ch *Challenge, p *codec.Packet, known *enr.Record) (Accepted, error) {
	a, err := h.Agree([]Challenge{*ch}, p, known)
	if err != nil {
		return Accepted{}, err
	}
	return h.Finish(&a, p)
}

// operands are the arguments of Curve. Arguments of an interface method escape to the heap, so they
// form one object that the next handshake reuses.
type operands struct {
	scalar, digest [32]byte
	pub            [codec.EphemeralKeySize]byte // key to verify the signature with
	xy             [64]byte                     // its coordinates, if point is true
	point          bool
	// the decrypted message, which the peer chose, so it needs no erasing
	message [codec.MaxPacketSize]byte
}

// operands returns an empty object.
func (h *Handshaker) operands() *operands {
	if w, ok := h.scratch.Get().(*operands); ok {
		return w
	}
	return new(operands)
}

// release erases w, which held secrets, and recycles it.
func (h *Handshaker) release(w *operands) {
	w.scalar, w.digest = [32]byte{}, [32]byte{}
	w.pub, w.xy, w.point = [codec.EphemeralKeySize]byte{}, [64]byte{}, false
	h.scratch.Put(w)
}

// verify reports whether sig is a signature over w.digest.
func (w *operands) verify(c curve.Curve, sig *[codec.SignatureSize]byte) bool {
	if w.point {
		return c.VerifyPoint(&w.xy, &w.digest, sig)
	}
	return c.Verify(&w.pub, &w.digest, sig)
}

// newer reads the record of a handshake and sets the public key in w. It returns fresh = false if
// the known record is used instead.
func (h *Handshaker) newer(w *operands, p *codec.Packet, known *enr.Record) (v enr.View, fresh bool, err error) {
	if known != nil {
		w.pub, _ = known.PublicKey()
	}
	if v, fresh, err = sentRecord(p, known); err != nil || !fresh {
		return v, false, err
	}
	id, err := h.owner(w, v)
	if err != nil {
		return v, false, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if id != p.SourceID {
		return v, false, ErrRecordOwner
	}
	return v, true, nil
}

// sentRecord returns the record in a handshake, and fresh = true if it is newer than the known one.
func sentRecord(p *codec.Packet, known *enr.Record) (v enr.View, fresh bool, err error) {
	if len(p.Record) == 0 {
		if known == nil {
			return v, false, ErrNoRecord
		}
		return v, false, nil
	}
	if v, err = enr.ParseView(p.Record); err != nil {
		return v, false, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return v, known == nil || v.Seq() > known.Seq(), nil
}

// owner returns the node ID of record v and sets the public key in w. It needs no arithmetic for a
// record that was verified before.
func (h *Handshaker) owner(w *operands, v enr.View) (id enr.ID, err error) {
	if r, ok := h.Records.Get(v); ok {
		w.pub, _ = r.PublicKey()
		return r.ID(), nil
	}
	id, w.xy, err = v.Owner()
	w.point = err == nil
	return id, err
}

// verifyRecord verifies the signature of record v with owner id, and stores it in the cache.
func (h *Handshaker) verifyRecord(w *operands, v enr.View, id [32]byte) (*enr.Record, error) {
	if w.point { // by owner
		return h.Records.VerifyOwned(v, id, &w.xy)
	}
	return h.Records.Verify(v)
}

// Initiation is the content of the initiator's handshake packet, and the resulting keys.
type Initiation struct {
	Keys      *Keys
	Signature [codec.SignatureSize]byte
	Ephemeral [codec.EphemeralKeySize]byte
}

// Initiate answers a challenge of the node with ID peer and public key pub. challengeData is the
// unmasked WHOAREYOU packet. random is the source of the ephemeral key and must be unpredictable.
func (h *Handshaker) Initiate(challengeData []byte, peer enr.ID, pub *[codec.EphemeralKeySize]byte, random io.Reader) (in Initiation, err error) {
	w := h.operands()
	defer h.release(w)
	if in.Ephemeral, err = h.ephemeral(&w.scalar, random); err != nil {
		return in, err
	}
	shared, err := h.Curve.ECDH(&w.scalar, pub)
	if err != nil {
		return in, fmt.Errorf("discv5: key agreement with %s: %w", peer.Short(), err)
	}
	recipient := [32]byte(peer)
	w.digest = aead.IDSignatureDigest(challengeData, &in.Ephemeral, &recipient)
	w.scalar = h.Key.Bytes()
	if in.Signature, err = h.Curve.Sign(&w.scalar, &w.digest); err != nil {
		return in, fmt.Errorf("discv5: sign challenge: %w", err)
	}
	self := [32]byte(h.Key.ID())
	write, read := aead.DeriveKeys(&shared, challengeData, &self, &recipient)
	clear(shared[:])
	in.Keys = NewKeys(&read, &write)
	eraseKeys(&read, &write)
	in.Keys.prefer(&self, &recipient)
	return in, nil
}

// ephemeral makes a key pair. One random string in 2^128 is not a valid key; a second attempt then
// succeeds.
func (h *Handshaker) ephemeral(secret *[32]byte, random io.Reader) (pub [codec.EphemeralKeySize]byte, err error) {
	for range 4 {
		if _, err = io.ReadFull(random, secret[:]); err != nil {
			return pub, fmt.Errorf("discv5: ephemeral key: %w", err)
		}
		if pub, err = h.Curve.PublicKey(secret); err == nil {
			return pub, nil
		}
	}
	return pub, fmt.Errorf("discv5: ephemeral key: %w", err)
}
