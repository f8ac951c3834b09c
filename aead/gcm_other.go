//go:build !amd64 || purego

package aead

// hasGCM returns false: on this platform crypto/cipher does all of GCM.
func hasGCM() bool { return false }

func hasWide() bool { return false }

func tagWide(*[16]byte, *gcmKey, *[12]byte, *byte, int, *byte, int) {
	panic("aead: GCM of another platform")
}

func cryptWide(*byte, int, *gcmKey, *[12]byte) {
	panic("aead: GCM of another platform")
}

func ghashCLMUL(*[16]byte, *[8][16]byte, *byte, int) {
	panic("aead: GHASH of another platform")
}

func sealGroups(*byte, int, *gcmKey, *[16]byte, *[12]byte, int) {
	panic("aead: GCM of another platform")
}

func keyStream(*stream, *roundKeys, *[12]byte) {
	panic("aead: GCM of another platform")
}

func sealShort(*gcmKey, *byte, int, *[12]byte, *byte, int) {
	panic("aead: GCM of another platform")
}

func openShort(*gcmKey, *byte, int, *[12]byte, *byte, int) bool {
	panic("aead: GCM of another platform")
}
