//go:build !purego

#include "textflag.h"
#include "gcm_amd64.h"

// AES-GCM with four blocks in a register.

// GHASH: see gcm_amd64.h for how it represents polynomials. X14: the polynomial. Z15: the VPSHUFB
// mask that reverses the bytes of a block.

// Adds up the four products in a register.
#define FOLD_LANES(z, y, x) \
	VEXTRACTI64X4 $1, z, Y1    \
	VPXOR         Y1, y, y     \
	VEXTRACTI128  $1, y, X1    \
	VPXOR         X1, x, x

// One step of the reduction: lo = lo * x^64.
#define FOLD_WIDE \
	VPCLMULQDQ $0x00, X14, X5, X8 \
	VPSHUFD    $0x4e, X5, X5      \
	VPXOR      X8, X5, X5

// Adds the eight reversed blocks in Z1 and Z2 to the hash in X0. p1 and p2 are the powers for them,
// x1 the first of them. The hash is multiplied apart: the processor multiplies the blocks while it
// still reduces the hash.
#define MULTIPLY(p1, p2, x1) \
	VPCLMULQDQ $0x00, p2, Z2, Z5 \
	VPCLMULQDQ $0x11, p2, Z2, Z6 \
	VPCLMULQDQ $0x01, p2, Z2, Z7 \
	VPCLMULQDQ $0x10, p2, Z2, Z8 \
	VPXORQ     Z8, Z7, Z7        \
	VPCLMULQDQ $0x00, p1, Z1, Z2 \
	VPCLMULQDQ $0x11, p1, Z1, Z9 \
	VPCLMULQDQ $0x01, p1, Z1, Z12\
	VPCLMULQDQ $0x10, p1, Z1, Z8 \
	VPXORQ     Z2, Z5, Z5        \
	VPXORQ     Z9, Z6, Z6        \
	VPXORQ     Z12, Z7, Z7       \
	VPXORQ     Z8, Z7, Z7        \
	FOLD_LANES(Z7, Y7, X7)       \
	FOLD_LANES(Z5, Y5, X5)       \
	FOLD_LANES(Z6, Y6, X6)       \
	VPCLMULQDQ $0x00, x1, X0, X2 \
	VPCLMULQDQ $0x01, x1, X0, X12\
	VPCLMULQDQ $0x10, x1, X0, X8 \
	VPCLMULQDQ $0x11, x1, X0, X9 \
	VPXOR      X12, X7, X7       \
	VPXOR      X8, X7, X7        \
	VPXOR      X2, X5, X5        \
	VPXOR      X9, X6, X6        \
	VPSLLDQ    $8, X7, X8        \
	VPXOR      X8, X5, X5        \
	VPSRLDQ    $8, X7, X7        \
	VPXOR      X7, X6, X6        \
	FOLD_WIDE                    \
	FOLD_WIDE                    \
	VPXOR      X5, X6, X0

// func tagWide(
// 	y *[16]byte, k *gcmKey, nonce *[12]byte, ad *byte, adLen int, text *byte, textLen int)
//
// SI, CX: address and length of what remains of the additional data, then of the text. BX: 0, and 1
// with the text. Z10, Z11: the powers, H^8 first. Z13: the reversed block with the lengths, four
// times. X16: the first block of the key stream.
TEXT ·tagWide(SB), NOSPLIT, $0-56
	MOVQ            k+8(FP), DX
	MOVQ            nonce+16(FP), AX
	MOVQ            ad+24(FP), SI
	MOVQ            adLen+32(FP), CX
	MOVQ            textLen+48(FP), R9
	VBROADCASTI32X4 ·blockReversed(SB), Z15

	VMOVQ       0(AX), X1
	MOVL        8(AX), R11
	MOVQ        $0x0100000000000000, R12
	ORQ         R12, R11
	VPINSRQ     $1, R11, X1, X1
	VPXOR       0(DX), X1, X1
	VAESENC     16(DX), X1, X1
	VAESENC     32(DX), X1, X1
	VAESENC     48(DX), X1, X1
	VAESENC     64(DX), X1, X1
	VAESENC     80(DX), X1, X1
	VAESENC     96(DX), X1, X1
	VAESENC     112(DX), X1, X1
	VAESENC     128(DX), X1, X1
	VAESENC     144(DX), X1, X1
	VAESENCLAST 160(DX), X1, X1
	VMOVDQA64   X1, X16
	LEAQ        gcmPowers(DX), DX

	MOVQ            $0xc200000000000000, AX
	VMOVQ           AX, X14
	VPXOR           X0, X0, X0
	VMOVDQU64       0(DX), Z10
	VMOVDQU64       64(DX), Z11
	LEAQ            (R9*8), AX
	VMOVQ           AX, X13
	LEAQ            (CX*8), AX
	VPINSRQ         $1, AX, X13, X13
	VSHUFI64X2      $0, Z13, Z13, Z13
	XORL            BX, BX

