package aead

import "unsafe"

// overlapText is the panic value of Seal and Open.
const overlapText = "aead: output overlaps input"

// checkOverlap panics if the output out overlaps ad or input, unless out and input start at the
// same byte. crypto/cipher does the same.
func checkOverlap(out, input, ad []byte) {
	if len(out) > 0 && (len(ad) > 0 && overlap(out, ad) ||
		len(input) > 0 && &out[0] != &input[0] && overlap(out, input)) {
		panic(overlapText)
	}
}

// overlap reports whether x and y, both not empty, have bytes in common.
func overlap(x, y []byte) bool {
	between := uintptr(unsafe.Pointer(unsafe.SliceData(y))) - uintptr(unsafe.Pointer(unsafe.SliceData(x)))
	return between < uintptr(len(x)) || -between < uintptr(len(y))
}
