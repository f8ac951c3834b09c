//go:build !purego

#include "textflag.h"
#include "ctr_amd64.h"

// One step of the key expansion (FIPS 197, 5.2): from the round key in X0 to the next one, which is
// stored at off(DI).
//
// AESENCLAST computes SubWord(RotWord(w3)) ^ rcon: PSHUFB puts the rotated word into all four
// columns, so ShiftRows moves equal bytes only, and the "round key" X4 is rcon in all columns. The
// chain of dependent instructions is shorter than with AESKEYGENASSIST. In parallel, two shifts
// build the running XOR of the four words.
#define EXPAND(off) \
	MOVO       X0, X1      \
	PSHUFB     X5, X1      \
	AESENCLAST X4, X1      \
	MOVO       X0, X2      \
	PSLLO      $4, X2      \
	PXOR       X2, X0      \
	MOVO       X0, X3      \
	PSLLO      $8, X3      \
	PXOR       X3, X0      \
	PXOR       X1, X0      \
	PSLLL      $1, X4      \
	MOVOU      X0, off(DI)

// func expandKeyAES(rk *roundKeys, key *[16]byte)
TEXT ·expandKeyAES(SB), NOSPLIT, $0-16
	MOVQ   rk+0(FP), DI
	MOVQ   key+8(FP), SI
	MOVOU  (SI), X0
	MOVL   $0x0c0f0e0d, AX  // bytes 13, 14, 15, 12: the last word, rotated
	MOVQ   AX, X5
	PSHUFD $0, X5, X5
	MOVL   $1, AX           // rcon: 1, 2, 4 ... 128, and then
	MOVQ   AX, X4
	PSHUFD $0, X4, X4
	MOVOU  X0, (DI)
	EXPAND(16)
	EXPAND(32)
	EXPAND(48)
	EXPAND(64)
	EXPAND(80)
	EXPAND(96)
	EXPAND(112)
	EXPAND(128)
	MOVL   $0x1b, AX        // 256 reduced by the polynomial, and its double
	MOVQ   AX, X4
	PSHUFD $0, X4, X4
	EXPAND(144)
	EXPAND(160)
	RET

// XORs the key stream block x into the next 16 bytes of the header. If there are fewer, it jumps to
// tail with the block in X8.
#define OUTPUT(x) \
	MOVO  x, X8     \
	CMPQ  SI, $16   \
	JLT   tail      \
	MOVOU (DI), X9  \
	PXOR  X8, X9    \
	MOVOU X9, (DI)  \
	ADDQ  $16, DI   \
	SUBQ  $16, SI

// func xorKeyStreamAES(b *byte, n int, rk *roundKeys, iv *[16]byte, first uint64)
//
// DI, SI: address and number of the remaining bytes. DX: round keys. R8:R9: the counter. A pass of
// one block serves the first look at a packet, four blocks the header of an ordinary message or of
// WHOAREYOU, eight blocks a handshake. The blocks of a pass are independent, so they take little
// longer than one.
TEXT ·xorKeyStreamAES(SB), NOSPLIT, $0-40
	MOVQ   b+0(FP), DI
	MOVQ   n+8(FP), SI
	MOVQ   rk+16(FP), DX
	MOVQ   iv+24(FP), AX
	MOVQ   0(AX), R8
	MOVQ   8(AX), R9
	BSWAPQ R8
	BSWAPQ R9
	ADDQ   first+32(FP), R9
	ADCQ   $0, R8

pass:
	CMPQ SI, $16
	JLE  one
	CMPQ SI, $64
	JLE  four

	COUNTER(X0)
	COUNTER(X1)
	COUNTER(X2)
	COUNTER(X3)
	COUNTER(X4)
	COUNTER(X5)
	COUNTER(X6)
	COUNTER(X7)
	ENCRYPT(ROUND8)
	OUTPUT(X0)
	OUTPUT(X1)
	OUTPUT(X2)
	OUTPUT(X3)
	OUTPUT(X4)
	OUTPUT(X5)
	OUTPUT(X6)
	OUTPUT(X7)
	TESTQ SI, SI
	JNZ   pass
	RET

four:
	COUNTER(X0)
	COUNTER(X1)
	COUNTER(X2)
	COUNTER(X3)
	ENCRYPT(ROUND4)
	OUTPUT(X0)
	OUTPUT(X1)
	OUTPUT(X2)
	OUTPUT(X3)
	RET

one:
	COUNTER(X0)
	ENCRYPT(ROUND1)
	OUTPUT(X0)
	RET

	// 0 to 15 bytes remain; their key stream is in X8.
tail:
	BTL   $3, SI
	JCC   tail4
	MOVQ  X8, R10
	XORQ  R10, (DI)
	PSRLO $8, X8
	ADDQ  $8, DI

tail4:
	MOVQ X8, R10
	BTL  $2, SI
	JCC  tail2
	XORL R10, (DI)
	SHRQ $32, R10
	ADDQ $4, DI

tail2:
	BTL  $1, SI
	JCC  tail1
	XORW R10, (DI)
	SHRQ $16, R10
	ADDQ $2, DI

tail1:
	BTL  $0, SI
	JCC  done
	XORB R10, (DI)

done:
	RET