groups:
	CMPQ      CX, $128
	JLT       rest
	VMOVDQU64 0(SI), Z1
	VMOVDQU64 64(SI), Z2
	VPSHUFB   Z15, Z1, Z1
	VPSHUFB   Z15, Z2, Z2
	ADDQ      $128, SI
	SUBQ      $128, CX
	MULTIPLY(Z10, Z11, X10)
	JMP       groups

	// 0 to 127 bytes remain. The masks read them alone: the rest of the registers is zero. R10:
	// their number of blocks.
rest:
	MOVQ       $-1, AX
	XORL       R12, R12
	MOVQ       CX, R11
	SUBQ       $64, R11
	CMOVQLT    R12, R11
	BZHIQ      CX, AX, R12
	KMOVQ      R12, K1
	BZHIQ      R11, AX, R12
	KMOVQ      R12, K2
	VMOVDQU8.Z 0(SI), K1, Z1
	VMOVDQU8.Z 64(SI), K2, Z2
	VPSHUFB    Z15, Z1, Z1
	VPSHUFB    Z15, Z2, Z2
	LEAQ       15(CX), R10
	SHRQ       $4, R10
	TESTL      BX, BX
	JNZ        lengths
	TESTQ      R10, R10
	JZ         text
	JMP        few

	// The lengths follow the text. If it fills the group, they follow in one of their own.
lengths:
	CMPQ   R10, $8
	JNE    append
	MULTIPLY(Z10, Z11, X10)
	VPXOR  X1, X1, X1
	VPXOR  X2, X2, X2
	XORL   R10, R10

append:
	LEAQ      (R10)(R10*1), CX
	MOVL      $3, AX
	SHLL      CX, AX
	KMOVW     AX, K1
	SHRL      $8, AX
	KMOVW     AX, K2
	VMOVDQA64 Z13, K1, Z1
	VMOVDQA64 Z13, K2, Z2
	ADDQ      $1, R10
	ADDL      $1, BX

	// The last of R10 blocks is multiplied by H. Two bits of the masks stand for a block.
few:
	LEAQ        128(DX), R11
	MOVQ        R10, AX
	SHLQ        $4, AX
	SUBQ        AX, R11
	LEAQ        (R10)(R10*1), CX
	MOVL        $1, AX
	SHLL        CX, AX
	SUBL        $1, AX
	KMOVW       AX, K1
	SHRL        $8, AX
	KMOVW       AX, K2
	VMOVDQU64.Z 0(R11), K1, Z3
	VMOVDQU64.Z 64(R11), K2, Z4
	MULTIPLY(Z3, Z4, X3)
	CMPL        BX, $2
	JEQ         done

text:
	MOVQ text+40(FP), SI
	MOVQ R9, CX
	MOVL $1, BX
	JMP  groups

done:
	MOVQ       y+0(FP), DI
	VPSHUFB    X15, X0, X0
	VPXORQ     X16, X0, X0
	VMOVDQU    X0, (DI)
	VZEROUPPER
	RET

// Numbers of the blocks in a register, and how much further those of the next one are.
DATA numbers<>+0(SB)/8, $0
DATA numbers<>+8(SB)/8, $0
DATA numbers<>+16(SB)/8, $1
DATA numbers<>+24(SB)/8, $0
DATA numbers<>+32(SB)/8, $2
DATA numbers<>+40(SB)/8, $0
DATA numbers<>+48(SB)/8, $3
DATA numbers<>+56(SB)/8, $0
GLOBL numbers<>(SB), RODATA|NOPTR, $64

