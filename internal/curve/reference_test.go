package curve

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

var (
	bigN, _      = new(big.Int).SetString(order, 16)
	bigP, _      = new(big.Int).SetString(prime, 16)
	bigLambda, _ = new(big.Int).SetString("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72", 16)
)

func bytes32(x *big.Int) (b [32]byte) { x.FillBytes(b[:]); return b }

// scalars returns nonzero numbers modulo n at which the arithmetic may have special cases.
func scalars() (list []*big.Int) {
	for _, base := range []*big.Int{new(big.Int), bigLambda, new(big.Int).Rsh(bigN, 1), new(big.Int).Lsh(big.NewInt(1), 128),
		new(big.Int).Mul(bigLambda, big.NewInt(2)), new(big.Int).Mul(bigLambda, bigLambda), new(big.Int).Sub(bigP, bigN)} {
		for i := int64(-2); i <= 2; i++ {
			x := new(big.Int).Add(base, big.NewInt(i))
			if x.Mod(x, bigN).Sign() != 0 {
				list = append(list, x)
			}
		}
	}
	return list
}

// same calls both implementations with the same input and fails if the results differ.
func same(t *testing.T, priv *[32]byte, pub *[33]byte, digest *[32]byte, sig *[64]byte) {
	t.Helper()
	a, b := native(), reference()
	pub1, err1 := a.PublicKey(priv)
	pub2, err2 := b.PublicKey(priv)
	if pub1 != pub2 || err1 != err2 {
		t.Fatalf("PublicKey(%x): %x, %v; reference %x, %v", priv, pub1, err1, pub2, err2)
	}
	xy1, err1 := a.Decompress(pub)
	xy2, err2 := b.Decompress(pub)
	if xy1 != xy2 || err1 != err2 {
		t.Fatalf("Decompress(%x): %x, %v; reference %x, %v", pub, xy1, err1, xy2, err2)
	}
	secret1, err1 := a.ECDH(priv, pub)
	secret2, err2 := b.ECDH(priv, pub)
	if secret1 != secret2 || err1 != err2 {
		t.Fatalf("ECDH(%x, %x): %x, %v; reference %x, %v", priv, pub, secret1, err1, secret2, err2)
	}
	sig1, err1 := a.Sign(priv, digest)
	sig2, err2 := b.Sign(priv, digest)
	if sig1 != sig2 || err1 != err2 {
		t.Fatalf("Sign(%x, %x): %x, %v; reference %x, %v", priv, digest, sig1, err1, sig2, err2)
	}
	sameVerdict(t, pub, digest, sig)
	if err1 != nil {
		return
	}
	if !sameVerdict(t, &pub1, digest, &sig1) {
		t.Fatalf("signature %x of %x over %x does not verify", sig1, pub1, digest)
	}
	sameRecoverable(t, priv, digest)
}

// sameVerdict compares the verdicts of both implementations on a signature, with the compressed key
// and with its coordinates.
func sameVerdict(t *testing.T, pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	t.Helper()
	got, want := native().Verify(pub, digest, sig), reference().Verify(pub, digest, sig)
	if got != want {
		t.Fatalf("Verify(%x, %x, %x): %v, reference %v", pub, digest, sig, got, want)
	}
	xy, err := reference().Decompress(pub)
	for _, e := range engines {
		if e.VerifyPoint(&xy, digest, sig) != want {
			t.Fatalf("%s: VerifyPoint(%x, %x, %x): %v, %v", e.name, xy, digest, sig, !want, err)
		}
		off := xy
		off[63] ^= 1
		if e.VerifyPoint(&off, digest, sig) {
			t.Fatalf("%s: VerifyPoint accepts %x, which is not a point", e.name, off)
		}
	}
	return got
}

func sameRecoverable(t *testing.T, priv, digest *[32]byte) {
	t.Helper()
	want := ecdsa.SignCompact(secp256k1.PrivKeyFromBytes(priv[:]), digest[:], false)
	for _, e := range engines {
		got, err := e.Curve.(signer).SignRecoverable(priv, digest)
		if err != nil || got != [RecoverableSize]byte(append(want[1:], want[0]-27)) {
			t.Fatalf("%s: SignRecoverable(%x, %x): %x, %v; want %x", e.name, priv, digest, got, err, want)
		}
	}
}

// TestReference uses all special scalars as private keys, with the points of all of them and
// digests near them.
func TestReference(t *testing.T) {
	list := scalars()
	for i, k := range list {
		priv, digest := bytes32(k), bytes32(list[(i*5+3)%len(list)])
		for j, l := range list {
			if testing.Short() && (i+j)%5 != 0 {
				continue
			}
			other := bytes32(l)
			pub, err := reference().PublicKey(&other)
			if err != nil {
				t.Fatal(err)
			}
			secret1, err1 := native().ECDH(&priv, &pub)
			secret2, err2 := reference().ECDH(&priv, &pub)
			if secret1 != secret2 || err1 != err2 {
				t.Fatalf("ECDH(%x, %x·G): %x, %v; reference %x, %v", k, l, secret1, err1, secret2, err2)
			}
			if i == j {
				same(t, &priv, &pub, &digest, new([64]byte))
			}
		}
	}
}

