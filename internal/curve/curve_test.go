package curve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"
)

const (
	order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
	prime = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"
	one   = "0000000000000000000000000000000000000000000000000000000000000001"
	gx    = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
	gy    = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)

// engines are the implementations that the tests here run with.
var engines = []struct {
	name string
	Curve
}{{"native", native()}, {"decred", reference()}}

// each runs a test with each implementation.
func each(t *testing.T, f func(t *testing.T, c Curve)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { f(t, e.Curve) })
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		panic(err)
	}
	return b
}

func b32(s string) *[32]byte { return (*[32]byte)(unhex(s)) }
func b33(s string) *[33]byte { return (*[33]byte)(unhex(s)) }

func vectors(t *testing.T, section string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/discv5-wire.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Primitives map[string]map[string]string }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	v := file.Primitives[section]
	if len(v) == 0 {
		t.Fatalf("no vectors for %q", section)
	}
	return v
}

func TestECDHVector(t *testing.T) { each(t, testECDHVector) }

func testECDHVector(t *testing.T, c Curve) {
	v := vectors(t, "ECDH")
	got, err := c.ECDH(b32(v["secret-key"]), b33(v["public-key"]))
	if want := unhex(v["shared-secret"]); err != nil || !bytes.Equal(got[:], want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
}

func TestIDNonceVector(t *testing.T) { each(t, testIDNonceVector) }

func testIDNonceVector(t *testing.T, c Curve) {
	v := vectors(t, "ID Nonce Signing")
	h := sha256.New()
	h.Write([]byte("discovery v5 identity proof"))
	for _, part := range []string{"challenge-data", "ephemeral-pubkey", "node-id-B"} {
		h.Write(unhex(v[part]))
	}
	digest := [32]byte(h.Sum(nil))
	priv := b32(v["static-key"])
	sig, err := c.Sign(priv, &digest)
	if want := unhex(v["id-signature"]); err != nil || !bytes.Equal(sig[:], want) {
		t.Errorf("got %x, %v, want %x", sig, err, want)
	}
	pub, err := c.PublicKey(priv)
	if err != nil || !c.Verify(&pub, &digest, &sig) {
		t.Errorf("own signature does not verify (key error %v)", err)
	}
}

// TestSignDeterministic checks an RFC 6979 vector on secp256k1 whose s needs lowering.
func TestSignDeterministic(t *testing.T) { each(t, testSignDeterministic) }

func testSignDeterministic(t *testing.T, c Curve) {
	for _, v := range []struct{ key, message, sig string }{
		{one, "Satoshi Nakamoto", "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8" +
			"2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"},
		{one, "All those moments will be lost in time, like tears in rain. Time to die...",
			"8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b" +
				"547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21"},
	} {
		digest := sha256.Sum256([]byte(v.message))
		sig, err := c.Sign(b32(v.key), &digest)
		if err != nil || hex.EncodeToString(sig[:]) != v.sig {
			t.Errorf("%q: got %x, %v", v.message, sig, err)
		}
	}
}

func TestPublicKeyAndDecompress(t *testing.T) { each(t, testPublicKeyAndDecompress) }

func testPublicKeyAndDecompress(t *testing.T, c Curve) {
	pub, err := c.PublicKey(b32(one))
	if err != nil || hex.EncodeToString(pub[:]) != "02"+gx {
		t.Fatalf("1·G = %x, %v", pub, err)
	}
	xy, err := c.Decompress(&pub)
	if err != nil || hex.EncodeToString(xy[:]) != gx+gy {
		t.Errorf("G = %x, %v", xy, err)
	}
	// The other root: y and p-y.
	pub[0] = 3
	neg, err := c.Decompress(&pub)
	p := new(big.Int).SetBytes(unhex(prime))
	sum := new(big.Int).Add(new(big.Int).SetBytes(xy[32:]), new(big.Int).SetBytes(neg[32:]))
	if err != nil || sum.Cmp(p) != 0 || !bytes.Equal(neg[:32], xy[:32]) {
		t.Errorf("-G = %x, %v", neg, err)
	}
	// n-1 is the largest key, and its point is -G.
	last := new(big.Int).Sub(new(big.Int).SetBytes(unhex(order)), big.NewInt(1))
	if got, err := c.PublicKey((*[32]byte)(last.Bytes())); err != nil || got != pub {
		t.Errorf("(n-1)·G = %x, %v", got, err)
	}
}

func TestBadPrivateKeys(t *testing.T) { each(t, testBadPrivateKeys) }

func testBadPrivateKeys(t *testing.T, c Curve) {
	pub := b33("02" + gx)
	for _, key := range []string{strings.Repeat("00", 32), order, strings.Repeat("ff", 32)} {
		if _, err := c.PublicKey(b32(key)); err != ErrPrivateKey {
			t.Errorf("PublicKey(%s): %v", key, err)
		}
		if _, err := c.Sign(b32(key), new([32]byte)); err != ErrPrivateKey {
			t.Errorf("Sign(%s): %v", key, err)
		}
		if _, err := c.ECDH(b32(key), pub); err != ErrPrivateKey {
			t.Errorf("ECDH(%s): %v", key, err)
		}
	}
}

func TestBadPublicKeys(t *testing.T) { each(t, testBadPublicKeys) }

func testBadPublicKeys(t *testing.T, c Curve) {
	digest := sha256.Sum256(nil)
	sig, err := c.Sign(b32(one), &digest)
	if err != nil {
		t.Fatal(err)
	}
	for name, pub := range map[string]string{
		"point at infinity":          "00" + strings.Repeat("00", 32),
		"prefix of uncompressed":     "04" + gx,
		"prefix of hybrid":           "06" + gx,
		"prefix 01":                  "01" + gx,
		"x without a y":              "02" + strings.Repeat("00", 31) + "05",
		"x equal to the prime":       "02" + prime,
		"x of a point plus p (1+p)":  "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30",
		"all bits set, odd prefix":   "03" + strings.Repeat("ff", 32),
		"zero x, which has no y too": "03" + strings.Repeat("00", 32),
	} {
		if _, err := c.Decompress(b33(pub)); err != ErrPublicKey {
			t.Errorf("%s: Decompress: %v", name, err)
		}
		if _, err := c.ECDH(b32(one), b33(pub)); err != ErrPublicKey {
			t.Errorf("%s: ECDH: %v", name, err)
		}
		if c.Verify(b33(pub), &digest, &sig) {
			t.Errorf("%s: Verify accepts", name)
		}
	}
}

func TestVerifyRejects(t *testing.T) { each(t, testVerifyRejects) }

func testVerifyRejects(t *testing.T, c Curve) {
	digest := sha256.Sum256([]byte("message"))
	pub := b33("02" + gx)
	sig, err := c.Sign(b32(one), &digest)
	if err != nil || !c.Verify(pub, &digest, &sig) {
		t.Fatalf("good signature rejected (%v)", err)
	}
	n := new(big.Int).SetBytes(unhex(order))
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	with := func(r, s *big.Int) (out [64]byte) {
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out
	}
	zero := new(big.Int)
	for name, bad := range map[string][64]byte{
		"high s":      with(r, new(big.Int).Sub(n, s)),
		"zero r":      with(zero, s),
		"zero s":      with(r, zero),
		"r equal n":   with(n, s),
		"s equal n":   with(r, n),
		"s overflows": with(r, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))),
		"r and s":     with(s, r),
		"r + 1":       with(new(big.Int).Add(r, big.NewInt(1)), s),
	} {
		if c.Verify(pub, &digest, &bad) {
			t.Errorf("%s accepted", name)
		}
	}
	digest[31] ^= 1
	if c.Verify(pub, &digest, &sig) {
		t.Error("signature over another digest accepted")
	}
	digest[31] ^= 1
	if c.Verify(b33("03"+gx), &digest, &sig) {
		t.Error("signature of another key accepted")
	}
}

