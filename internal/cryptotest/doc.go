// Package cryptotest provides published vectors for secp256k1, AES-GCM, HMAC and HKDF to tests. The
// compressed vectors are in testdata; README.md there names their sources and licenses.
//
// The tests that use them are in aead and internal/curve. They run on every path: assembly, plain
// Go, and both implementations of the curve. Each test counts the cases per file, and fails if the
// count is not the expected one.
package cryptotest
