//go:build !purego

package k256

import "golang.org/x/sys/cpu"

// accelerated reports whether the processor has the instructions of asm_amd64.s: MULX (BMI2), ADCX
// and ADOX (ADX). It is set when the program starts.
var accelerated = cpu.X86.HasBMI2 && cpu.X86.HasADX

// feMul is feMulGeneric in assembly. It calls feMulGeneric if accelerated is false.
//
//go:noescape
func feMul(z, x, y *fe)

// feSqr is feSqrGeneric in assembly. It calls feSqrGeneric if accelerated is false.
//
//go:noescape
func feSqr(z, x *fe, n int)

// entry is entryGeneric in assembly. It calls entryGeneric if accelerated is false.
//
//go:noescape
func entry(q *affine, t *[secretSize]affine, index uint64)
