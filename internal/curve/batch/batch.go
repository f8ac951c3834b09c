// Package batch has the operations that a curve does in batches. Package curve re-exports them;
// its implementations import them from here, because package curve imports its implementations.
package batch

// Decompression asks for the coordinates of a compressed public key.
type Decompression struct {
	PublicKey [33]byte // argument
	Point     [64]byte // result: x || y, undefined if OK is false
	OK        bool     // result: PublicKey is the compressed form of a point on the curve
}

// Verification asks whether Signature is canonical and the signature of Point over Digest.
type Verification struct {
	Point     [64]byte // argument: x || y, the public key
	Digest    [32]byte // argument
	Signature [64]byte // argument: r || s
	OK        bool     // result
}

// Agreement asks for the product of a private key, which all agreements of a batch share, and a
// public key.
type Agreement struct {
	PublicKey [33]byte // argument
	Secret    [33]byte // result: the compressed product, undefined if OK is false
	OK        bool     // result: PublicKey is valid
}
