// Package libsecp compares the arithmetic of this module with libsecp256k1, the C library of
// Bitcoin Core, in the copy that go-ethereum's crypto/secp256k1 binds with cgo. Both get the same
// keys, points, signatures and digests, and their results must agree. The package has tests only,
// and is a separate module, so that the main module needs neither cgo nor go-ethereum.
//
// With the build tag decred the tests compare the Decred project's arithmetic.
//
// # Targets
//
//	FuzzSecret      private key, digest: public key, signature with its recovery ID
//	FuzzAgreement   private key, public key: coordinates, product
//	FuzzVerdict     public key, digest, signature: accepted or not
package libsecp
