// Package cryptotest gives tests the published vectors for secp256k1, AES-GCM, HMAC and HKDF. The
// vectors are in testdata, compressed; README.md there names their sources and licenses.
//
// The tests that use them are in aead and internal/curve. They run on every path: assembly, plain
// Go, and both engines of the curve. Each counts the cases that it ran, by file, and fails if the
// count differs from the one that it expects.
package cryptotest
