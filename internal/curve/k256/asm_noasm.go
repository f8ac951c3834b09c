//go:build !amd64 || purego

package k256

func feMul(z, x, y *fe) { feMulGeneric(z, x, y) }

func feSqr(z, x *fe, n int) { feSqrGeneric(z, x, n) }

func entry(q *affine, t *[secretSize]affine, index uint64) { entryGeneric(q, t, index) }
