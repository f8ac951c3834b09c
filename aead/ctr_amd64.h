// AES-128 in counter mode, shared by mask_amd64.s and gcm_amd64.s. DX: round keys. R8:R9: the
// counter. R10, R11, X8 and X9 are scratch.

// Puts the counter R8:R9 into x, in the byte order of the wire, and adds one to it.
#define COUNTER(x) \
	MOVQ       R8, R10  \
	MOVQ       R9, R11  \
	BSWAPQ     R10      \
	BSWAPQ     R11      \
	MOVQ       R10, x   \
	MOVQ       R11, X9  \
	PUNPCKLQDQ X9, x    \
	ADDQ       $1, R9   \
	ADCQ       $0, R8

// Applies op with the round key at off(DX) to four blocks, or to eight.
#define ROUND4(op, off) \
	MOVOU off(DX), X8 \
	op    X8, X0      \
	op    X8, X1      \
	op    X8, X2      \
	op    X8, X3

#define ROUND8(op, off) \
	ROUND4(op, off)   \
	op    X8, X4      \
	op    X8, X5      \
	op    X8, X6      \
	op    X8, X7

#define ROUND1(op, off) \
	MOVOU off(DX), X8 \
	op    X8, X0

// Encrypts the counters in place. round is one of the three above.
#define ENCRYPT(round) \
	round(PXOR, 0)          \
	round(AESENC, 16)       \
	round(AESENC, 32)       \
	round(AESENC, 48)       \
	round(AESENC, 64)       \
	round(AESENC, 80)       \
	round(AESENC, 96)       \
	round(AESENC, 112)      \
	round(AESENC, 128)      \
	round(AESENC, 144)      \
	round(AESENCLAST, 160)
