package enr

import (
	"golang.org/x/crypto/sha3"

	"github.com/fastdisc/discv5/internal/curve"
	"github.com/fastdisc/discv5/internal/rlp"
)

// Verify verifies the signature by the rules of the identity scheme (enr.md, "v4" Identity Scheme).
// It takes some ten microseconds; a Cache avoids repetitions. ErrScheme: the scheme is not "v4".
// ErrPublicKey: the key is not on the curve. ErrBadSignature: the signature is not the key's over
// this content, or has a high s.
func (v View) Verify() error {
	_, err := v.verify()
	return err
}

// NodeID returns the node ID of the public key, without verifying the signature. ErrScheme: the
// scheme is not "v4". ErrPublicKey: the key is not on the curve.
func (v View) NodeID() (ID, error) {
	id, _, err := v.Owner()
	return id, err
}

// Owner returns the node ID and the public key's coordinates x || y. A caller that then
// verifies one of the owner's signatures saves a square root with them.
func (v View) Owner() (id ID, xy [64]byte, err error) {
	if string(v.IdentityScheme()) != schemeV4 {
		return ID{}, xy, ErrScheme
	}
	if xy, err = curve.Default().Decompress(v.publicKey()); err != nil {
		return ID{}, xy, ErrPublicKey
	}
	return keccak256(xy[:]), xy, nil
}

// verify does both Verify and NodeID.
func (v View) verify() (ID, error) {
	id, xy, err := v.Owner() // cheaper than the signature, and tells a bad key from a bad signature
	if err != nil {
		return ID{}, err
	}
	return id, v.verifyBy(&xy)
}

// verifyBy is Verify with known coordinates of the public key.
func (v View) verifyBy(xy *[64]byte) error {
	digest := contentDigest(v.bytes[v.content:])
	if !curve.Default().VerifyPoint(xy, &digest, (*[SignatureSize]byte)(v.Signature())) {
		return ErrBadSignature
	}
	return nil
}

// contentDigest hashes the signed part: a list with payload content, which is seq and pairs.
func contentDigest(content []byte) [32]byte {
	var header [9]byte
	return keccak256(rlp.AppendListHeader(header[:0], len(content)), content)
}

// keccak256 hashes the parts as a single message with the padding that preceded SHA-3.
func keccak256(parts ...[]byte) (digest [32]byte) {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(digest[:0])
	return digest
}
