package aead

import "unsafe"

// overlapText is what Seal and Open panic with.
const overlapText = "aead: output overlaps input"

// checkOverlap panics if out, to which a message is sealed or opened, overlaps ad or input, unless
// out and input start at the same byte. crypto/cipher does the same.
func checkOverlap(out, input, ad []byte) {
	if len(out) > 0 && (len(ad) > 0 && overlap(out, ad) ||
		len(input) > 0 && &out[0] != &input[0] && overlap(out, input)) {
		panic(overlapText)
	}
}

// overlap reports whether x and y, neither of them empty, have bytes in common.
func overlap(x, y []byte) bool {
	between := uintptr(unsafe.Pointer(unsafe.SliceData(y))) - uintptr(unsafe.Pointer(unsafe.SliceData(x)))
	return between < uintptr(len(x)) || -between < uintptr(len(y))
}
