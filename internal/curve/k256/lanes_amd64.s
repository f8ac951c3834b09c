//go:build !purego

#include "textflag.h"

// Arithmetic on eight field elements, one in each 64-bit lane of the vectors. lanes.go describes
// the representation. An element takes five vectors, one for each limb of 52 bits.
//
// Registers:
//
//	Z0 ... Z4     first factor
//	Z5 ... Z9     second factor
//	Z10 ... Z19   columns of a product, whose result is in Z10 ... Z14
//	Z20, Z21      temporary
//	Z28           2^48 - 1
//	Z29           2^256 mod p
//	Z30           2^260 mod p
//	Z31           2^52 - 1

DATA constants<>+0(SB)/8, $0xffffffffffff
DATA constants<>+8(SB)/8, $0x1000003d1
DATA constants<>+16(SB)/8, $0x1000003d10
DATA constants<>+24(SB)/8, $0xfffffffffffff
GLOBL constants<>(SB), RODATA|NOPTR, $32

// k·p is k·2^48 in the highest limb, less k·0x1000003d1 in the lowest one.

DATA multiple2<>+0(SB)/8, $0x2000007a2
DATA multiple2<>+8(SB)/8, $0x2000000000000
GLOBL multiple2<>(SB), RODATA|NOPTR, $16

DATA multiple4<>+0(SB)/8, $0x400000f44
DATA multiple4<>+8(SB)/8, $0x4000000000000
GLOBL multiple4<>(SB), RODATA|NOPTR, $16

DATA multiple6<>+0(SB)/8, $0x6000016e6
DATA multiple6<>+8(SB)/8, $0x6000000000000
GLOBL multiple6<>(SB), RODATA|NOPTR, $16

DATA multiple9<>+0(SB)/8, $0x900002259
DATA multiple9<>+8(SB)/8, $0x9000000000000
GLOBL multiple9<>(SB), RODATA|NOPTR, $16

DATA multiple11<>+0(SB)/8, $0xb000029fb
DATA multiple11<>+8(SB)/8, $0xb000000000000
GLOBL multiple11<>(SB), RODATA|NOPTR, $16

// Loads the constants.
#define CONSTANTS \
	VPBROADCASTQ constants<>+0(SB), Z28 \
	VPBROADCASTQ constants<>+8(SB), Z29 \
	VPBROADCASTQ constants<>+16(SB), Z30 \
	VPBROADCASTQ constants<>+24(SB), Z31

// Loads the element at off(p).
#define LOAD(p, off, a0, a1, a2, a3, a4) \
	VMOVDQU64 (off+0)(p), a0 \
	VMOVDQU64 (off+64)(p), a1 \
	VMOVDQU64 (off+128)(p), a2 \
	VMOVDQU64 (off+192)(p), a3 \
	VMOVDQU64 (off+256)(p), a4

// Stores an element at off(p).
#define STORE(p, off, a0, a1, a2, a3, a4) \
	VMOVDQU64 a0, (off+0)(p) \
	VMOVDQU64 a1, (off+64)(p) \
	VMOVDQU64 a2, (off+128)(p) \
	VMOVDQU64 a3, (off+192)(p) \
	VMOVDQU64 a4, (off+256)(p)

// Copies the result of a product to the first factor.
#define RESULT_TO_FACTOR \
	VMOVDQA64 Z10, Z0 \
	VMOVDQA64 Z11, Z1 \
	VMOVDQA64 Z12, Z2 \
	VMOVDQA64 Z13, Z3 \
	VMOVDQA64 Z14, Z4

// Brings the four lower limbs between 0 and 2^52 - 1. They may be negative before.
#define CARRY(a0, a1, a2, a3, a4) \
	VPSRAQ $52, a0, Z20 \
	VPANDQ Z31, a0, a0 \
	VPADDQ Z20, a1, a1 \
	VPSRAQ $52, a1, Z20 \
	VPANDQ Z31, a1, a1 \
	VPADDQ Z20, a2, a2 \
	VPSRAQ $52, a2, Z20 \
	VPANDQ Z31, a2, a2 \
	VPADDQ Z20, a3, a3 \
	VPSRAQ $52, a3, Z20 \
	VPANDQ Z31, a3, a3 \
	VPADDQ Z20, a4, a4

