package k256

import "github.com/fastdisc/discv5/internal/curve/curveerr"

// PublicKey sets pub to the compressed point priv·G.
// ErrPrivateKey: priv is zero or not below n.
func PublicKey(pub *[33]byte, priv *[32]byte) error {
	var k scalar
	if !k.setKey(priv) {
		return curveerr.ErrPrivateKey
	}
	var p jacobian
	var q affine
	p.multBase(&k)
	clear(k[:])
	q.set(&p)
	q.compress(pub)
	return nil
}

// Decompress sets xy to the coordinates of the point that pub encodes.
// ErrPublicKey: there is none.
func Decompress(xy *[64]byte, pub *[33]byte) error {
	var p affine
	if !p.decompress(pub) {
		return curveerr.ErrPublicKey
	}
	p.x.putBytes((*[32]byte)(xy[:32]))
	p.y.putBytes((*[32]byte)(xy[32:]))
	return nil
}

// Verify reports whether sig is the canonical signature, 0 < r < n and 0 < s <= n/2, of pub over
// digest.
func Verify(pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	var r, s scalar
	var p affine
	return setSignature(&r, &s, sig) && p.decompress(pub) && verify(&p, digest, &r, &s)
}

// VerifyPoint is Verify for a key that Decompress has decompressed. It refuses coordinates of no
// point.
func VerifyPoint(xy *[64]byte, digest *[32]byte, sig *[64]byte) bool {
	var r, s scalar
	var p affine
	return setSignature(&r, &s, sig) && p.setPoint(xy) && verify(&p, digest, &r, &s)
}

// Sign sets sig to the signature r || s of priv over digest, with s <= n/2 and the nonce of RFC
// 6979. recovery identifies the point with this r: bit 0 is set if y is odd, bit 1 if x is r + n.
// ErrPrivateKey: priv is zero or not below n.
func Sign(sig *[64]byte, priv, digest *[32]byte) (recovery byte, err error) {
	var d, k, e, r, s scalar
	if !d.setKey(priv) {
		return 0, curveerr.ErrPrivateKey
	}
	e.setBytes(digest)
	var n nonces
	n.init(priv, digest)
	for ; ; n.skip() {
		if n.next(&k) {
			var ok bool
			if recovery, ok = sign(&r, &s, &d, &k, &e); ok {
				break
			}
		}
	}
	r.putBytes((*[32]byte)(sig[:32]))
	s.putBytes((*[32]byte)(sig[32:]))
	clear(d[:])
	clear(k[:])
	n = nonces{}
	return recovery, nil
}

// ECDH sets secret to the compressed point priv·pub.
// ErrPrivateKey and ErrPublicKey as above.
func ECDH(secret *[33]byte, priv *[32]byte, pub *[33]byte) error {
	var k scalar
	if !k.setKey(priv) {
		return curveerr.ErrPrivateKey
	}
	var p affine
	if !p.decompress(pub) {
		return curveerr.ErrPublicKey
	}
	agree(secret, &k, &p)
	clear(k[:])
	return nil
}

// agree sets secret to the compressed point k·p, where k is not 0.
func agree(secret *[33]byte, k *scalar, p *affine) {
	var product jacobian
	product.mult(k, p)
	p.set(&product)
	p.compress(secret)
}

// setKey sets k to b and reports whether 0 < b < n.
func (k *scalar) setKey(b *[32]byte) bool { return k.setBytes(b)|k.zeroMask() == 0 }

// setSignature reads r and s and reports whether 0 < r < n and 0 < s <= n/2.
func setSignature(r, s *scalar, sig *[64]byte) bool {
	return r.setKey((*[32]byte)(sig[:32])) && s.setKey((*[32]byte)(sig[32:])) && s.highMask() == 0
}

// setPoint sets p to the coordinates xy and reports whether they are those of a point on the curve.
func (p *affine) setPoint(xy *[64]byte) bool {
	if !p.x.setBytes((*[32]byte)(xy[:32])) || !p.y.setBytes((*[32]byte)(xy[32:])) {
		return false
	}
	var l, r fe
	l.sqr(&p.y)
	r.sqr(&p.x)
	r.mul(&r, &p.x)
	r.add(&r, &fe{7})
	return l.equalVar(&r)
}
