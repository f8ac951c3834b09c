//go:build !purego

package aead

import "golang.org/x/sys/cpu"

// hasAES reports whether the processor has the instructions of mask_arm64.s: AESE and AESMC.
func hasAES() bool { return cpu.ARM64.HasAES }
