package enr

import "errors"

// MaxSize is the largest encoding of a record in bytes (enr.md, RLP Encoding).
const MaxSize = 300

// Reasons to reject a record. They are returned unwrapped, because a rejection of unauthenticated
// input must not allocate.
var (
	ErrTooLarge      = errors.New("enr: record is larger than 300 bytes")
	ErrTruncated     = errors.New("enr: record ends inside a value")
	ErrTrailing      = errors.New("enr: bytes left after the record")
	ErrNotList       = errors.New("enr: record is not an RLP list")
	ErrNonCanonical  = errors.New("enr: RLP is not canonical")
	ErrSignature     = errors.New("enr: signature is missing or not an RLP string")
	ErrSignatureSize = errors.New("enr: signature is not 64 bytes")
	ErrSeq           = errors.New("enr: seq is missing or not a canonical integer of at most 64 bits")
	ErrKey           = errors.New("enr: key is not an RLP string")
	ErrOddElements   = errors.New("enr: last key has no value")
	ErrUnsorted      = errors.New("enr: keys are not sorted")
	ErrDuplicateKey  = errors.New("enr: key occurs twice")
	ErrNoScheme      = errors.New("enr: key id is missing or its value is not a string")
	ErrScheme        = errors.New("enr: unknown identity scheme")
	ErrNoPublicKey   = errors.New("enr: key secp256k1 is missing")
	ErrPublicKeySize = errors.New("enr: public key is not a string of 33 bytes")
	ErrPublicKey     = errors.New("enr: public key is not a point on secp256k1")
	ErrBadSignature  = errors.New("enr: signature is invalid")
)

// Errors of text forms, keys and builders.
var (
	ErrText        = errors.New("enr: text is not unpadded URL-safe base64")
	ErrID          = errors.New("enr: node ID is not 64 hexadecimal digits")
	ErrPrivateKey  = errors.New("enr: private key is not 32 bytes in the range of the curve")
	ErrIP          = errors.New("enr: IP address is not valid")
	ErrSeqOverflow = errors.New("enr: seq has no successor")
)
