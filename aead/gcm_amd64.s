//go:build !purego

#include "textflag.h"
#include "ctr_amd64.h"
#include "gcm_amd64.h"

// The PSHUFB mask that reverses the bytes of a block.
DATA ·blockReversed+0(SB)/8, $0x08090a0b0c0d0e0f
DATA ·blockReversed+8(SB)/8, $0x0001020304050607
GLOBL ·blockReversed(SB), RODATA|NOPTR, $16

// Adds the eight blocks at SI to the hash in X0, unreduced. The first block, which alone needs the
// hash, comes last: the processor multiplies the others while it still reduces the previous hash.
#define EIGHT \
	PXOR X5, X5         \
	PXOR X6, X6         \
	PXOR X7, X7         \
	BLOCK(16, X10)      \
	ACCUMULATE(X10, 16) \
	BLOCK(32, X11)      \
	ACCUMULATE(X11, 32) \
	BLOCK(48, X12)      \
	ACCUMULATE(X12, 48) \
	BLOCK(64, X1)       \
	ACCUMULATE(X1, 64)  \
	BLOCK(80, X10)      \
	ACCUMULATE(X10, 80) \
	BLOCK(96, X11)      \
	ACCUMULATE(X11, 96) \
	BLOCK(112, X12)     \
	ACCUMULATE(X12, 112)\
	BLOCK(0, X1)        \
	PXOR X0, X1         \
	ACCUMULATE(X1, 0)

// func ghashCLMUL(y *[16]byte, powers *[8][16]byte, b *byte, blocks int)
//
// X0: the reversed hash. SI, CX: address and number of the remaining blocks. DX: the powers, H^8
// first. X14: the polynomial. One pass multiplies up to eight blocks by as many powers and reduces
// the sum once.
TEXT ·ghashCLMUL(SB), NOSPLIT, $0-32
	MOVQ   y+0(FP), DI
	MOVQ   powers+8(FP), R8
	MOVQ   b+16(FP), SI
	MOVQ   blocks+24(FP), CX
	MOVOU  ·blockReversed(SB), X15
	MOVQ   $0xc200000000000000, AX
	MOVQ   AX, X14
	MOVOU  (DI), X0
	PSHUFB X15, X0

group:
	TESTQ CX, CX
	JZ    done
	MOVQ  R8, DX
	CMPQ  CX, $8
	JLT   few
	EIGHT
	ADDQ $128, SI
	SUBQ $8, CX
	JMP  reduce

	// Fewer than eight: the last one is multiplied by H.
few:
	PXOR X5, X5
	PXOR X6, X6
	PXOR X7, X7
	MOVQ $8, AX
	SUBQ CX, AX
	SHLQ $4, AX
	ADDQ AX, DX
	MOVQ SI, R9
	MOVQ DX, R10

	// The first one comes last, as above.
next:
	SUBQ $1, CX
	JZ   first
	ADDQ $16, DX
	ADDQ $16, SI
	BLOCK(0, X1)
	ACCUMULATE(X1, 0)
	JMP  next

first:
	MOVQ R9, SI
	MOVQ R10, DX
	BLOCK(0, X1)
	PXOR X0, X1
	ACCUMULATE(X1, 0)

reduce:
	REDUCE
	JMP group

done:
	PSHUFB X15, X0
	MOVOU  X0, (DI)
	RET

// func keyStream(s *stream, rk *roundKeys, nonce *[12]byte)
TEXT ·keyStream(SB), NOSPLIT, $0-24
	MOVQ   s+0(FP), DI
	MOVQ   rk+8(FP), DX
	MOVQ   nonce+16(FP), AX
	MOVQ   0(AX), R8
	MOVL   8(AX), R9
	BSWAPQ R8
	BSWAPQ R9
	ORQ    $1, R9
	COUNTER(X0)
	COUNTER(X1)
	COUNTER(X2)
	COUNTER(X3)
	COUNTER(X4)
	COUNTER(X5)
	COUNTER(X6)
	COUNTER(X7)
	ENCRYPT(ROUND8)
	MOVOU  X0, 0(DI)
	MOVOU  X1, 16(DI)
	MOVOU  X2, 32(DI)
	MOVOU  X3, 48(DI)
	MOVOU  X4, 64(DI)
	MOVOU  X5, 80(DI)
	MOVOU  X6, 96(DI)
	MOVOU  X7, 112(DI)
	RET

// XORs the key stream block x into the 16 bytes at off(SI).
#define STORE(x, off) \
	MOVOU off(SI), X9 \
	PXOR  X9, x       \
	MOVOU x, off(SI)

// func sealGroups(b *byte, groups int, k *gcmKey, y *[16]byte, nonce *[12]byte, counter int)
//
// The key stream of a group does not depend on the hash of the previous group, so the processor
// computes both in parallel. X13 holds the hash meanwhile. DX alternates between the round keys and
// the powers.
TEXT ·sealGroups(SB), NOSPLIT, $0-48
	MOVQ   b+0(FP), SI
	MOVQ   groups+8(FP), CX
	MOVQ   k+16(FP), BX
	MOVQ   y+24(FP), DI
	MOVQ   nonce+32(FP), AX
	MOVQ   0(AX), R8
	MOVL   8(AX), R9
	BSWAPQ R8
	BSWAPQ R9
	ADDQ   counter+40(FP), R9
	MOVOU  ·blockReversed(SB), X15
	MOVQ   $0xc200000000000000, AX
	MOVQ   AX, X14
	MOVOU  (DI), X13
	PSHUFB X15, X13

sealGroup:
	TESTQ CX, CX
	JZ    sealed
	MOVQ  BX, DX
	COUNTER(X0)
	COUNTER(X1)
	COUNTER(X2)
	COUNTER(X3)
	COUNTER(X4)
	COUNTER(X5)
	COUNTER(X6)
	COUNTER(X7)
	ENCRYPT(ROUND8)
	STORE(X0, 0)
	STORE(X1, 16)
	STORE(X2, 32)
	STORE(X3, 48)
	STORE(X4, 64)
	STORE(X5, 80)
	STORE(X6, 96)
	STORE(X7, 112)

	LEAQ gcmPowers(BX), DX
	MOVO X13, X0
	EIGHT
	REDUCE
	MOVO X0, X13
	ADDQ $128, SI
	SUBQ $1, CX
	JMP  sealGroup

sealed:
	PSHUFB X15, X13
	MOVOU  X13, (DI)
	RET
