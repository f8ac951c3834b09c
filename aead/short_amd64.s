//go:build !purego

#include "textflag.h"
#include "ctr_amd64.h"
#include "gcm_amd64.h"

// AES-GCM of a short message: the key stream, the hash of the header and the hash of the text
// depend on each other as little as possible, and intermediate values stay in registers.

// PSHUFB with the 16 bytes at last + 16 - r moves the last r bytes of a block to its start and
// clears the rest.
DATA last<>+0(SB)/8, $0x0706050403020100
DATA last<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA last<>+16(SB)/8, $0x8080808080808080
DATA last<>+24(SB)/8, $0x8080808080808080
GLOBL last<>(SB), RODATA|NOPTR, $32

// PAND with the 16 bytes at first + 16 - r keeps the first r bytes of a block.
DATA first<>+0(SB)/8, $0xffffffffffffffff
DATA first<>+8(SB)/8, $0xffffffffffffffff
DATA first<>+16(SB)/8, $0
DATA first<>+24(SB)/8, $0
GLOBL first<>(SB), RODATA|NOPTR, $32

// Begins a short message. DX: the key. AX: the nonce. SI, CX: address and length of the additional
// data. DI, BX: address and length of the text. The first four blocks of the key stream go to X10,
// the mask of the tag, and to X11, X12 and X13, those of the text. The additional data goes into
// the hash X6:X7:X5. Afterwards DX is the next power, and R8 and R9 are the lengths in bits. With
// nine blocks, the first is hashed separately, and its hash X0 goes into the second.
#define BEGIN_SHORT \
	MOVQ   0(AX), R8               \
	MOVL   8(AX), R9               \
	BSWAPQ R8                      \
	BSWAPQ R9                      \
	ORQ    $1, R9                  \
	COUNTER(X0)                    \
	COUNTER(X1)                    \
	COUNTER(X2)                    \
	COUNTER(X3)                    \
	ENCRYPT(ROUND4)                \
	MOVO   X0, X10                 \
	MOVO   X1, X11                 \
	MOVO   X2, X12                 \
	MOVO   X3, X13                 \
	LEAQ   gcmPowers(DX), DX       \
	LEAQ   (CX*8), R8              \
	LEAQ   (BX*8), R9              \
	MOVOU  ·blockReversed(SB), X15     \
	MOVQ   $0xc200000000000000, AX \
	MOVQ   AX, X14                 \
	PXOR   X0, X0                  \
	PXOR   X5, X5                  \
	PXOR   X6, X6                  \
	PXOR   X7, X7                  \
	LEAQ   15(CX), R10             \
	ANDQ   $-16, R10               \
	LEAQ   31(BX), R11             \
	ANDQ   $-16, R11               \
	ADDQ   R11, R10                \
	CMPQ   R10, $128               \
	JLE    eight                   \
	BLOCK(0, X1)                   \
	ACCUMULATE(X1, 112)            \
	REDUCE                         \
	PXOR   X5, X5                  \
	PXOR   X6, X6                  \
	PXOR   X7, X7                  \
	ADDQ   $16, SI                 \
	SUBQ   $16, CX                 \
	MOVQ   $128, R10               \
eight:                             \
	ADDQ   $128, DX                \
	SUBQ   R10, DX                 \
header:                            \
	CMPQ   CX, $16                 \
	JLT    headerTail              \
	BLOCK(0, X1)                   \
	PXOR   X0, X1                  \
	PXOR   X0, X0                  \
	ACCUMULATE(X1, 0)              \
	ADDQ   $16, DX                 \
	ADDQ   $16, SI                 \
	SUBQ   $16, CX                 \
	JMP    header                  \
headerTail:                        \
	TESTQ  CX, CX                  \
	JZ     text                    \
	MOVOU  -16(SI)(CX*1), X1       \
	LEAQ   last<>+16(SB), AX       \
	SUBQ   CX, AX                  \
	MOVOU  (AX), X2                \
	PSHUFB X2, X1                  \
	PSHUFB X15, X1                 \
	PXOR   X0, X1                  \
	ACCUMULATE(X1, 0)              \
	ADDQ   $16, DX

