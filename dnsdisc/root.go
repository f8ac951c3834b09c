package dnsdisc

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/curve"
)

const rootPrefix = "enrtree-root:v1"

// signatureEncoding is strict: unused bits of the last digit must be zero.
var signatureEncoding = base64.RawURLEncoding.Strict()

// Root is the text at the domain of a tree (dnsdisc.md, DNS Record Structure):
//
//	enrtree-root:v1 e=<hash> l=<hash> seq=<decimal> sig=<65 bytes in base64>
type Root struct {
	Records, Links string // hashes of the tops of the two subtrees
	Seq            uint64
	// Signature is r || s || recovery ID over keccak256 of the text before " sig=". The recovery ID
	// is ignored, because the key is known.
	Signature [65]byte
}

// ParseRoot parses a root without verifying it. ErrRoot: it has another form, such as more white
// space, a sequence number with a sign, leading zeros or more than 64 bits, or a hash that is not
// 12 to 32 bytes in base32.
func ParseRoot(s string) (Root, error) {
	var r Root
	rest, ok := strings.CutPrefix(s, rootPrefix)
	if !ok || len(s) > MaxText {
		return r, ErrRoot
	}
	var seq, sig string
	for _, f := range []struct {
		name  string
		value *string
	}{{"e", &r.Records}, {"l", &r.Links}, {"seq", &seq}, {"sig", &sig}} {
		if rest, ok = strings.CutPrefix(rest, " "+f.name+"="); !ok {
			return Root{}, ErrRoot
		}
		end := strings.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		*f.value, rest = rest[:end], rest[end:]
	}
	var err error
	if r.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || seq != strconv.FormatUint(r.Seq, 10) {
		return Root{}, ErrRoot
	}
	if rest != "" || !checkHash(r.Records) || !checkHash(r.Links) || strings.ContainsAny(sig, "\r\n") {
		return Root{}, ErrRoot
	}
	b, err := signatureEncoding.DecodeString(sig)
	if err != nil || len(b) != len(r.Signature) {
		return Root{}, ErrRoot
	}
	copy(r.Signature[:], b)
	return r, nil
}

// String returns the text.
func (r Root) String() string {
	return r.signed() + " sig=" + signatureEncoding.EncodeToString(r.Signature[:])
}

// signed returns the signed part of the text.
func (r *Root) signed() string {
	return rootPrefix + " e=" + r.Records + " l=" + r.Links + " seq=" + strconv.FormatUint(r.Seq, 10)
}

// Verify verifies the signature. ErrSignature: it is not the key's, or has a high s.
func (r *Root) Verify(pub *[enr.PublicKeySize]byte) error {
	digest := keccak256(r.signed())
	if !curve.Default().Verify(pub, &digest, (*[curve.SignatureSize]byte)(r.Signature[:])) {
		return ErrSignature
	}
	return nil
}

// sign sets the signature.
func (r *Root) sign(key *enr.PrivateKey) (err error) {
	scalar := key.Bytes()
	defer clear(scalar[:])
	digest := keccak256(r.signed())
	r.Signature, err = curve.SignRecoverable(&scalar, &digest)
	return err
}
