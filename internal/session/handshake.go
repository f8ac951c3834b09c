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

// Reasons for which a handshake is refused. Every one leaves sessions and challenges as they were.
var (
	ErrNoRecord    = errors.New("session: handshake without record, and none is known")
	ErrRecord      = errors.New("session: record in handshake is not acceptable")
	ErrRecordOwner = errors.New("session: record in handshake belongs to another node")
	ErrIDSignature = errors.New("session: ID signature does not verify")
	ErrEphemeral   = errors.New("session: ephemeral key is not a point of the curve")
	ErrMessage     = errors.New("session: message of handshake does not open with its keys")
)

// Handshaker does the arithmetic of handshakes for one local node (discv5-theory.md, Handshake
// Steps), all of it with Curve. It holds no state of its own and may be used from several
// goroutines. Each call takes some ten to a hundred microseconds, so it belongs on a worker that
// serves nothing else. It must not be copied after first use.
type Handshaker struct {
	Key      *enr.PrivateKey
	Curve    curve.Curve
	Records  *enr.Cache // of records that have been verified
	Protocol codec.Protocol

	scratch sync.Pool // of *operands, without secrets
}

// Accepted is what a good handshake gives its recipient.
type Accepted struct {
	Keys *Keys
	// the initiator's: the one in the handshake if it is newer, else the known one
	Record *enr.Record
	// Plaintext is the message that came with the handshake. It overlays the packet.
	Plaintext []byte
}

// Agreement is what key agreement has found out about a handshake: which challenge it answers, and
// that its sender has seen that challenge. It says nothing yet of who the sender is.
type Agreement struct {
	Challenge *Challenge
	Keys      *Keys
	Plaintext []byte // of the message; it overlays the packet

	view  enr.View // of the record in the packet
	fresh bool     // that record counts
	known *enr.Record
	pub   [codec.EphemeralKeySize]byte // whose signature is to be verified
	xy    [64]byte                     // its coordinates, if point is true
	point bool
}

// Agree examines handshake packet p, which may answer one of the given challenges. known is the
// newest record of its sender that this node has, or nil. The checks that cost next to nothing come
// first. Then one key agreement makes a secret, and whose message opens with keys of that secret
// and of a challenge has seen the challenge: an off-path attacker gets no further, and no signature
// is verified for him. A failure costs one square root, if a record is to be read, one key
// agreement, and for each challenge a key derivation and a tag.
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
	defer clear(secret[:])
	self := [32]byte(h.Key.ID())
	var buf [codec.WhoareyouSize]byte
	for i := range challenges {
		ch := &challenges[i]
		read, write := aead.DeriveKeys(&secret, ch.Append(buf[:0], h.Protocol), &p.SourceID, &self)
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
		return a, nil
	}
	return a, ErrMessage
}

// PlausibleKey reports whether b can be a compressed public key, as far as that costs nothing to
// tell.
func PlausibleKey(b []byte) bool {
	return len(b) == codec.EphemeralKeySize && (b[0] == 2 || b[0] == 3)
}

// opens reports whether key opens the message of p, which it leaves as it was.
func (w *operands) opens(key *[aead.KeySize]byte, p *codec.Packet) bool {
	c := aead.NewCipher(key)
	_, err := c.Open(w.message[:0], &p.Nonce, p.Message, p.AD)
	c.Erase()
	return err == nil
}

// eraseKeys overwrites session keys that are not needed, or that ciphers have taken over.
func eraseKeys(a, b *[aead.KeySize]byte) {
	clear(a[:])
	clear(b[:])
}