// FuzzCurve: the operations are consistent with each other for any key and digest.
func FuzzCurve(f *testing.F) {
	f.Add(unhex(one), unhex(gx), unhex(gy))
	f.Add(unhex(gx), unhex(order), unhex(prime))
	f.Fuzz(func(t *testing.T, a, b, d []byte) {
		if len(a) != 32 || len(b) != 32 || len(d) != 32 {
			return
		}
		for _, c := range engines {
			checkAgreement(t, c, (*[32]byte)(a), (*[32]byte)(b), (*[32]byte)(d))
		}
	})
}

func checkAgreement(t *testing.T, c Curve, ka, kb, digest *[32]byte) {
	var arbitrary [33]byte
	copy(arbitrary[:], "\x02")
	copy(arbitrary[1:], digest[:])
	if xy, err := c.Decompress(&arbitrary); err == nil && (xy[63]&1 != 0 || !bytes.Equal(xy[:32], digest[:])) {
		t.Fatalf("%x decompresses to %x", arbitrary, xy)
	}
	pa, errA := c.PublicKey(ka)
	pb, errB := c.PublicKey(kb)
	if errA != nil || errB != nil {
		return
	}
	ab, err1 := c.ECDH(ka, &pb)
	ba, err2 := c.ECDH(kb, &pa)
	if err1 != nil || err2 != nil || ab != ba {
		t.Fatalf("a·B = %x, %v; b·A = %x, %v", ab, err1, ba, err2)
	}
	sig, err := c.Sign(ka, digest)
	if err != nil || !c.Verify(&pa, digest, &sig) {
		t.Fatalf("own signature does not verify: %v", err)
	}
	if pa != pb && c.Verify(&pb, digest, &sig) {
		t.Fatal("verifies with another key")
	}
}

func TestNoAllocation(t *testing.T) {
	key, digest := b32(gx), b32(gy)
	pub := *b33("02" + gx)
	own, _ := native().PublicKey(key)
	sig, _ := native().Sign(key, digest)
	for name, f := range map[string]func(){
		"Decompress": func() { native().Decompress(&pub) },
		"ECDH":       func() { native().ECDH(key, &pub) },
		"PublicKey":  func() { native().PublicKey(key) },
		"Sign":       func() { native().Sign(key, digest) },
		"Verify":     func() { native().Verify(&own, digest, &sig) },
	} {
		if n := testing.AllocsPerRun(10, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
