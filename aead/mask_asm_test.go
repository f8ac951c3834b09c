//go:build (amd64 || arm64) && !purego

package aead

import "testing"

// asmMaskers returns the assembly as a masker if the processor supports it.
func asmMaskers(key *[16]byte) map[string]func(b []byte, iv *[16]byte, offset int) {
	if !hasAES() {
		return nil
	}
	return map[string]func(b []byte, iv *[16]byte, offset int){
		"assembly": func(b []byte, iv *[16]byte, offset int) {
			if len(b) == 0 {
				return
			}
			var rk roundKeys
			expandKeyAES(&rk, key)
			xorKeyStreamAES(&b[0], len(b), &rk, iv, uint64(offset/16))
		},
	}
}

// TestAssemblyRuns logs which implementation the tests cover.
func TestAssemblyRuns(t *testing.T) {
	if !accelerated {
		t.Skip("probed for AES instructions: there are none, and the assembly is not tested here")
	}
	t.Log("masking with AES instructions")
}