// Adds the block of lengths and puts the tag into X0.
#define END_SHORT \
	MOVQ       R9, X1  \
	MOVQ       R8, X2  \
	PUNPCKLQDQ X2, X1  \
	ACCUMULATE(X1, 0)  \
	REDUCE             \
	PSHUFB     X15, X0 \
	PXOR       X10, X0

// Sets x to a mask that keeps the first BX bytes of a block, 1 to 15.
#define KEEP(x) \
	LEAQ  first<>+16(SB), AX \
	SUBQ  BX, AX             \
	MOVOU (AX), x

// Moves the next block of key stream to X11.
#define NEXT_STREAM \
	MOVO X12, X11 \
	MOVO X13, X12

// func sealShort(k *gcmKey, b *byte, n int, nonce *[12]byte, ad *byte, adLen int)
TEXT ·sealShort(SB), NOSPLIT, $0-48
	MOVQ k+0(FP), DX
	MOVQ b+8(FP), DI
	MOVQ n+16(FP), BX
	MOVQ nonce+24(FP), AX
	MOVQ ad+32(FP), SI
	MOVQ adLen+40(FP), CX
	BEGIN_SHORT

text:
	CMPQ   BX, $16
	JLT    textTail
	MOVOU  (DI), X1
	PXOR   X11, X1
	MOVOU  X1, (DI)
	NEXT_STREAM
	PSHUFB X15, X1
	ACCUMULATE(X1, 0)
	ADDQ   $16, DX
	ADDQ   $16, DI
	SUBQ   $16, BX
	JMP    text

	// The bytes written behind the text will be overwritten by the tag.
textTail:
	TESTQ  BX, BX
	JZ     lengths
	KEEP(X2)
	MOVOU  (DI), X1
	PXOR   X11, X1
	PAND   X2, X1
	MOVOU  X1, (DI)
	PSHUFB X15, X1
	ACCUMULATE(X1, 0)

lengths:
	// The last power is H, wherever DX points.
	MOVQ  k+0(FP), DX
	ADDQ  $(gcmPowers+112), DX
	END_SHORT
	MOVOU X0, (DI)(BX*1)
	RET

// func openShort(k *gcmKey, b *byte, n int, nonce *[12]byte, ad *byte, adLen int) bool
TEXT ·openShort(SB), NOSPLIT, $0-49
	MOVQ k+0(FP), DX
	MOVQ b+8(FP), DI
	MOVQ n+16(FP), BX
	MOVQ nonce+24(FP), AX
	MOVQ ad+32(FP), SI
	MOVQ adLen+40(FP), CX
	BEGIN_SHORT

text:
	CMPQ   BX, $16
	JLT    textTail
	MOVOU  (DI), X1
	PSHUFB X15, X1
	ACCUMULATE(X1, 0)
	ADDQ   $16, DX
	ADDQ   $16, DI
	SUBQ   $16, BX
	JMP    text

textTail:
	TESTQ  BX, BX
	JZ     lengths
	KEEP(X2)
	MOVOU  (DI), X1
	PAND   X2, X1
	PSHUFB X15, X1
	ACCUMULATE(X1, 0)

lengths:
	MOVQ     k+0(FP), DX
	ADDQ     $(gcmPowers+112), DX
	END_SHORT
	MOVOU    (DI)(BX*1), X1
	PCMPEQB  X0, X1
	PMOVMSKB X1, AX
	CMPL     AX, $0xffff
	JNE      bad
	MOVQ     b+8(FP), DI
	MOVQ     n+16(FP), BX

decrypt:
	CMPQ  BX, $16
	JLT   decryptTail
	MOVOU (DI), X1
	PXOR  X11, X1
	MOVOU X1, (DI)
	NEXT_STREAM
	ADDQ  $16, DI
	SUBQ  $16, BX
	JMP   decrypt

	// The bytes behind the text must not change.
decryptTail:
	TESTQ BX, BX
	JZ    good
	KEEP(X2)
	PAND  X2, X11
	MOVOU (DI), X1
	PXOR  X11, X1
	MOVOU X1, (DI)

good:
	MOVB $1, ret+48(FP)
	RET

bad:
	MOVB $0, ret+48(FP)
	RET
