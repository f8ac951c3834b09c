//go:build (!amd64 && !arm64) || purego

package aead

// accelerated reports whether the mask uses AES instructions.
const accelerated = false

func expandKey(rk *roundKeys, key *[KeySize]byte) { expandKeyGeneric(rk, key) }

func xorKeyStream(b []byte, rk *roundKeys, iv *[IVSize]byte, first uint64) {
	xorKeyStreamGeneric(b, rk, iv, first)
}