// Adds a multiple of p.
#define ADD_MULTIPLE(multiple, a0, a4) \
	VPSUBQ.BCST multiple<>+0(SB), a0, a0 \
	VPADDQ.BCST multiple<>+8(SB), a4, a4

// a = a - b.
#define SUB(a0, a1, a2, a3, a4, b0, b1, b2, b3, b4) \
	VPSUBQ b0, a0, a0 \
	VPSUBQ b1, a1, a1 \
	VPSUBQ b2, a2, a2 \
	VPSUBQ b3, a3, a3 \
	VPSUBQ b4, a4, a4

// Subtracts the element at off(p).
#define SUB_AT(p, off, a0, a1, a2, a3, a4) \
	VPSUBQ (off+0)(p), a0, a0 \
	VPSUBQ (off+64)(p), a1, a1 \
	VPSUBQ (off+128)(p), a2, a2 \
	VPSUBQ (off+192)(p), a3, a3 \
	VPSUBQ (off+256)(p), a4, a4

// Multiplies by 2^n without a carry.
#define SHIFT(n, a0, a1, a2, a3, a4) \
	VPSLLQ $n, a0, a0 \
	VPSLLQ $n, a1, a1 \
	VPSLLQ $n, a2, a2 \
	VPSLLQ $n, a3, a3 \
	VPSLLQ $n, a4, a4

// Reduces the columns Z10 ... Z19, each below 2^57, to Z10 ... Z14. The five higher ones count
// 2^260 mod p each; then what is above 2^256 counts 2^256 mod p. The result is below 2^256 + 2^214.
#define REDUCE \
	VPSRLQ $52, Z15, Z20 \
	VPANDQ Z31, Z15, Z15 \
	VPADDQ Z20, Z16, Z16 \
	VPSRLQ $52, Z16, Z20 \
	VPANDQ Z31, Z16, Z16 \
	VPADDQ Z20, Z17, Z17 \
	VPSRLQ $52, Z17, Z20 \
	VPANDQ Z31, Z17, Z17 \
	VPADDQ Z20, Z18, Z18 \
	VPSRLQ $52, Z18, Z20 \
	VPANDQ Z31, Z18, Z18 \
	VPADDQ Z20, Z19, Z19 \
	VPXORQ Z21, Z21, Z21 \
	VPMADD52LUQ Z30, Z15, Z10 \
	VPMADD52LUQ Z30, Z16, Z11 \
	VPMADD52LUQ Z30, Z17, Z12 \
	VPMADD52LUQ Z30, Z18, Z13 \
	VPMADD52LUQ Z30, Z19, Z14 \
	VPMADD52HUQ Z30, Z15, Z11 \
	VPMADD52HUQ Z30, Z16, Z12 \
	VPMADD52HUQ Z30, Z17, Z13 \
	VPMADD52HUQ Z30, Z18, Z14 \
	VPMADD52HUQ Z30, Z19, Z21 \
	VPSRLQ $48, Z14, Z20 \
	VPSLLQ $4, Z21, Z21 \
	VPANDQ Z28, Z14, Z14 \
	VPADDQ Z21, Z20, Z20 \
	VPMADD52LUQ Z29, Z20, Z10 \
	VPMADD52HUQ Z29, Z20, Z11 \
	CARRY(Z10, Z11, Z12, Z13, Z14)

