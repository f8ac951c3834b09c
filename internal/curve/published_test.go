package curve

import (
	"encoding/base64"
	"maps"
	"slices"
	"testing"

	"github.com/fastdisc/discv5/internal/cryptotest"
)

// ecdsaGroup and ecdsaTest are parts of a Wycheproof signature test.
type ecdsaGroup struct {
	SHA       string
	PublicKey struct{ Uncompressed cryptotest.Hex }
}

type ecdsaTest struct {
	TCID    int
	Comment string
	Msg     cryptotest.Hex
	Sig     cryptotest.Hex
	Result  string
}

// TestPublishedECDSA runs Wycheproof's signatures.
func TestPublishedECDSA(t *testing.T) {
	for name, want := range map[string]cryptotest.Counts{
		"sha256_bitcoin": {"valid": 162, "high s": 1, "invalid": 68, "no signature": 232},
		"sha256":         {"valid": 96, "valid, high s": 72, "invalid": 74, "no signature": 234},
		"sha256_p1363":   {"valid": 95, "valid, high s": 72, "invalid": 67, "no signature": 18},
		"sha3_256":       {"valid": 93, "valid, high s": 79, "invalid": 69, "no signature": 233},
		"sha3_512":       {"valid": 141, "valid, high s": 96, "invalid": 70, "no signature": 233},
		"sha512_p1363":   {"valid": 129, "valid, high s": 107, "invalid": 68, "no signature": 18},
		"shake128":       {"valid": 96, "valid, high s": 74, "invalid": 67, "no signature": 235},
		"shake128_p1363": {"valid": 96, "valid, high s": 73, "invalid": 61, "no signature": 18},
		"shake256_p1363": {"valid": 140, "valid, high s": 98, "invalid": 62, "no signature": 18},
	} {
		t.Run(name, func(t *testing.T) { testPublishedECDSA(t, name, want) })
	}
}

func testPublishedECDSA(t *testing.T, name string, want cryptotest.Counts) {
	var file cryptotest.Wycheproof[ecdsaGroup, ecdsaTest]
	cryptotest.Load(t, "wycheproof_ecdsa_secp256k1_"+name+"_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		xy := [PointSize]byte(g.Params.PublicKey.Uncompressed[1:])
		for _, c := range g.Tests {
			kind := signatureKind(t, name, &xy, g.Params.SHA, &c)
			counts[kind]++
		}
	}
	counts.Check(t, want)
}

// signatureKind checks the result of each implementation for one signature, and returns the kind of
// the case.
func signatureKind(t *testing.T, name string, xy *[PointSize]byte, hash string, c *ecdsaTest) string {
	t.Helper()
	var sig [SignatureSize]byte
	ok := len(c.Sig) == SignatureSize
	if suffix := "_p1363"; len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix {
		copy(sig[:], c.Sig)
	} else {
		sig, ok = cryptotest.ParseDER(c.Sig)
	}
	valid := c.Result == "valid"
	if !ok {
		if valid {
			t.Errorf("test %d, %s: a valid signature of %d bytes does not parse", c.TCID, c.Comment, len(c.Sig))
		}
		return "no signature"
	}
	digest := cryptotest.Digest(t, hash, c.Msg)
	low, high := cryptotest.LowS(sig)
	verdict(t, c.TCID, xy, &digest, &sig, valid && !high)
	switch {
	case high && valid:
		verdict(t, c.TCID, xy, &digest, &low, true)
		return "valid, high s"
	case high && name == "sha256_bitcoin" && c.Comment == "Signature malleability":
		verdict(t, c.TCID, xy, &digest, &low, true)
		return "high s"
	case valid:
		return "valid"
	}
	return "invalid"
}

// verdict checks that each implementation returns want for a signature, with the compressed key and
// with its coordinates.
func verdict(t *testing.T, id int, xy *[PointSize]byte, digest *[DigestSize]byte, sig *[SignatureSize]byte, want bool) {
	t.Helper()
	pub := cryptotest.Compress(xy)
	for _, e := range engines {
		if e.Verify(&pub, digest, sig) != want {
			t.Errorf("%s, test %d: Verify says %v", e.name, id, !want)
		}
		if e.VerifyPoint(xy, digest, sig) != want {
			t.Errorf("%s, test %d: VerifyPoint says %v", e.name, id, !want)
		}
	}
}

// TestPublishedSignatures checks pyca/cryptography's signatures, which come with private keys.
func TestPublishedSignatures(t *testing.T) {
	var list []struct {
		Hash            string
		Msg             cryptotest.Hex
		D, Qx, Qy, R, S cryptotest.Number
	}
	cryptotest.Load(t, "pyca_secp256k1_siggen", &list)
	counts := cryptotest.Counts{}
	for i, c := range list {
		priv := [32]byte(c.D)
		xy := [PointSize]byte(slices.Concat(c.Qx[:], c.Qy[:]))
		sig := [SignatureSize]byte(slices.Concat(c.R[:], c.S[:]))
		digest := cryptotest.Digest(t, c.Hash, c.Msg)
		for _, e := range engines {
			if pub, err := e.PublicKey(&priv); err != nil || pub != cryptotest.Compress(&xy) {
				t.Errorf("%s, case %d: PublicKey = %x, %v", e.name, i, pub, err)
			}
		}
		low, high := cryptotest.LowS(sig)
		verdict(t, i, &xy, &digest, &low, true)
		if high {
			verdict(t, i, &xy, &digest, &sig, false)
			counts["high s"]++
		}
		digest[0] ^= 1
		verdict(t, i, &xy, &digest, &low, false)
		counts[c.Hash]++
	}
	counts.Check(t, cryptotest.Counts{"SHA-1": 225, "SHA-224": 225, "SHA-256": 225, "SHA-384": 225, "SHA-512": 225, "high s": 579})
}

