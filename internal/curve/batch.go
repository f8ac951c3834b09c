package curve

import "github.com/fastdisc/discv5/internal/curve/batch"

// Decompression is the decompression of a public key in a batch.
type Decompression = batch.Decompression

// Verification is the verification of a signature in a batch.
type Verification = batch.Verification

// Agreement is a key agreement in a batch.
type Agreement = batch.Agreement

// BatchSize is the number of operations that a Batcher does together. Larger batches are valid,
// and not faster for each operation.
const BatchSize = 8

// Batcher is a Curve that can do several operations in less time than one after the other. The
// results are the same, including those for invalid arguments.
type Batcher interface {
	Curve

	// Batches reports whether batches save time on this processor.
	Batches() bool

	// DecompressBatch is Decompress for each element of d.
	DecompressBatch(d []Decompression)

	// VerifyBatch is VerifyPoint for each element of v.
	VerifyBatch(v []Verification)

	// ECDHBatch is ECDH of priv for each element of a.
	// ErrPrivateKey: priv is zero or not below the group order. No element is changed then.
	ECDHBatch(priv *[PrivateKeySize]byte, a []Agreement) error
}

// Batches reports whether batches save time with c on this processor.
func Batches(c Curve) bool {
	b, ok := c.(Batcher)
	return ok && b.Batches()
}

// DecompressBatch decompresses the public keys of d with c, together if c is a Batcher.
func DecompressBatch(c Curve, d []Decompression) {
	if b, ok := c.(Batcher); ok {
		b.DecompressBatch(d)
		return
	}
	for i := range d {
		var err error
		d[i].Point, err = c.Decompress(&d[i].PublicKey)
		d[i].OK = err == nil
	}
}

// VerifyBatch verifies the signatures of v with c, together if c is a Batcher.
func VerifyBatch(c Curve, v []Verification) {
	if b, ok := c.(Batcher); ok {
		b.VerifyBatch(v)
		return
	}
	for i := range v {
		v[i].OK = c.VerifyPoint(&v[i].Point, &v[i].Digest, &v[i].Signature)
	}
}

// ECDHBatch agrees on secrets between priv and the public keys of a with c, together if c is a
// Batcher. ErrPrivateKey: priv is invalid.
func ECDHBatch(c Curve, priv *[PrivateKeySize]byte, a []Agreement) error {
	if b, ok := c.(Batcher); ok {
		return b.ECDHBatch(priv, a)
	}
	for i := range a {
		var err error
		a[i].Secret, err = c.ECDH(priv, &a[i].PublicKey)
		if err == ErrPrivateKey {
			return err
		}
		a[i].OK = err == nil
	}
	return nil
}