// Z10 ... Z14 = product of both factors.
#define MUL \
	VPXORQ Z10, Z10, Z10 \
	VPXORQ Z11, Z11, Z11 \
	VPXORQ Z12, Z12, Z12 \
	VPXORQ Z13, Z13, Z13 \
	VPXORQ Z14, Z14, Z14 \
	VPXORQ Z15, Z15, Z15 \
	VPXORQ Z16, Z16, Z16 \
	VPXORQ Z17, Z17, Z17 \
	VPXORQ Z18, Z18, Z18 \
	VPXORQ Z19, Z19, Z19 \
	VPMADD52LUQ Z5, Z0, Z10 \
	VPMADD52LUQ Z6, Z0, Z11 \
	VPMADD52LUQ Z7, Z0, Z12 \
	VPMADD52LUQ Z8, Z0, Z13 \
	VPMADD52LUQ Z9, Z0, Z14 \
	VPMADD52HUQ Z5, Z0, Z11 \
	VPMADD52HUQ Z6, Z0, Z12 \
	VPMADD52HUQ Z7, Z0, Z13 \
	VPMADD52HUQ Z8, Z0, Z14 \
	VPMADD52HUQ Z9, Z0, Z15 \
	VPMADD52LUQ Z5, Z1, Z11 \
	VPMADD52LUQ Z6, Z1, Z12 \
	VPMADD52LUQ Z7, Z1, Z13 \
	VPMADD52LUQ Z8, Z1, Z14 \
	VPMADD52LUQ Z9, Z1, Z15 \
	VPMADD52HUQ Z5, Z1, Z12 \
	VPMADD52HUQ Z6, Z1, Z13 \
	VPMADD52HUQ Z7, Z1, Z14 \
	VPMADD52HUQ Z8, Z1, Z15 \
	VPMADD52HUQ Z9, Z1, Z16 \
	VPMADD52LUQ Z5, Z2, Z12 \
	VPMADD52LUQ Z6, Z2, Z13 \
	VPMADD52LUQ Z7, Z2, Z14 \
	VPMADD52LUQ Z8, Z2, Z15 \
	VPMADD52LUQ Z9, Z2, Z16 \
	VPMADD52HUQ Z5, Z2, Z13 \
	VPMADD52HUQ Z6, Z2, Z14 \
	VPMADD52HUQ Z7, Z2, Z15 \
	VPMADD52HUQ Z8, Z2, Z16 \
	VPMADD52HUQ Z9, Z2, Z17 \
	VPMADD52LUQ Z5, Z3, Z13 \
	VPMADD52LUQ Z6, Z3, Z14 \
	VPMADD52LUQ Z7, Z3, Z15 \
	VPMADD52LUQ Z8, Z3, Z16 \
	VPMADD52LUQ Z9, Z3, Z17 \
	VPMADD52HUQ Z5, Z3, Z14 \
	VPMADD52HUQ Z6, Z3, Z15 \
	VPMADD52HUQ Z7, Z3, Z16 \
	VPMADD52HUQ Z8, Z3, Z17 \
	VPMADD52HUQ Z9, Z3, Z18 \
	VPMADD52LUQ Z5, Z4, Z14 \
	VPMADD52LUQ Z6, Z4, Z15 \
	VPMADD52LUQ Z7, Z4, Z16 \
	VPMADD52LUQ Z8, Z4, Z17 \
	VPMADD52LUQ Z9, Z4, Z18 \
	VPMADD52HUQ Z5, Z4, Z15 \
	VPMADD52HUQ Z6, Z4, Z16 \
	VPMADD52HUQ Z7, Z4, Z17 \
	VPMADD52HUQ Z8, Z4, Z18 \
	VPMADD52HUQ Z9, Z4, Z19 \
	REDUCE

// Z10 ... Z14 = square of the first factor: the products of different limbs twice, and the squares
// of limbs.
#define SQR \
	VPXORQ Z10, Z10, Z10 \
	VPXORQ Z11, Z11, Z11 \
	VPXORQ Z12, Z12, Z12 \
	VPXORQ Z13, Z13, Z13 \
	VPXORQ Z14, Z14, Z14 \
	VPXORQ Z15, Z15, Z15 \
	VPXORQ Z16, Z16, Z16 \
	VPXORQ Z17, Z17, Z17 \
	VPXORQ Z18, Z18, Z18 \
	VPXORQ Z19, Z19, Z19 \
	VPMADD52LUQ Z1, Z0, Z11 \
	VPMADD52LUQ Z2, Z0, Z12 \
	VPMADD52LUQ Z3, Z0, Z13 \
	VPMADD52LUQ Z4, Z0, Z14 \
	VPMADD52HUQ Z1, Z0, Z12 \
	VPMADD52HUQ Z2, Z0, Z13 \
	VPMADD52HUQ Z3, Z0, Z14 \
	VPMADD52HUQ Z4, Z0, Z15 \
	VPMADD52LUQ Z2, Z1, Z13 \
	VPMADD52LUQ Z3, Z1, Z14 \
	VPMADD52LUQ Z4, Z1, Z15 \
	VPMADD52HUQ Z2, Z1, Z14 \
	VPMADD52HUQ Z3, Z1, Z15 \
	VPMADD52HUQ Z4, Z1, Z16 \
	VPMADD52LUQ Z3, Z2, Z15 \
	VPMADD52LUQ Z4, Z2, Z16 \
	VPMADD52HUQ Z3, Z2, Z16 \
	VPMADD52HUQ Z4, Z2, Z17 \
	VPMADD52LUQ Z4, Z3, Z17 \
	VPMADD52HUQ Z4, Z3, Z18 \
	VPADDQ Z11, Z11, Z11 \
	VPADDQ Z12, Z12, Z12 \
	VPADDQ Z13, Z13, Z13 \
	VPADDQ Z14, Z14, Z14 \
	VPADDQ Z15, Z15, Z15 \
	VPADDQ Z16, Z16, Z16 \
	VPADDQ Z17, Z17, Z17 \
	VPADDQ Z18, Z18, Z18 \
	VPMADD52LUQ Z0, Z0, Z10 \
	VPMADD52LUQ Z1, Z1, Z12 \
	VPMADD52LUQ Z2, Z2, Z14 \
	VPMADD52LUQ Z3, Z3, Z16 \
	VPMADD52LUQ Z4, Z4, Z18 \
	VPMADD52HUQ Z0, Z0, Z11 \
	VPMADD52HUQ Z1, Z1, Z13 \
	VPMADD52HUQ Z2, Z2, Z15 \
	VPMADD52HUQ Z3, Z3, Z17 \
	VPMADD52HUQ Z4, Z4, Z19 \
	REDUCE