// TestPublishedECDH runs Wycheproof's key agreements with keys in ASN.1.
func TestPublishedECDH(t *testing.T) {
	type test struct {
		TCID            int
		Public, Private cryptotest.Hex
		Shared          cryptotest.Hex
		Result          string
	}
	var file cryptotest.Wycheproof[struct{}, test]
	cryptotest.Load(t, "wycheproof_ecdh_secp256k1_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		for _, c := range g.Tests {
			point, ok := cryptotest.ParsePublicKeyInfo(c.Public)
			if !ok { // another curve, or a form of key that discv5 does not use
				if c.Result == "valid" {
					t.Errorf("test %d: a valid public key does not parse", c.TCID)
				}
				counts["no key"]++
				continue
			}
			// The other acceptable cases have explicit parameters or a modified point.
			valid := c.Result == "valid" || c.Result == "acceptable" && cryptotest.OnCurve(point)
			counts[agreement(t, c.TCID, point, c.Private, c.Shared, valid)]++
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 474, "not a point": 22, "no key": 256})
}

// TestPublishedECDHWebcrypto runs Wycheproof's key agreements with JSON web keys.
func TestPublishedECDHWebcrypto(t *testing.T) {
	type key struct{ CRV, X, Y, D string }
	type test struct {
		TCID            int
		Public, Private key
		Shared          cryptotest.Hex
		Result          string
	}
	number := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var file cryptotest.Wycheproof[struct{}, test]
	cryptotest.Load(t, "wycheproof_ecdh_secp256k1_webcrypto_test", &file)
	counts := cryptotest.Counts{}
	for _, g := range file.Groups {
		for _, c := range g.Tests {
			if c.Public.CRV != c.Private.CRV {
				counts["another curve"]++
				continue
			}
			point := slices.Concat(number(c.Public.X), number(c.Public.Y))
			counts[agreement(t, c.TCID, point, number(c.Private.D), c.Shared, c.Result == "valid")]++
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 473, "not a point": 18, "another curve": 5})
}

// agreement checks ECDH of each implementation, with the public key as x || y or compressed, and
// returns the kind of the case. shared is the x of the product.
func agreement(t *testing.T, id int, point, private, shared []byte, valid bool) string {
	t.Helper()
	var priv [32]byte
	padded := append(make([]byte, len(priv)), private...)
	copy(priv[:], padded[len(padded)-len(priv):])
	var pub [PublicKeySize]byte
	if len(point) == len(pub) {
		pub = [PublicKeySize]byte(point)
	} else {
		// Each x on the curve has a point for some y. VerifyPoint checks that the pair is on the
		// curve.
		xy := [PointSize]byte(point)
		pub = cryptotest.Compress(&xy)
		for _, e := range engines {
			got, err := e.Decompress(&pub)
			if on := err == nil && got == xy; on != valid {
				t.Errorf("%s, test %d: on the curve: %v", e.name, id, on)
			}
			if !valid && acceptsAnything(e, &xy) {
				t.Errorf("%s, test %d: VerifyPoint takes coordinates of no point", e.name, id)
			}
		}
		if !valid {
			return "not a point"
		}
	}
	for _, e := range engines {
		secret, err := e.ECDH(&priv, &pub)
		if ok := err == nil && slices.Equal(secret[1:], shared); ok != valid {
			t.Errorf("%s, test %d: ECDH = %x, %v, want %x", e.name, id, secret, err, shared)
		}
	}
	if !valid {
		return "not a point"
	}
	return "valid"
}

// acceptsAnything reports whether a forged signature verifies, which may happen for a point where
// formulas fail.
func acceptsAnything(c Curve, xy *[PointSize]byte) bool {
	one, digest := b32(one), new([DigestSize]byte)
	for _, r := range [][]byte{unhex(gx), xy[:32], one[:]} {
		sig := [SignatureSize]byte(slices.Concat(r, one[:]))
		if c.VerifyPoint(xy, digest, &sig) {
			return true
		}
	}
	return false
}

// TestPublishedPoints runs bitcoin-core's public keys: valid ones, some with a coordinate at or
// above the prime, and pairs off the curve.
func TestPublishedPoints(t *testing.T) {
	var lists map[string][]cryptotest.Hex
	cryptotest.Load(t, "core_pubkey_parse", &lists)
	counts := cryptotest.Counts{}
	for _, kind := range slices.Sorted(maps.Keys(lists)) {
		for i, point := range lists[kind] {
			xy := [PointSize]byte(point)
			pub := cryptotest.Compress(&xy)
			for _, e := range engines {
				got, err := e.Decompress(&pub)
				on := err == nil && got == xy
				if on != (kind == "valid") {
					t.Errorf("%s, %s %d: a point: %v", e.name, kind, i, on)
				}
				if kind != "valid" && acceptsAnything(e, &xy) {
					t.Errorf("%s, %s %d: VerifyPoint takes it", e.name, kind, i)
				}
			}
			counts[kind]++
		}
	}
	counts.Check(t, cryptotest.Counts{"valid": 12, "onlyx": 4, "invalid": 7})
}
