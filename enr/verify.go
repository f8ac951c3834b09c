package enr

import (
	"golang.org/x/crypto/sha3"

	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/rlp"
)

// Verify checks the signature by the record's identity scheme (enr.md, "v4" Identity Scheme).
// It takes some ten microseconds; a Cache spares repetitions.
// ErrScheme: the scheme is not "v4". ErrPublicKey: the key is not on the curve.
// ErrBadSignature: the signature is not the key's over this content, or has a high s.
func (v View) Verify() error {
	_, err := v.verify()
	return err
}

// NodeID derives the node ID from the public key, without checking the signature.
// ErrScheme: the scheme is not "v4". ErrPublicKey: the key is not on the curve.
func (v View) NodeID() (ID, error) {
	id, _, err := v.Owner()
	return id, err
}

// Owner is NodeID together with the public key's coordinates x || y, from which the ID is derived: who goes on to verify a
// signature of the owner's is spared a square root.
func (v View) Owner() (id ID, xy [64]byte, err error) {
	if string(v.IdentityScheme()) != schemeV4 {
		return ID{}, xy, ErrScheme
	}
	if xy, err = curve.Default().Decompress(v.publicKey()); err != nil {
		return ID{}, xy, ErrPublicKey
	}
	return keccak256(xy[:]), xy, nil
}

// verify is Verify and NodeID in one.
func (v View) verify() (ID, error) {
	id, xy, err := v.Owner() // cheaper than the signature, and tells a bad key from a bad signature
	if err != nil {
		return ID{}, err
	}
	return id, v.verifyBy(&xy)
}

// verifyBy is Verify for a record of whose public key the coordinates are known.
func (v View) verifyBy(xy *[64]byte) error {
	digest := contentDigest(v.bytes[v.content:])
	if !curve.Default().VerifyPoint(xy, &digest, (*[SignatureSize]byte)(v.Signature())) {
		return ErrBadSignature
	}
	return nil
}

// contentDigest hashes what the signature covers: a list whose payload is content, that is,
// seq and pairs.
func contentDigest(content []byte) [32]byte {
	var header [9]byte
	return keccak256(rlp.AppendListHeader(header[:0], len(content)), content)
}

// keccak256 hashes the parts as one message with the padding that preceded SHA-3.
func keccak256(parts ...[]byte) (digest [32]byte) {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(digest[:0])
	return digest
}