// func lanesMul(z, x, y *laneElements)
TEXT ·lanesMul(SB), NOSPLIT, $0-24
	MOVQ z+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DX
	CONSTANTS
	LOAD(SI, 0, Z0, Z1, Z2, Z3, Z4)
	LOAD(DX, 0, Z5, Z6, Z7, Z8, Z9)
	MUL
	STORE(DI, 0, Z10, Z11, Z12, Z13, Z14)
	VZEROUPPER
	RET

// func lanesSqr(z, x *laneElements, n int)
TEXT ·lanesSqr(SB), NOSPLIT, $0-24
	MOVQ z+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	CONSTANTS
	LOAD(SI, 0, Z0, Z1, Z2, Z3, Z4)

loop:
	SQR
	RESULT_TO_FACTOR
	DECQ CX
	JG   loop
	STORE(DI, 0, Z10, Z11, Z12, Z13, Z14)
	VZEROUPPER
	RET

// func lanesDouble(r *laneJacobian, t *laneScratch, n int)
//
// With A = x², B = y², E = 3A and D = 4xB the double is (E² - 2D, E(D - x') - 8B², 2yz).
TEXT ·lanesDouble(SB), NOSPLIT, $0-24
	MOVQ r+0(FP), DI
	MOVQ t+8(FP), SI
	MOVQ n+16(FP), CX
	CONSTANTS

