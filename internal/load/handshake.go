package load

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"github.com/fastdisc/discv5/aead"
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/session"
)

// initiator makes handshakes with one target. It uses one ephemeral key for all of them: the target
// cannot tell, its work is the same, and the generator saves most of its own.
type initiator struct {
	target    [32]byte
	ephemeral [codec.EphemeralKeySize]byte
	secret    [33]byte
}

func newInitiator(t *Target) (*initiator, error) {
	key, err := enr.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ephemeral key: %w", err)
	}
	in := &initiator{target: [32]byte(t.ID), ephemeral: key.PublicKey()}
	if in.secret, err = key.ECDH(&t.PublicKey); err != nil {
		return nil, fmt.Errorf("key agreement with the target: %w", err)
	}
	return in, nil
}

// sign makes the ID signature over a challenge (discv5-theory.md, Handshake Steps).
func (in *initiator) sign(who *identity, challenge []byte) ([codec.SignatureSize]byte, error) {
	digest := aead.IDSignatureDigest(challenge, &in.ephemeral, &in.target)
	return who.key.Sign(&digest)
}

// renew gives who the keys of a handshake that answers the challenge.
func (in *initiator) renew(who *identity, challenge []byte) {
	write, read := aead.DeriveKeys(&in.secret, challenge, &who.id, &in.target)
	who.session = session.NewKeys(&read, &write)
	who.generation++
}

// badSignature looks like a signature, and verifies with no key.
func badSignature(r *aead.Random) (sig [codec.SignatureSize]byte) {
	r.Read(sig[:])
	sig[0] &= 0x7f  // below the order of the group
	sig[32] &= 0x3f // and a low s, so that it is not refused unseen
	return sig
}

// badRecord is a record whose signature is wrong.
func badRecord(record []byte) []byte {
	b := bytes.Clone(record)
	b[recordSignature] ^= 1
	return b
}

// recordSignature is where a byte of the signature stands in a record of 56 bytes or more: behind
// list and string header of two bytes each.
const recordSignature = 2 + 2 + 20

// handshake returns the packet that answers a challenge in the name of who, with a PING that has
// the given request ID. It is valid until the worker builds the next packet. The target must refuse
// one of a bad form.
func (w *worker) handshake(who *identity, challenge []byte, ping uint64, form HandshakeForm) ([]byte, error) {
	in := w.initiator
	record, signature := who.record, badSignature(w.random)
	if form != BadProof {
		var err error
		if signature, err = in.sign(who, challenge); err != nil {
			return nil, fmt.Errorf("ID signature: %w", err)
		}
	}
	if form == BadRecord {
		record = badRecord(record)
	}
	in.renew(who, challenge)
	who.ping = ping
	h := &w.header
	h.Source = who.id
	who.session.NextNonce(&h.Nonce, w.random) // the first of a key
	w.random.Block(&h.IV)
	message := w.templates[Handshake].put(w.buf[codec.HandshakeHeaderSize+len(record):][:0], ping)
	handshake := session.Initiation{Keys: who.session, Signature: signature, Ephemeral: in.ephemeral}
	return h.AppendHandshake(w.buf[:0], &in.target, &handshake, record, message), nil
}

// sendHandshake makes and sends the handshake of who.
func (w *worker) sendHandshake(sock int32, who *identity, challenge []byte, ping uint64, form HandshakeForm) error {
	packet, err := w.handshake(who, challenge, ping, form)
	if err != nil {
		return err
	}
	return w.out(sock, packet)
}