DATA four<>+0(SB)/8, $4
DATA four<>+8(SB)/8, $0
GLOBL four<>(SB), RODATA|NOPTR, $16

// Applies op with the round key k to four registers.
#define ROUND_WIDE(op, k) \
	op k, Z0, Z0 \
	op k, Z1, Z1 \
	op k, Z2, Z2 \
	op k, Z3, Z3

// The next 16 blocks of key stream, in Z0 to Z3. Z4: the next counters, reversed. Z17 to Z27: the
// round keys.
#define STREAM_WIDE \
	VPSHUFB Z15, Z4, Z0   \
	VPADDD  Z5, Z4, Z4    \
	VPSHUFB Z15, Z4, Z1   \
	VPADDD  Z5, Z4, Z4    \
	VPSHUFB Z15, Z4, Z2   \
	VPADDD  Z5, Z4, Z4    \
	VPSHUFB Z15, Z4, Z3   \
	VPADDD  Z5, Z4, Z4    \
	ROUND_WIDE(VPXORQ, Z17)  \
	ROUND_WIDE(VAESENC, Z18) \
	ROUND_WIDE(VAESENC, Z19) \
	ROUND_WIDE(VAESENC, Z20) \
	ROUND_WIDE(VAESENC, Z21) \
	ROUND_WIDE(VAESENC, Z22) \
	ROUND_WIDE(VAESENC, Z23) \
	ROUND_WIDE(VAESENC, Z24) \
	ROUND_WIDE(VAESENC, Z25) \
	ROUND_WIDE(VAESENC, Z26) \
	ROUND_WIDE(VAESENCLAST, Z27)

// XORs the 64 bytes of key stream in z into the next bytes. If there are fewer, it jumps to last
// with them in Z0. A load takes the bytes from a store that is under way only if that has no mask.
#define OUTPUT_WIDE(z) \
	CMPQ      CX, $64   \
	VMOVDQA64 z, Z0     \
	JLT       last      \
	VPXORQ    (DI), Z0, Z0 \
	VMOVDQU64 Z0, (DI)  \
	ADDQ      $64, DI   \
	SUBQ      $64, CX

// func cryptWide(b *byte, n int, k *gcmKey, nonce *[12]byte)
//
// The first block of the key stream is for the tag, so that of the text begins with the second.
TEXT ·cryptWide(SB), NOSPLIT, $0-32
	MOVQ            b+0(FP), DI
	MOVQ            n+8(FP), CX
	MOVQ            k+16(FP), DX
	MOVQ            nonce+24(FP), AX
	VBROADCASTI32X4 ·blockReversed(SB), Z15
	VMOVQ           0(AX), X4
	MOVL            8(AX), R11
	MOVQ            $0x0200000000000000, R12
	ORQ             R12, R11
	VPINSRQ         $1, R11, X4, X4
	VPSHUFB         X15, X4, X4
	VSHUFI64X2      $0, Z4, Z4, Z4
	VPADDD          numbers<>(SB), Z4, Z4
	VBROADCASTI32X4 four<>(SB), Z5
	VBROADCASTI32X4 0(DX), Z17
	VBROADCASTI32X4 16(DX), Z18
	VBROADCASTI32X4 32(DX), Z19
	VBROADCASTI32X4 48(DX), Z20
	VBROADCASTI32X4 64(DX), Z21
	VBROADCASTI32X4 80(DX), Z22
	VBROADCASTI32X4 96(DX), Z23
	VBROADCASTI32X4 112(DX), Z24
	VBROADCASTI32X4 128(DX), Z25
	VBROADCASTI32X4 144(DX), Z26
	VBROADCASTI32X4 160(DX), Z27

pass:
	STREAM_WIDE
	OUTPUT_WIDE(Z0)
	OUTPUT_WIDE(Z1)
	OUTPUT_WIDE(Z2)
	OUTPUT_WIDE(Z3)
	JNZ  pass
	VZEROUPPER
	RET

last:
	MOVQ       $-1, AX
	BZHIQ      CX, AX, AX
	KMOVQ      AX, K1
	VMOVDQU8.Z (DI), K1, Z6
	VPXORQ     Z6, Z0, Z0
	VMOVDQU8   Z0, K1, (DI)
	VZEROUPPER
	RET
