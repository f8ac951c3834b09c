//go:build !purego

package aead

import "golang.org/x/sys/cpu"

// hasAES reports whether the processor has the instructions of mask_amd64.s: AESENC and AESENCLAST
// (AES-NI) and PSHUFB (SSSE3). The others are SSE2, which amd64 always has.
func hasAES() bool { return cpu.X86.HasAES && cpu.X86.HasSSSE3 }
