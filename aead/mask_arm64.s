//go:build !purego

#include "textflag.h"

// One step of the key expansion (FIPS 197, 5.2): from the round key in V0 to the next one, which is
// stored at R0. V5 selects the rotated last word into all four columns, V6 is zero, V4 is rcon.
//
// AESE with a zero key is SubBytes and ShiftRows. All columns are equal, so ShiftRows moves equal
// bytes only and SubWord(RotWord(w3)) remains. Two shifts build the running XOR of the four words.
#define EXPAND \
	VTBL   V5.B16, [V0.B16], V1.B16        \
	AESE   V6.B16, V1.B16                  \
	VEOR   V4.B16, V1.B16, V1.B16          \
	VEXT   $12, V0.B16, V6.B16, V2.B16     \
	VEOR   V2.B16, V0.B16, V0.B16          \
	VEXT   $8, V0.B16, V6.B16, V2.B16      \
	VEOR   V2.B16, V0.B16, V0.B16          \
	VEOR   V1.B16, V0.B16, V0.B16          \
	VSHL   $1, V4.S4, V4.S4                \
	VST1.P [V0.B16], 16(R0)

// func expandKeyAES(rk *roundKeys, key *[16]byte)
TEXT ·expandKeyAES(SB), NOSPLIT, $0-16
	MOVD   rk+0(FP), R0
	MOVD   key+8(FP), R1
	VLD1   (R1), [V0.B16]
	MOVW   $0x0c0f0e0d, R2  // bytes 13, 14, 15, 12: the last word, rotated
	VDUP   R2, V5.S4
	MOVW   $1, R2           // rcon: 1, 2, 4 ... 128, and then
	VDUP   R2, V4.S4
	VEOR   V6.B16, V6.B16, V6.B16
	VST1.P [V0.B16], 16(R0)
	EXPAND
	EXPAND
	EXPAND
	EXPAND
	EXPAND
	EXPAND
	EXPAND
	EXPAND
	MOVW   $0x1b, R2        // 256 reduced by the polynomial, and its double
	VDUP   R2, V4.S4
	EXPAND
	EXPAND
	RET

// Puts the counter R4:R5 into v, in the byte order of the wire, and adds one to it.
#define COUNTER(v) \
	REV  R4, R6     \
	REV  R5, R7     \
	VMOV R6, v.D[0] \
	VMOV R7, v.D[1] \
	ADDS $1, R5     \
	ADC  ZR, R4

// The first half of a round adds the round key k, the second half mixes columns.
#define ROUND1(k) \
	AESE  k.B16, V0.B16  \
	AESMC V0.B16, V0.B16

#define ROUND4(k) \
	ROUND1(k)            \
	AESE  k.B16, V1.B16  \
	AESMC V1.B16, V1.B16 \
	AESE  k.B16, V2.B16  \
	AESMC V2.B16, V2.B16 \
	AESE  k.B16, V3.B16  \
	AESMC V3.B16, V3.B16

#define ROUND8(k) \
	ROUND4(k)            \
	AESE  k.B16, V4.B16  \
	AESMC V4.B16, V4.B16 \
	AESE  k.B16, V5.B16  \
	AESMC V5.B16, V5.B16 \
	AESE  k.B16, V6.B16  \
	AESMC V6.B16, V6.B16 \
	AESE  k.B16, V7.B16  \
	AESMC V7.B16, V7.B16

// Encrypts the counters in place, except for the last round. round is one of the above.
#define ENCRYPT(round) \
	round(V16) \
	round(V17) \
	round(V18) \
	round(V19) \
	round(V20) \
	round(V21) \
	round(V22) \
	round(V23) \
	round(V24)

// The last round: no column mixing, and two round keys.
#define LAST(v) \
	AESE V25.B16, v.B16         \
	VEOR V26.B16, v.B16, v.B16

// XORs the key stream block v into the next 16 bytes of the header. If there are fewer, it jumps to
// tail with the block in V8.
#define OUTPUT(v) \
	VMOV   v.B16, V8.B16          \
	CMP    $16, R1                \
	BLT    tail                   \
	VLD1   (R0), [V9.B16]         \
	VEOR   V8.B16, V9.B16, V9.B16 \
	VST1.P [V9.B16], 16(R0)       \
	SUB    $16, R1

// func xorKeyStreamAES(b *byte, n int, rk *roundKeys, iv *[16]byte, first uint64)
//
// R0, R1: address and number of the remaining bytes. V16 to V26: round keys. R4:R5: the counter.
// The passes are those of mask_amd64.s.
TEXT ·xorKeyStreamAES(SB), NOSPLIT, $0-40
	MOVD   b+0(FP), R0
	MOVD   n+8(FP), R1
	MOVD   rk+16(FP), R2
	MOVD   iv+24(FP), R3
	MOVD   first+32(FP), R6
	LDP    (R3), (R4, R5)
	REV    R4, R4
	REV    R5, R5
	ADDS   R6, R5
	ADC    ZR, R4
	VLD1.P 64(R2), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R2), [V20.B16, V21.B16, V22.B16, V23.B16]
	VLD1   (R2), [V24.B16, V25.B16, V26.B16]

pass:
	CMP $16, R1
	BLE one
	CMP $64, R1
	BLE four

	COUNTER(V0)
	COUNTER(V1)
	COUNTER(V2)
	COUNTER(V3)
	COUNTER(V4)
	COUNTER(V5)
	COUNTER(V6)
	COUNTER(V7)
	ENCRYPT(ROUND8)
	LAST(V0)
	LAST(V1)
	LAST(V2)
	LAST(V3)
	LAST(V4)
	LAST(V5)
	LAST(V6)
	LAST(V7)
	OUTPUT(V0)
	OUTPUT(V1)
	OUTPUT(V2)
	OUTPUT(V3)
	OUTPUT(V4)
	OUTPUT(V5)
	OUTPUT(V6)
	OUTPUT(V7)
	CBNZ R1, pass
	RET

four:
	COUNTER(V0)
	COUNTER(V1)
	COUNTER(V2)
	COUNTER(V3)
	ENCRYPT(ROUND4)
	LAST(V0)
	LAST(V1)
	LAST(V2)
	LAST(V3)
	OUTPUT(V0)
	OUTPUT(V1)
	OUTPUT(V2)
	OUTPUT(V3)
	RET

one:
	COUNTER(V0)
	ENCRYPT(ROUND1)
	LAST(V0)
	OUTPUT(V0)
	RET

	// 0 to 15 bytes remain; their key stream is in V8.
tail:
	VMOV V8.D[0], R6
	TBZ  $3, R1, tail4
	MOVD (R0), R7
	EOR  R6, R7, R7
	MOVD.P R7, 8(R0)
	VMOV V8.D[1], R6

tail4:
	TBZ    $2, R1, tail2
	MOVWU  (R0), R7
	EORW   R6, R7, R7
	MOVW.P R7, 4(R0)
	LSR    $32, R6, R6

tail2:
	TBZ    $1, R1, tail1
	MOVHU  (R0), R7
	EORW   R6, R7, R7
	MOVH.P R7, 2(R0)
	LSR    $16, R6, R6

tail1:
	TBZ   $0, R1, done
	MOVBU (R0), R7
	EORW  R6, R7, R7
	MOVB  R7, (R0)

done:
	RET
