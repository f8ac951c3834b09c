//go:build !purego

#include "textflag.h"

// Adds h3 h2 h1 h0 · 2^256 to r3 r2 r1 r0, and reduces the sum by 2^256 = 0x1000003d1 (mod p), as
// reduceWide does. The carry chains of low and of high halves run in parallel. AX, BX, DX and zero
// are overwritten.
#define REDUCE(r0, r1, r2, r3, h0, h1, h2, h3, zero) \
	MOVQ  $0x1000003d1, DX \
	MULXQ h0, AX, BX       \
	XORL  zero, zero       \
	ADCXQ AX, r0           \
	ADOXQ BX, r1           \
	MULXQ h1, AX, BX       \
	ADCXQ AX, r1           \
	ADOXQ BX, r2           \
	MULXQ h2, AX, BX       \
	ADCXQ AX, r2           \
	ADOXQ BX, r3           \
	MULXQ h3, AX, BX       \
	ADCXQ AX, r3           \
	ADOXQ zero, BX         \
	ADCXQ zero, BX         \
	MULXQ BX, AX, BX       \
	ADDQ  AX, r0           \
	ADCQ  BX, r1           \
	ADCQ  $0, r2           \
	ADCQ  $0, r3           \
	SBBQ  AX, AX           \
	ANDQ  DX, AX           \
	ADDQ  AX, r0           \
	ADCQ  $0, r1

// Adds the limb of x at off times y to a4 ... a0; a4 is new.
#define ROW(off, a0, a1, a2, a3, a4) \
	MOVQ  off(SI), DX    \
	XORL  a4, a4         \
	MULXQ 0(DI), AX, BX  \
	ADCXQ AX, a0         \
	ADOXQ BX, a1         \
	MULXQ 8(DI), AX, BX  \
	ADCXQ AX, a1         \
	ADOXQ BX, a2         \
	MULXQ 16(DI), AX, BX \
	ADCXQ AX, a2         \
	ADOXQ BX, a3         \
	MULXQ 24(DI), AX, BX \
	ADCXQ AX, a3         \
	ADOXQ BX, a4         \
	ADCQ  $0, a4

// func feMul(z, x, y *fe)
TEXT ·feMul(SB), NOSPLIT, $0-24
	CMPB  ·accelerated(SB), $0
	JEQ   generic
	MOVQ  x+8(FP), SI
	MOVQ  y+16(FP), DI
	MOVQ  0(SI), DX
	MULXQ 0(DI), R8, R9
	MULXQ 8(DI), AX, R10
	ADDQ  AX, R9
	MULXQ 16(DI), AX, R11
	ADCQ  AX, R10
	MULXQ 24(DI), AX, R12
	ADCQ  AX, R11
	ADCQ  $0, R12
	ROW(8, R9, R10, R11, R12, R13)
	ROW(16, R10, R11, R12, R13, R14)
	ROW(24, R11, R12, R13, R14, R15)
	REDUCE(R8, R9, R10, R11, R12, R13, R14, R15, CX)
	MOVQ  z+0(FP), DI
	MOVQ  R8, 0(DI)
	MOVQ  R9, 8(DI)
	MOVQ  R10, 16(DI)
	MOVQ  R11, 24(DI)
	RET

generic:
	JMP ·feMulGeneric(SB)

// func feSqr(z, x *fe, n int)
TEXT ·feSqr(SB), NOSPLIT, $0-24
	CMPB ·accelerated(SB), $0
	JEQ  generic
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), DI
	MOVQ 0(SI), DX
	MOVQ 8(SI), R10
	MOVQ 16(SI), R11
	MOVQ 24(SI), SI