// Finish verifies who made the handshake p that a is about. The record's own signature comes last,
// because anybody can repeat a record, but only its owner can sign the challenge.
func (h *Handshaker) Finish(a *Agreement, p *codec.Packet) (Accepted, error) {
	w := h.operands()
	defer h.release(w)
	w.pub, w.xy, w.point = a.pub, a.xy, a.point
	var buf [codec.WhoareyouSize]byte
	self := [32]byte(h.Key.ID())
	w.digest = aead.IDSignatureDigest(a.Challenge.Append(buf[:0], h.Protocol), (*[codec.EphemeralKeySize]byte)(p.EphemeralKey), &self)
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

// Accept is Agree and Finish for one challenge.
func (h *Handshaker) Accept(ch *Challenge, p *codec.Packet, known *enr.Record) (Accepted, error) {
	a, err := h.Agree([]Challenge{*ch}, p, known)
	if err != nil {
		return Accepted{}, err
	}
	return h.Finish(&a, p)
}

// operands are what a handshake gives to the arithmetic. As that is called through an interface,
// they are on the heap: in one piece, which the next handshake takes over.
type operands struct {
	scalar, digest [32]byte
	pub            [codec.EphemeralKeySize]byte // whose signature is verified
	xy             [64]byte                     // its coordinates, if point is true
	point          bool
	// of the peer's choice, opened: nothing that needs erasing
	message [codec.MaxPacketSize]byte
}

// operands returns some that are empty.
func (h *Handshaker) operands() *operands {
	if w, ok := h.scratch.Get().(*operands); ok {
		return w
	}
	return new(operands)
}

// release erases w, which has had secrets, and keeps it for later.
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

// newer reads the record of a handshake, and sets the public key in w. fresh is false when the
// known one is to be used.
func (h *Handshaker) newer(w *operands, p *codec.Packet, known *enr.Record) (v enr.View, fresh bool, err error) {
	if known != nil {
		w.pub, _ = known.PublicKey()
	}
	if len(p.Record) == 0 {
		if known == nil {
			return v, false, ErrNoRecord
		}
		return v, false, nil
	}
	if v, err = enr.ParseView(p.Record); err != nil {
		return v, false, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if known != nil && v.Seq() <= known.Seq() {
		return v, false, nil
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

// owner is whose record v is, and sets the public key in w. For one that was verified before, no
// arithmetic is needed.
func (h *Handshaker) owner(w *operands, v enr.View) (id enr.ID, err error) {
	if r, ok := h.Records.Get(v); ok {
		w.pub, _ = r.PublicKey()
		return r.ID(), nil
	}
	id, w.xy, err = v.Owner()
	w.point = err == nil
	return id, err
}

// verifyRecord checks the signature of the record v, whose owner is id, and keeps it in the cache.
func (h *Handshaker) verifyRecord(w *operands, v enr.View, id [32]byte) (*enr.Record, error) {
	if w.point { // by owner
		return h.Records.VerifyOwned(v, id, &w.xy)
	}
	return h.Records.Verify(v)
}

// Initiation is what the initiator puts into its handshake packet, and the keys that come of it.
type Initiation struct {
	Keys      *Keys
	Signature [codec.SignatureSize]byte
	Ephemeral [codec.EphemeralKeySize]byte
}

// Initiate answers a challenge of the node with ID peer and public key pub. challengeData is the
// unmasked WHOAREYOU packet. random gives the ephemeral key; it must be unpredictable.
func (h *Handshaker) Initiate(challengeData []byte, peer enr.ID, pub *[codec.EphemeralKeySize]byte, random io.Reader) (in Initiation, err error) {
	w := h.operands()
	defer h.release(w)
	if in.Ephemeral, err = h.ephemeral(&w.scalar, random); err != nil {
		return in, err
	}
	shared, err := h.Curve.ECDH(&w.scalar, pub)
	if err != nil {
		return in, fmt.Errorf("session: key agreement with %s: %w", peer.Short(), err)
	}
	recipient := [32]byte(peer)
	w.digest = aead.IDSignatureDigest(challengeData, &in.Ephemeral, &recipient)
	w.scalar = h.Key.Bytes()
	if in.Signature, err = h.Curve.Sign(&w.scalar, &w.digest); err != nil {
		return in, fmt.Errorf("session: sign challenge: %w", err)
	}
	self := [32]byte(h.Key.ID())
	write, read := aead.DeriveKeys(&shared, challengeData, &self, &recipient)
	clear(shared[:])
	in.Keys = NewKeys(&read, &write)
	eraseKeys(&read, &write)
	in.Keys.prefer(&self, &recipient)
	return in, nil
}

// ephemeral makes a key pair. One random string in 2^128 is not a key, so the second try succeeds.
func (h *Handshaker) ephemeral(secret *[32]byte, random io.Reader) (pub [codec.EphemeralKeySize]byte, err error) {
	for range 4 {
		if _, err = io.ReadFull(random, secret[:]); err != nil {
			return pub, fmt.Errorf("session: ephemeral key: %w", err)
		}
		if pub, err = h.Curve.PublicKey(secret); err == nil {
			return pub, nil
		}
	}
	return pub, fmt.Errorf("session: ephemeral key: %w", err)
}
