//go:build (amd64 || arm64) && !purego

package aead

// accelerated reports whether the mask uses AES instructions. It is set when the program starts.
var accelerated = hasAES()

// expandKey writes the key schedule of key to rk.
func expandKey(rk *roundKeys, key *[KeySize]byte) {
	if accelerated {
		expandKeyAES(rk, key)
		return
	}
	expandKeyGeneric(rk, key)
}

// xorKeyStream XORs the key stream of iv, from block number first on, into b.
func xorKeyStream(b []byte, rk *roundKeys, iv *[IVSize]byte, first uint64) {
	if !accelerated {
		xorKeyStreamGeneric(b, rk, iv, first)
		return
	}
	if len(b) > 0 {
		xorKeyStreamAES(&b[0], len(b), rk, iv, first)
	}
}

// expandKeyAES is expandKeyGeneric with the AES instructions. Precondition: hasAES().
//
//go:noescape
func expandKeyAES(rk *roundKeys, key *[KeySize]byte)

// xorKeyStreamAES is xorKeyStreamGeneric with the AES instructions, on the n bytes at b.
// Preconditions: hasAES(), n > 0.
//
//go:noescape
func xorKeyStreamAES(b *byte, n int, rk *roundKeys, iv *[IVSize]byte, first uint64)
