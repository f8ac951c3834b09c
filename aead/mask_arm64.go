//go:build !purego

package aead

import "golang.org/x/sys/cpu"

// hasAES reports whether the processor has what mask_arm64.s uses: AESE and AESMC.
func hasAES() bool { return cpu.ARM64.HasAES }
