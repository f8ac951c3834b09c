package k256

import (
	"github.com/fastdisc/discv5/internal/curve/batch"
	"github.com/fastdisc/discv5/internal/curve/curveerr"
)

// lanes is the number of operations that the vector code does together.
const lanes = 8

// The vector code takes the same time for any number of lanes. Below these numbers of operations it
// is not faster than one operation after the other.
const (
	minDecompress = 3
	minVerify     = 3
	minAgree      = 3
)

// take splits off the operations that the vector code does together. It returns nil if there are
// too few.
func take[T any](all *[]T, least int) []T {
	n := min(len(*all), lanes)
	if !hasLanes || n < least {
		return nil
	}
	some := (*all)[:n]
	*all = (*all)[n:]
	return some
}

// DecompressBatch is Decompress for each element of d.
func DecompressBatch(d []batch.Decompression) {
	for some := take(&d, minDecompress); some != nil; some = take(&d, minDecompress) {
		decompressLanes(some)
	}
	for i := range d {
		d[i].OK = Decompress(&d[i].Point, &d[i].PublicKey) == nil
	}
}

// VerifyBatch is VerifyPoint for each element of v.
func VerifyBatch(v []batch.Verification) {
	for some := take(&v, minVerify); some != nil; some = take(&v, minVerify) {
		verifyLanes(some)
	}
	for i := range v {
		v[i].OK = VerifyPoint(&v[i].Point, &v[i].Digest, &v[i].Signature)
	}
}

// ECDHBatch is ECDH of priv for each element of a.
// ErrPrivateKey: priv is zero or not below n. No element is changed then.
func ECDHBatch(priv *[32]byte, a []batch.Agreement) error {
	var k scalar
	if !k.setKey(priv) {
		return curveerr.ErrPrivateKey
	}
	for some := take(&a, minAgree); some != nil; some = take(&a, minAgree) {
		agreeLanes(&k, some)
	}
	clear(k[:])
	for i := range a {
		a[i].OK = ECDH(&a[i].Secret, priv, &a[i].PublicKey) == nil
	}
	return nil
}