loop:
	LOAD(DI, 0, Z0, Z1, Z2, Z3, Z4)
	SQR                          // A
	VPADDQ Z10, Z10, Z0
	VPADDQ Z11, Z11, Z1
	VPADDQ Z12, Z12, Z2
	VPADDQ Z13, Z13, Z3
	VPADDQ Z14, Z14, Z4
	VPADDQ Z10, Z0, Z0
	VPADDQ Z11, Z1, Z1
	VPADDQ Z12, Z2, Z2
	VPADDQ Z13, Z3, Z3
	VPADDQ Z14, Z4, Z4
	CARRY(Z0, Z1, Z2, Z3, Z4)
	STORE(SI, 0, Z0, Z1, Z2, Z3, Z4)         // E < 3.1p
	LOAD(DI, 320, Z0, Z1, Z2, Z3, Z4)
	SQR                          // B
	STORE(SI, 640, Z10, Z11, Z12, Z13, Z14)
	RESULT_TO_FACTOR
	LOAD(DI, 0, Z5, Z6, Z7, Z8, Z9)
	MUL                          // xB
	SHIFT(2, Z10, Z11, Z12, Z13, Z14)
	CARRY(Z10, Z11, Z12, Z13, Z14)
	STORE(SI, 320, Z10, Z11, Z12, Z13, Z14)       // D < 4.1p
	LOAD(DI, 320, Z0, Z1, Z2, Z3, Z4)
	LOAD(DI, 640, Z5, Z6, Z7, Z8, Z9)
	MUL                          // yz
	SHIFT(1, Z10, Z11, Z12, Z13, Z14)
	CARRY(Z10, Z11, Z12, Z13, Z14)
	STORE(DI, 640, Z10, Z11, Z12, Z13, Z14)       // z' < 2.1p
	LOAD(SI, 0, Z0, Z1, Z2, Z3, Z4)
	SQR                          // E²
	LOAD(SI, 320, Z5, Z6, Z7, Z8, Z9)
	SUB(Z10, Z11, Z12, Z13, Z14, Z5, Z6, Z7, Z8, Z9)
	SUB(Z10, Z11, Z12, Z13, Z14, Z5, Z6, Z7, Z8, Z9)
	ADD_MULTIPLE(multiple9, Z10, Z14)
	CARRY(Z10, Z11, Z12, Z13, Z14)
	STORE(DI, 0, Z10, Z11, Z12, Z13, Z14)         // x' < 10.1p
	SUB(Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14)
	ADD_MULTIPLE(multiple11, Z5, Z9)
	CARRY(Z5, Z6, Z7, Z8, Z9)               // D - x' < 15.1p
	LOAD(SI, 0, Z0, Z1, Z2, Z3, Z4)
	MUL                          // E(D - x')
	STORE(SI, 0, Z10, Z11, Z12, Z13, Z14)
	LOAD(SI, 640, Z0, Z1, Z2, Z3, Z4)
	SQR                          // B²
	SHIFT(3, Z10, Z11, Z12, Z13, Z14)
	LOAD(SI, 0, Z0, Z1, Z2, Z3, Z4)
	SUB(Z0, Z1, Z2, Z3, Z4, Z10, Z11, Z12, Z13, Z14)
	ADD_MULTIPLE(multiple9, Z0, Z4)
	CARRY(Z0, Z1, Z2, Z3, Z4)
	STORE(DI, 320, Z0, Z1, Z2, Z3, Z4)       // y' < 10.1p
	DECQ CX
	JG   loop
	VZEROUPPER
	RET

// func lanesAdd(r *laneJacobian, q *laneAffine, z, h *laneElements, t *laneScratch)
//
// The formulas are those of chord.
TEXT ·lanesAdd(SB), NOSPLIT, $0-40
	MOVQ r+0(FP), DI
	MOVQ q+8(FP), DX
	MOVQ z+16(FP), BX
	MOVQ h+24(FP), CX
	MOVQ t+32(FP), SI
	CONSTANTS
	LOAD(BX, 0, Z0, Z1, Z2, Z3, Z4)
	LOAD(DX, 320, Z5, Z6, Z7, Z8, Z9)
	MUL                          // z·y2
	STORE(SI, 320, Z10, Z11, Z12, Z13, Z14)
	SQR                          // z²
	STORE(SI, 0, Z10, Z11, Z12, Z13, Z14)
	RESULT_TO_FACTOR
	LOAD(SI, 320, Z5, Z6, Z7, Z8, Z9)
	MUL                          // z³·y2
	SUB_AT(DI, 320, Z10, Z11, Z12, Z13, Z14)
	ADD_MULTIPLE(multiple11, Z10, Z14)
	CARRY(Z10, Z11, Z12, Z13, Z14)
	STORE(SI, 320, Z10, Z11, Z12, Z13, Z14)       // R < 12.1p
	LOAD(DX, 0, Z5, Z6, Z7, Z8, Z9)
	MUL                          // z²·x2
	SUB_AT(DI, 0, Z10, Z11, Z12, Z13, Z14)
	ADD_MULTIPLE(multiple11, Z10, Z14)
	CARRY(Z10, Z11, Z12, Z13, Z14)
	STORE(CX, 0, Z10, Z11, Z12, Z13, Z14)         // H < 12.1p
	RESULT_TO_FACTOR
	LOAD(DI, 640, Z5, Z6, Z7, Z8, Z9)
	MUL                          // z' = z·H
	STORE(DI, 640, Z10, Z11, Z12, Z13, Z14)
	SQR                          // H²
	STORE(SI, 0, Z10, Z11, Z12, Z13, Z14)
	LOAD(SI, 0, Z5, Z6, Z7, Z8, Z9)
	MUL                          // H³
	STORE(SI, 640, Z10, Z11, Z12, Z13, Z14)
	LOAD(DI, 0, Z0, Z1, Z2, Z3, Z4)
	MUL                          // V = x1·H²
	STORE(SI, 0, Z10, Z11, Z12, Z13, Z14)
	LOAD(SI, 320, Z0, Z1, Z2, Z3, Z4)
	SQR                          // R²
	SUB_AT(SI, 640, Z10, Z11, Z12, Z13, Z14)
	LOAD(SI, 0, Z5, Z6, Z7, Z8, Z9)
	SUB(Z10, Z11, Z12, Z13, Z14, Z5, Z6, Z7, Z8, Z9)
	SUB(Z10, Z11, Z12, Z13, Z14, Z5, Z6, Z7, Z8, Z9)
	ADD_MULTIPLE(multiple4, Z10, Z14)
	CARRY(Z10, Z11, Z12, Z13, Z14)
	STORE(DI, 0, Z10, Z11, Z12, Z13, Z14)         // x' < 5.1p
	SUB(Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14)
	ADD_MULTIPLE(multiple6, Z5, Z9)
	CARRY(Z5, Z6, Z7, Z8, Z9)               // V - x' < 7.1p
	MUL                          // R(V - x')
	STORE(SI, 0, Z10, Z11, Z12, Z13, Z14)
	LOAD(SI, 640, Z0, Z1, Z2, Z3, Z4)
	LOAD(DI, 320, Z5, Z6, Z7, Z8, Z9)
	MUL                          // H³·y1
	LOAD(SI, 0, Z0, Z1, Z2, Z3, Z4)
	SUB(Z0, Z1, Z2, Z3, Z4, Z10, Z11, Z12, Z13, Z14)
	ADD_MULTIPLE(multiple2, Z0, Z4)
	CARRY(Z0, Z1, Z2, Z3, Z4)
	STORE(DI, 320, Z0, Z1, Z2, Z3, Z4)       // y' < 3.1p
	VZEROUPPER
	RET