// TestReferenceLargeDigest: the digest enters the nonce unreduced, even if it is not below n.
func TestReferenceLargeDigest(t *testing.T) {
	for _, d := range []string{order, prime, "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142"} {
		same(t, b32(gx), b33("02"+gx), b32(d), new([64]byte))
	}
}

// signature returns a signature with a chosen nonce, and s or its opposite. It returns false if
// there is none.
func signature(key, nonce, e *big.Int, high bool) (sig [64]byte, ok bool) {
	k := bytes32(nonce)
	point, err := reference().PublicKey(&k)
	if err != nil {
		return sig, false
	}
	r := new(big.Int).SetBytes(point[1:])
	r.Mod(r, bigN)
	s := new(big.Int).Mul(r, key)
	s.Add(s, e).Mul(s, new(big.Int).ModInverse(nonce, bigN)).Mod(s, bigN)
	if (s.Cmp(new(big.Int).Rsh(bigN, 1)) > 0) != high {
		s.Sub(bigN, s)
	}
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, r.Sign() != 0 && s.Sign() != 0 && s.Cmp(bigN) != 0
}

// TestVerifySpecial checks signatures whose two multiples, or parts of them, are equal or opposite
// on the way to the sum: keys, nonces and digests are special scalars.
func TestVerifySpecial(t *testing.T) {
	list := append(scalars(), new(big.Int))
	r := rand.New(rand.NewPCG(1, 1))
	accepted := 0
	for i, key := range list[:len(list)-1] {
		priv := bytes32(key)
		pub, err := reference().PublicKey(&priv)
		if err != nil {
			t.Fatal(err)
		}
		for j, nonce := range list[:len(list)-1] {
			e := list[r.IntN(len(list))]
			digest := bytes32(e)
			if testing.Short() && (i+j)%5 != 0 {
				continue
			}
			if sig, ok := signature(key, nonce, e, false); ok {
				accepted++
				if !native().Verify(&pub, &digest, &sig) {
					t.Fatalf("key %x, nonce %x, digest %x: rejected", key, nonce, e)
				}
				digest[31] ^= 1
				if native().Verify(&pub, &digest, &sig) {
					t.Fatalf("key %x, nonce %x, another digest than %x: accepted", key, nonce, e)
				}
				digest[31] ^= 1
			}
			if sig, ok := signature(key, nonce, e, true); ok && native().Verify(&pub, &digest, &sig) {
				t.Fatalf("key %x, nonce %x, digest %x: high s accepted", key, nonce, e)
			}
			// The multiples add up to the point at infinity.
			zero := new(big.Int).Mul(key, nonce)
			zero.Neg(zero).Mod(zero, bigN)
			digest = bytes32(zero)
			var sig [64]byte
			nonce.FillBytes(sig[:32])
			sig[63] = byte(1 + j)
			if sameVerdict(t, &pub, &digest, &sig) {
				t.Fatalf("key %x, r %x: infinity accepted", key, nonce)
			}
		}
	}
	if accepted < 100 {
		t.Errorf("only %d signatures tried", accepted)
	}
}

// TestVerifyWraparound: the x of the point may be r + n, if that is below p. No nonce is known for
// such a point, so the test computes the key from signature and digest.
func TestVerifyWraparound(t *testing.T) {
	tried := 0
	for i := int64(0); tried < 6; i++ {
		x := new(big.Int).Add(bigN, big.NewInt(i))
		if i > 20 {
			x.Sub(bigP, big.NewInt(i)) // at the other end
		}
		pub, ok := keyFor(x, new(big.Int).Mod(x, bigN), big.NewInt(77), big.NewInt(12345))
		if !ok {
			continue
		}
		r := new(big.Int).Sub(x, bigN)
		if r.Sign() == 0 {
			continue
		}
		tried++
		digest := bytes32(big.NewInt(12345))
		var sig [64]byte
		r.FillBytes(sig[:32])
		sig[63] = 77
		if !sameVerdict(t, &pub, &digest, &sig) {
			t.Errorf("x = n + %x: rejected", r)
		}
		// A point with x = r makes the same r, but the signature is not of this key.
		if pub, ok = keyFor(r, r, big.NewInt(77), big.NewInt(12345)); ok && !sameVerdict(t, &pub, &digest, &sig) {
			t.Errorf("x = %x: rejected", r)
		}
	}
	// From p - n on, r + n is not a coordinate, and r + n - p is another one.
	for i := range int64(20) {
		x := big.NewInt(i)
		r := new(big.Int).Add(new(big.Int).Sub(bigP, bigN), x)
		var sig [64]byte
		r.FillBytes(sig[:32])
		sig[63] = 3
		digest := bytes32(big.NewInt(1))
		if pub, ok := keyFor(r, r, big.NewInt(3), big.NewInt(1)); ok && !sameVerdict(t, &pub, &digest, &sig) {
			t.Errorf("x = r = %x: rejected", r)
		}
		if pub, ok := keyFor(x, r, big.NewInt(3), big.NewInt(1)); ok && sameVerdict(t, &pub, &digest, &sig) {
			t.Errorf("x = %x, r = %x: accepted", x, r)
		}
	}
}

