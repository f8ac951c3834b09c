// Package k256 is arithmetic on the curve secp256k1 (SEC 2, 2.4.1): y² = x³ + 7 over the integers
// modulo p, and what discv5 makes of it: public keys, key agreement, ECDSA. Package curve gives it
// the form that the rest of the module uses; nothing else imports it.
//
// # Glossary
//
//	p                  2^256 - 2^32 - 977, a prime. The field are the numbers modulo p.
//	n                  the order of the group of points, a prime of 256 bits, about 2^128 less than p
//	G                  the generator: every point is a multiple of it
//	lambda, beta       cube roots of 1: lambda·(x, y) = (beta·x, y). That is one multiplication in the field for one of a point, and halves
//	                   the number of doublings in k·P: with k = k1 + k2·lambda, k1 and k2 have 128 bits (file glv.go)
//	limb               one of the 64-bit words of a number, lowest first
//	normalized         said of a field element: in its form below p
//	affine, jacobian   a point as (x, y), and as (x/z², y/z³), with which adding needs no division
//	in units of c      x times c² and y times c³: points with the same z, seen as affine ones (oddMultiples)
//	digit, window      the part of a scalar that one addition of a multiple from a table takes care of
//
// # Representation
//
// A field element is four limbs and may be any number below 2^256; a scalar is four limbs and
// always below n. Products are reduced at once, by 2^256 = 2^32 + 977 (mod p), and sums and
// differences have their carry folded back, so there are no magnitudes to keep within bounds. Five
// limbs of 52 bits, which need no carries in sums, were slower by half in products, without having
// been faster in all.
//
// On amd64 with BMI2 and ADX, multiplying and squaring in the field are in assembly, with two
// chains of carries side by side, and so is reading a table. All else, and everything on other
// platforms and with build tag purego, is Go. The tests compare the two.
//
// # What takes the same time for all values
//
// Private keys and nonces, and what is computed from them, choose neither branches nor addresses:
// in PublicKey, ECDH and Sign, from the scalar to the bytes of the result, with all functions of
// field, scalar and inverse that they call. Tables are read as a whole. The formulas for additions
// fail for equal and for opposite points; secret.go says for each addition why these do not come
// up, or uses a formula that does not fail. What time tells is whether a key is valid, and whether
// a nonce was refused, which has a chance of 2^-127.
//
// Verify, VerifyPoint and Decompress take a time that depends on their arguments, which are public;
// so does ECDH for its point.
//
// This is a property of the source, of the compiler, and of the processor. It holds as long as the
// compiler makes no branches of masks (for amd64 its output was looked at), and as long as a
// multiplication takes the same time for all factors, as it does on amd64 and arm64. On 32-bit
// processors there is no such promise.
//
// # Memory
//
// The multiples of G are 85 KiB, made when a key is first used or a signature checked; that takes
// about a millisecond. Nothing else is kept. No function allocates. Secret scalars are overwritten
// before return; copies that the compiler or the stack keeps are out of reach of Go code. Arguments
// are read during the call only.
package k256
