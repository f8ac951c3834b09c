//go:build cgo

package libsecp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto/secp256k1"

	"github.com/fastdisc/discv5/internal/cryptotest"
	"github.com/fastdisc/discv5/internal/curve"
)

// order is n, the order of the group.
var order, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)

// secret compares the results for a private key and a digest.
func secret(t *testing.T, priv, digest *[32]byte) {
	t.Helper()
	want, theirErr := secp256k1.Sign(digest[:], priv[:])
	got, err := curve.SignRecoverable(priv, digest)
	if (err == nil) != (theirErr == nil) {
		t.Fatalf("key %x: errors %v and, of libsecp256k1, %v", priv, err, theirErr)
	}
	if err != nil {
		return
	}
	// This module uses a digest that is not below n unreduced in the nonce; libsecp256k1 reduces
	// it.
	if same := bytes.Equal(got[:], want); same != (new(big.Int).SetBytes(digest[:]).Cmp(order) < 0) {
		t.Fatalf("key %x, digest %x: signature %x, of libsecp256k1 %x", priv, digest, got, want)
	}
	plain, err := curve.Default().Sign(priv, digest)
	if err != nil || !bytes.Equal(plain[:], got[:64]) {
		t.Fatalf("key %x, digest %x: Sign = %x, %v", priv, digest, plain, err)
	}
	x, y := secp256k1.S256().ScalarBaseMult(priv[:])
	pub, err := curve.Default().PublicKey(priv)
	if err != nil || !bytes.Equal(pub[:], secp256k1.CompressPubkey(x, y)) {
		t.Fatalf("key %x: public key %x, %v, of libsecp256k1 %x, %x", priv, pub, err, x, y)
	}
	if !verdict(t, &pub, digest, &plain) || !verdict(t, &pub, digest, (*[64]byte)(want)) {
		t.Fatalf("key %x, digest %x: a signature is refused", priv, digest)
	}
	recovered, err := secp256k1.RecoverPubkey(digest[:], got[:])
	xy, err2 := curve.Default().Decompress(&pub)
	if err != nil || err2 != nil || !bytes.Equal(recovered[1:], xy[:]) {
		t.Fatalf("key %x: libsecp256k1 recovers %x, %v, want %x, %v", priv, recovered, err, xy, err2)
	}
}

// agreement compares the results for a public key and its product with a private key. It reports
// whether pub is valid.
func agreement(t *testing.T, priv *[32]byte, pub *[33]byte) bool {
	t.Helper()
	x, y := secp256k1.DecompressPubkey(pub[:])
	xy, err := curve.Default().Decompress(pub)
	if (err == nil) != (x != nil) {
		t.Fatalf("public key %x: error %v, of libsecp256k1 %x, %x", pub, err, x, y)
	}
	product, err2 := curve.Default().ECDH(priv, pub)
	if err != nil {
		if err2 == nil {
			t.Fatalf("public key %x: not a point, but with a product %x", pub, product)
		}
		return false
	}
	if !bytes.Equal(xy[:], slices.Concat(x.FillBytes(make([]byte, 32)), y.FillBytes(make([]byte, 32)))) {
		t.Fatalf("public key %x: %x, of libsecp256k1 %x, %x", pub, xy, x, y)
	}
	if err2 != nil {
		return true // the private key is invalid
	}
	px, py := secp256k1.S256().ScalarMult(x, y, priv[:])
	if !bytes.Equal(product[:], secp256k1.CompressPubkey(px, py)) {
		t.Fatalf("key %x, point %x: product %x, of libsecp256k1 %x, %x", priv, pub, product, px, py)
	}
	return true
}

// verdict compares the verdicts on a signature and returns them.
func verdict(t *testing.T, pub *[33]byte, digest *[32]byte, sig *[64]byte) bool {
	t.Helper()
	want := secp256k1.VerifySignature(pub[:], digest[:], sig[:])
	if got := curve.Default().Verify(pub, digest, sig); got != want {
		t.Fatalf("key %x, digest %x, signature %x: %v, of libsecp256k1 %v", pub, digest, sig, got, want)
	}
	if xy, err := curve.Default().Decompress(pub); err == nil {
		if got := curve.Default().VerifyPoint(&xy, digest, sig); got != want {
			t.Fatalf("point %x, digest %x, signature %x: %v, of libsecp256k1 %v", xy, digest, sig, got, want)
		}
	}
	return want
}

// special returns numbers with possible special cases: near 0, n, n/2, p, powers of 2 and the
// endomorphism's factor.
func special() (list [][32]byte) {
	for _, digits := range []string{"0", "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
		"7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0",
		"fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
		"5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72",
		"100000000000000000000000000000000", "10000000000000000", "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"} {
		base, _ := new(big.Int).SetString(digits, 16)
		for i := int64(-2); i <= 2; i++ {
			if x := new(big.Int).Add(base, big.NewInt(i)); x.Sign() >= 0 && x.BitLen() <= 256 {
				list = append(list, [32]byte(x.FillBytes(make([]byte, 32))))
			}
		}
	}
	return list
}

// random32 returns a random number, sometimes a special one.
func random32(r *rand.Rand, list [][32]byte) (b [32]byte) {
	if r.IntN(8) == 0 {
		return list[r.IntN(len(list))]
	}
	for i := range 4 {
		binary.LittleEndian.PutUint64(b[8*i:], r.Uint64())
	}
	return b
}