// keyFor returns the key for which (r, s) and e lead to a point R with coordinate x: (s·R - e·G)/r.
// If r = x mod n, (r, s) is its signature over e.
func keyFor(x, r, s, e *big.Int) (pub [33]byte, ok bool) {
	if r.Sign() == 0 {
		return pub, false
	}
	pub[0] = 2
	x.FillBytes(pub[1:])
	R, err := secp256k1.ParsePubKey(pub[:])
	if err != nil {
		return pub, false
	}
	inverse := new(big.Int).ModInverse(r, bigN)
	mod := func(x *big.Int) *secp256k1.ModNScalar {
		b := bytes32(x.Mod(x, bigN))
		k := new(secp256k1.ModNScalar)
		k.SetBytes(&b)
		return k
	}
	var p, q, sum secp256k1.JacobianPoint
	R.AsJacobian(&p)
	secp256k1.ScalarMultNonConst(mod(new(big.Int).Mul(s, inverse)), &p, &q)
	secp256k1.ScalarBaseMultNonConst(mod(new(big.Int).Neg(new(big.Int).Mul(e, inverse))), &p)
	secp256k1.AddNonConst(&p, &q, &sum)
	if sum.ToAffine(); sum.X.IsZero() && sum.Y.IsZero() {
		return pub, false // infinity
	}
	return [33]byte(secp256k1.NewPublicKey(&sum.X, &sum.Y).SerializeCompressed()), true
}

// FuzzVerify, FuzzSign and FuzzECDH compare both implementations.
func FuzzVerify(f *testing.F) {
	for i, k := range scalars() {
		e := scalars()[(i*3+1)%len(scalars())]
		priv, digest := bytes32(k), bytes32(e)
		pub, _ := reference().PublicKey(&priv)
		sig, _ := reference().Sign(&priv, &digest)
		f.Add(pub[:], digest[:], sig[:])
	}
	f.Fuzz(func(t *testing.T, pub, digest, sig []byte) {
		if len(pub) != 33 || len(digest) != 32 || len(sig) != 64 {
			return
		}
		sameVerdict(t, (*[33]byte)(pub), (*[32]byte)(digest), (*[64]byte)(sig))
		// Most inputs are not even signatures. This one is: r, s and digest come from the input,
		// and the key is computed.
		x, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		s.Mod(s, new(big.Int).Rsh(bigN, 1)).Add(s, big.NewInt(1))
		if x.Cmp(bigP) >= 0 {
			return
		}
		key, ok := keyFor(x, new(big.Int).Mod(x, bigN), s, new(big.Int).SetBytes(digest))
		if !ok {
			return
		}
		made := [64]byte{}
		x.Mod(x, bigN).FillBytes(made[:32])
		s.FillBytes(made[32:])
		if !sameVerdict(t, &key, (*[32]byte)(digest), &made) {
			t.Fatalf("signature %x of %x over %x rejected", made, key, digest)
		}
	})
}

func FuzzECDH(f *testing.F) {
	for i, k := range scalars() {
		priv, other := bytes32(k), bytes32(scalars()[(i*3+1)%len(scalars())])
		pub, _ := reference().PublicKey(&other)
		f.Add(priv[:], pub[:])
	}
	f.Fuzz(func(t *testing.T, priv, pub []byte) {
		if len(priv) != 32 || len(pub) != 33 {
			return
		}
		k, p := (*[32]byte)(priv), (*[33]byte)(pub)
		secret1, err1 := native().ECDH(k, p)
		secret2, err2 := reference().ECDH(k, p)
		if secret1 != secret2 || err1 != err2 {
			t.Fatalf("ECDH(%x, %x): %x, %v; reference %x, %v", k, p, secret1, err1, secret2, err2)
		}
		xy1, err1 := native().Decompress(p)
		xy2, err2 := reference().Decompress(p)
		if xy1 != xy2 || err1 != err2 {
			t.Fatalf("Decompress(%x): %x, %v; reference %x, %v", p, xy1, err1, xy2, err2)
		}
	})
}

func FuzzSign(f *testing.F) {
	for i, k := range scalars() {
		priv, digest := bytes32(k), bytes32(scalars()[(i*3+1)%len(scalars())])
		f.Add(priv[:], digest[:])
	}
	f.Fuzz(func(t *testing.T, priv, digest []byte) {
		if len(priv) == 32 && len(digest) == 32 {
			same(t, (*[32]byte)(priv), b33("02"+gx), (*[32]byte)(digest), new([64]byte))
		}
	})
}
