//go:build !purego

package k256

import "golang.org/x/sys/cpu"

// accelerated reports whether the processor has what asm_amd64.s uses: MULX (BMI2), ADCX and ADOX
// (ADX). It is set once, when the program starts.
var accelerated = cpu.X86.HasBMI2 && cpu.X86.HasADX

// feMul is feMulGeneric in assembly, or that itself if accelerated is false.
//
//go:noescape
func feMul(z, x, y *fe)

// feSqr is feSqrGeneric in assembly, or that itself if accelerated is false.
//
//go:noescape
func feSqr(z, x *fe, n int)

// entry is entryGeneric in assembly, or that itself if accelerated is false.
//
//go:noescape
func entry(q *affine, t *[secretSize]affine, index uint64)