// TestSpecial uses every special number as key, digest and coordinate.
func TestSpecial(t *testing.T) {
	list := special()
	for i := range list {
		for j := range list {
			secret(t, &list[i], &list[j])
			for prefix := range byte(5) {
				pub := [33]byte(append([]byte{prefix}, list[j][:]...))
				agreement(t, &list[i], &pub)
			}
			if (i+j)%7 == 0 {
				sig := [64]byte(append(list[i][:], list[j][:]...))
				pub := [33]byte(append([]byte{2}, list[len(list)-3][:]...))
				verdict(t, &pub, &list[j], &sig)
			}
		}
	}
}

// TestRandom compares some thousand random cases. Half of the signatures are changed, by a bit or
// to the opposite s.
func TestRandom(t *testing.T) {
	rounds := 5000
	if testing.Short() {
		rounds = 1000
	}
	list := special()
	r := rand.New(rand.NewPCG(21, 22))
	counts := cryptotest.Counts{}
	for range rounds {
		priv, digest := random32(r, list), random32(r, list)
		secret(t, &priv, &digest)
		pub, err := curve.Default().PublicKey(&priv)
		if err != nil {
			counts["no key"]++
			continue
		}
		other := random32(r, list)
		if agreement(t, &other, &pub) {
			counts["point"]++
		}
		x := [33]byte(append([]byte{2 + byte(r.IntN(2))}, other[:]...))
		if agreement(t, &priv, &x) {
			counts["point of random x"]++
		}
		sig, err := curve.Default().Sign(&priv, &digest)
		if err != nil {
			t.Fatal(err)
		}
		switch r.IntN(4) {
		case 0:
			sig[r.IntN(64)] ^= 1 << r.IntN(8)
		case 1:
			s := new(big.Int).SetBytes(sig[32:])
			s.Sub(order, s).FillBytes(sig[32:])
		}
		if verdict(t, &pub, &digest, &sig) {
			counts["accepted"]++
		} else {
			counts["refused"]++
		}
	}
	t.Log(counts)
	for _, kind := range []string{"no key", "point of random x", "accepted", "refused"} {
		if counts[kind] < rounds/200 {
			t.Errorf("%d cases of %q", counts[kind], kind)
		}
	}
}

// TestPublished runs Wycheproof's signatures, which this module's own tests run, with libsecp256k1.
func TestPublished(t *testing.T) {
	type group struct {
		SHA       string
		PublicKey struct{ Uncompressed cryptotest.Hex }
	}
	type test struct {
		Msg, Sig cryptotest.Hex
	}
	var file cryptotest.Wycheproof[group, test]
	cryptotest.Load(t, "wycheproof_ecdsa_secp256k1_sha256_bitcoin_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		xy := [64]byte(g.Params.PublicKey.Uncompressed[1:])
		pub := cryptotest.Compress(&xy)
		for _, c := range g.Tests {
			sig, ok := cryptotest.ParseDER(c.Sig)
			if !ok {
				counts["no signature"]++
				continue
			}
			digest := sha256.Sum256(c.Msg)
			if verdict(t, &pub, &digest, &sig) {
				counts["valid"]++
			} else {
				counts["invalid"]++
			}
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 162, "invalid": 69, "no signature": 232})
}

func FuzzSecret(f *testing.F) {
	for i, x := range special() {
		f.Add(x[:], special()[(i*5+1)%len(special())][:])
	}
	f.Fuzz(func(t *testing.T, priv, digest []byte) {
		if len(priv) == 32 && len(digest) == 32 {
			secret(t, (*[32]byte)(priv), (*[32]byte)(digest))
		}
	})
}

func FuzzAgreement(f *testing.F) {
	for i, x := range special() {
		f.Add(x[:], append([]byte{2 + byte(i&1)}, special()[(i*5+1)%len(special())][:]...))
	}
	f.Fuzz(func(t *testing.T, priv, pub []byte) {
		if len(priv) == 32 && len(pub) == 33 {
			agreement(t, (*[32]byte)(priv), (*[33]byte)(pub))
		}
	})
}

// FuzzVerdict lets the fuzzer choose the parts of a valid signature and a change of it, because
// hardly any other input gets past the comparison of r and s with n.
func FuzzVerdict(f *testing.F) {
	for i, x := range special() {
		f.Add(x[:], special()[(i*5+1)%len(special())][:], bytes.Repeat([]byte{byte(i % 3)}, 64))
	}
	f.Fuzz(func(t *testing.T, priv, digest, change []byte) {
		if len(priv) != 32 || len(digest) != 32 || len(change) != 64 {
			return
		}
		pub, err := curve.Default().PublicKey((*[32]byte)(priv))
		if err != nil {
			return
		}
		sig, err := curve.Default().Sign((*[32]byte)(priv), (*[32]byte)(digest))
		if err != nil {
			t.Fatal(err)
		}
		unchanged := true
		for i, c := range change {
			sig[i] ^= c
			unchanged = unchanged && c == 0
		}
		if verdict(t, &pub, (*[32]byte)(digest), &sig) != unchanged {
			t.Fatalf("key %x, digest %x: signature with changes %x", priv, digest, change)
		}
	})
}
