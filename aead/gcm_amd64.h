// GHASH, shared by gcm_amd64.s and short_amd64.s. X14: the polynomial. X15: the PSHUFB mask that
// reverses the bytes of a block.

// Offset of the powers in a gcmKey.
#define gcmPowers 176

// GHASH (NIST SP 800-38D, 6.4) works on polynomials whose first coefficient is the first bit of the
// first byte. A byte-reversed block has the opposite order: bit j of the register is the
// coefficient of x^(127-j). The carry-less product of two such registers has the coefficients in
// that order too, but shifted by one. The powers of H in the table are therefore divided by x. With
// x^128 = 1 + x + x^2 + x^7, the product of 256 bits hi:lo is then
//
//	hi + lo * x^128
//
// and lo is multiplied by x^64 twice: its upper half moves down, and its lower half v is added at
// the top as v * (1 + x + x^2 + x^7). There v*1 is v moved up, and the rest is the product of v and
// 0xc2 << 56.

// Multiplies the block x by the power at off(DX), and adds the product to X6:X7:X5, which are hi,
// the middle and lo.
#define ACCUMULATE(x, off) \
	MOVOU     off(DX), X9   \
	MOVO      x, X2         \
	MOVO      x, X3         \
	MOVO      x, X4         \
	PCLMULQDQ $0x00, X9, x  \
	PCLMULQDQ $0x11, X9, X2 \
	PCLMULQDQ $0x01, X9, X3 \
	PCLMULQDQ $0x10, X9, X4 \
	PXOR      x, X5         \
	PXOR      X2, X6        \
	PXOR      X3, X7        \
	PXOR      X4, X7

// The block at off(SI).
#define BLOCK(off, x) \
	MOVOU  off(SI), x \
	PSHUFB X15, x

// One step of the reduction: lo = lo * x^64.
#define FOLD \
	MOVO      X5, X8          \
	PSHUFD    $0x4e, X5, X5   \
	PCLMULQDQ $0x00, X14, X8  \
	PXOR      X8, X5

// Reduces the accumulated product to X0.
#define REDUCE \
	MOVO  X7, X8 \
	PSLLO $8, X8 \
	PXOR  X8, X5 \
	PSRLO $8, X7 \
	PXOR  X7, X6 \
	FOLD         \
	FOLD         \
	MOVO  X6, X0 \
	PXOR  X5, X0