// Copies the element at off(p) to a in the lanes of K1. The element is read in all lanes.
#define ENTRY(p, off, a0, a1, a2, a3, a4) \
	LOAD(p, off, Z0, Z1, Z2, Z3, Z4)    \
	VMOVDQA64 Z0, K1, a0 \
	VMOVDQA64 Z1, K1, a1 \
	VMOVDQA64 Z2, K1, a2 \
	VMOVDQA64 Z3, K1, a3 \
	VMOVDQA64 Z4, K1, a4

// func lanesPick(q *laneAffine, x, y *[secretSize]laneElements, w *[lanes]uint64)
//
// Z22 holds the index of each lane, Z23 the number of the entry, Z24 ones. K2 marks negative
// digits.
TEXT ·lanesPick(SB), NOSPLIT, $0-32
	MOVQ q+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+16(FP), DX
	MOVQ w+24(FP), BX
	CONSTANTS
	MOVQ $1, AX
	VPBROADCASTQ AX, Z24
	MOVQ $15, AX
	VPBROADCASTQ AX, Z25
	VMOVDQU64 (BX), Z22
	VPSRLQ $4, Z22, Z26
	VPSUBQ Z24, Z26, Z26         // all ones if w < 16
	VPTESTMQ Z26, Z26, K2
	VPXORQ Z26, Z22, Z22
	VPANDQ Z25, Z22, Z22
	VPXORQ Z23, Z23, Z23
	MOVQ $16, CX

loop:
	VPCMPEQQ Z22, Z23, K1
	ENTRY(SI, 0, Z10, Z11, Z12, Z13, Z14)
	ENTRY(DX, 0, Z5, Z6, Z7, Z8, Z9)
	ADDQ $320, SI
	ADDQ $320, DX
	VPADDQ Z24, Z23, Z23
	DECQ CX
	JG loop
	STORE(DI, 0, Z10, Z11, Z12, Z13, Z14)
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	SUB(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9)
	ADD_MULTIPLE(multiple2, Z0, Z4)
	CARRY(Z0, Z1, Z2, Z3, Z4)
	VMOVDQA64 Z0, K2, Z5
	VMOVDQA64 Z1, K2, Z6
	VMOVDQA64 Z2, K2, Z7
	VMOVDQA64 Z3, K2, Z8
	VMOVDQA64 Z4, K2, Z9
	STORE(DI, 320, Z5, Z6, Z7, Z8, Z9)
	VZEROUPPER
	RET