loop:
	// x is SI R11 R10 DX. Products of different limbs: CX R15 R14 R13 R12 R9, for limbs 6 ... 1 of
	// the result.
	MOVQ  DX, R8
	MULXQ R10, R9, R12
	MULXQ R11, AX, R13
	MULXQ SI, BX, R14
	ADDQ  AX, R12
	ADCQ  BX, R13
	ADCQ  $0, R14
	MOVQ  R10, DX
	XORL  CX, CX
	MULXQ R11, AX, BX
	ADCXQ AX, R13
	ADOXQ BX, R14
	MULXQ SI, AX, R15
	ADCXQ AX, R14
	ADOXQ CX, R15
	ADCXQ CX, R15
	MOVQ  R11, DX
	MULXQ SI, AX, CX
	ADDQ  AX, R15
	ADCQ  $0, CX

	// Twice these products in the ADCX chain, the squares of the limbs in the ADOX chain.
	MOVQ  R8, DX
	XORL  AX, AX
	MULXQ DX, R8, BX
	ADCXQ R9, R9
	ADOXQ BX, R9
	MOVQ  R10, DX
	MULXQ DX, AX, BX
	ADCXQ R12, R12
	ADOXQ AX, R12
	ADCXQ R13, R13
	ADOXQ BX, R13
	MOVQ  R11, DX
	MULXQ DX, AX, BX
	ADCXQ R14, R14
	ADOXQ AX, R14
	ADCXQ R15, R15
	ADOXQ BX, R15
	MOVQ  SI, DX
	MULXQ DX, AX, SI
	ADCXQ CX, CX
	ADOXQ AX, CX
	MOVL  $0, AX
	ADCXQ AX, SI
	ADOXQ AX, SI
	REDUCE(R8, R9, R12, R13, R14, R15, CX, SI, R10)

	MOVQ R8, DX
	MOVQ R9, R10
	MOVQ R12, R11
	MOVQ R13, SI
	DECQ DI
	JG   loop
	MOVQ z+0(FP), DI
	MOVQ DX, 0(DI)
	MOVQ R10, 8(DI)
	MOVQ R11, 16(DI)
	MOVQ SI, 24(DI)
	RET

generic:
	JMP ·feSqrGeneric(SB)

// Adds the words of the entry at off to X4 ... X7 if its number, in X1, equals the number in X0,
// and increments X1. X2 is 1.
#define ENTRY(off) \
	MOVO    X1, X3            \
	PCMPEQL X0, X3            \
	PADDL   X2, X1            \
	MOVOU   off(SI), X8       \
	MOVOU   (off+16)(SI), X9  \
	MOVOU   (off+32)(SI), X10 \
	MOVOU   (off+48)(SI), X11 \
	PAND    X3, X8            \
	PAND    X3, X9            \
	PAND    X3, X10           \
	PAND    X3, X11           \
	POR     X8, X4            \
	POR     X9, X5            \
	POR     X10, X6           \
	POR     X11, X7

// func entry(q *affine, t *[secretSize]affine, index uint64)
//
// This function uses SSE2 only, which amd64 always has. It still checks accelerated, so that
// GODEBUG=cpu.adx=off disables all assembly.
TEXT ·entry(SB), NOSPLIT, $0-24
	CMPB   ·accelerated(SB), $0
	JEQ    generic
	MOVQ   q+0(FP), DI
	MOVQ   t+8(FP), SI
	MOVQ   index+16(FP), X0
	PSHUFD $0, X0, X0
	MOVL   $1, AX
	MOVQ   AX, X2
	PSHUFD $0, X2, X2
	PXOR   X1, X1
	PXOR   X4, X4
	PXOR   X5, X5
	PXOR   X6, X6
	PXOR   X7, X7
	ENTRY(0)
	ENTRY(64)
	ENTRY(128)
	ENTRY(192)
	ENTRY(256)
	ENTRY(320)
	ENTRY(384)
	ENTRY(448)
	ENTRY(512)
	ENTRY(576)
	ENTRY(640)
	ENTRY(704)
	ENTRY(768)
	ENTRY(832)
	ENTRY(896)
	ENTRY(960)
	MOVOU  X4, 0(DI)
	MOVOU  X5, 16(DI)
	MOVOU  X6, 32(DI)
	MOVOU  X7, 48(DI)
	RET

generic:
	JMP ·entryGeneric(SB)
