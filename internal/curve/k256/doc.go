// Package k256 implements arithmetic on the curve secp256k1 (SEC 2, 2.4.1), y² = x³ + 7 over the
// integers modulo p, and the operations that discv5 needs: public keys, key agreement, ECDSA. Only
// package curve imports it.
//
// # Terminology
//
//	p                  2^256 - 2^32 - 977, a prime; the field is the numbers modulo p
//	n                  the order of the group of points, a prime of 256 bits, about 2^128 below p
//	G                  the generator: every point is a multiple of G
//	lambda, beta       cube roots of 1: lambda·(x, y) = (beta·x, y). One field multiplication
//	                   replaces a point multiplication, which halves the number of doublings in
//	                   k·P: for k = k1 + k2·lambda, k1 and k2 have 128 bits (glv.go)
//	limb               one of the 64-bit words of a number, lowest first
//	normalized         of a field element: in its form below p
//	affine, jacobian   a point as (x, y), and as (x/z², y/z³), which needs no division to add
//	in units of c      x times c² and y times c³: points with the same z, treated as affine
//	                   (oddMultiples)
//	digit, window      the part of a scalar that one addition of a table entry covers
//
// # Representation
//
// A field element is four limbs and may be any number below 2^256. A scalar is four limbs and
// always below n. Products are reduced immediately by 2^256 = 2^32 + 977 (mod p), and the carry of
// sums and differences is folded back, so no magnitudes need tracking. Five limbs of 52 bits, which
// need no carries in sums, made products slower by half without a gain overall.
//
// On amd64 with BMI2 and ADX, field multiplication and squaring are in assembly, with two parallel
// carry chains, and so is table lookup. All other code, other platforms and the build tag purego
// use Go. Tests compare the two.
//
// # Constant time
//
// In PublicKey, ECDH and Sign, no branch and no address depends on private keys, nonces or values
// computed from them, from the scalar to the bytes of the result, including all functions of field,
// scalar and inverse that they call. Tables are read as a whole. The addition formulas fail for
// equal and for opposite points; secret.go explains for each addition why these cannot occur, or
// uses a complete formula. The time reveals only whether a key is valid, and whether a nonce was
// refused, which has a probability of 2^-127.
//
// The time of Verify, VerifyPoint and Decompress depends on their arguments, which are public, and
// the time of ECDH on its point.
//
// This is a property of source, compiler and processor. It requires that the compiler does not turn
// masks into branches (the output for amd64 was inspected), and that multiplication takes the same
// time for all factors, as on amd64 and arm64. There is no such promise for 32-bit processors.
//
// # Memory
//
// The tables of multiples of G take 85 KiB. They are built on first use, in about a millisecond.
// Nothing else is kept, and no function allocates. Secret scalars are overwritten before return,
// except for copies by the compiler or on the stack, which Go code cannot reach. Functions do not
// keep their arguments.
package k256
