// Package libsecp compares the arithmetic of this module with libsecp256k1, the C library of
// Bitcoin Core, in the copy that go-ethereum's crypto/secp256k1 binds by cgo. The same input goes
// into both: keys, points, signatures and verdicts have to agree. It has tests only, and is a
// module of its own, so that nothing else needs cgo or go-ethereum.
//
// With the build tag decred the tests compare the Decred project's arithmetic.
//
// # Targets
//
//	FuzzSecret      private key, digest: public key, signature with its recovery ID
//	FuzzAgreement   private key, public key: coordinates, product
//	FuzzVerdict     public key, digest, signature: accepted or not
package libsecp
