package curve

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
)

// ErrSelfTest means that this machine or build computes wrong results on the curve.
var ErrSelfTest = errors.New("secp256k1: known-answer test failed")

// SelfTest compares results of Default with known answers: public keys, key agreement, and
// signatures made, accepted and refused. It runs once per process, in a few hundred microseconds;
// later calls return the same verdict. The error wraps ErrSelfTest.
var SelfTest = sync.OnceValue(func() error { return knownAnswers(Default()) })

// knownAnswers compares c with examples of discv5-wire-test-vectors.md.
func knownAnswers(c Curve) error {
	var priv, digest [32]byte
	var pub, other, secret [33]byte
	var xy, sig [64]byte
	for _, k := range []struct {
		b      []byte
		digits string
	}{
		{priv[:], "fb757dc581730490a1d7a00deea65e9b1936924caaea8f44d476014856b68736"},
		{pub[:], "030e2cb74241c0c4fc8e8166f1a79a05d5b0dd95813a74b094529f317d5c39d235"},
		{xy[:], "0e2cb74241c0c4fc8e8166f1a79a05d5b0dd95813a74b094529f317d5c39d235" +
			"50038811340ad6d5e89551422771c538955c67f87dbc6b172744fa683e51f895"},
		{other[:], "039961e4c2356d61bedb83052c115d311acb3a96f5777296dcf297351130266231"},
		{secret[:], "033b11a2a1f214567e1537ce5e509ffd9b21373247f2a3ff6841f4976f53165e7e"},
		{digest[:], "f8b18af81856bc494b09db6930f1feebc8bbebc5c1738c58ed5dc1281618ddc0"},
		{sig[:], "94852a1e2318c4e5e9d422c98eaf19d1d90d876b29cd06ca7cb7546d0fff7b48" +
			"4fe86c09a064fe72bdbef73ba8e9c34df0cd2b53e9d65528c2c7f336d5dfc6e6"},
	} {
		if n, err := hex.Decode(k.b, []byte(k.digits)); n != len(k.b) || err != nil {
			panic("curve: a known answer is no hexadecimal number")
		}
	}
	gotPub, err1 := c.PublicKey(&priv)
	gotXY, err2 := c.Decompress(&pub)
	gotSecret, err3 := c.ECDH(&priv, &other)
	gotSig, err4 := c.Sign(&priv, &digest)
	wrong := digest
	wrong[31] ^= 1
	off := xy
	off[63] ^= 1
	noPoint := pub
	noPoint[0] = 4
	_, err5 := c.Decompress(&noPoint)
	for _, test := range []struct {
		name string
		ok   bool
	}{
		{"public key", err1 == nil && gotPub == pub},
		{"coordinates", err2 == nil && gotXY == xy && err5 == ErrPublicKey},
		{"key agreement", err3 == nil && gotSecret == secret},
		{"signing", err4 == nil && gotSig == sig},
		{"verification", c.Verify(&pub, &digest, &sig) && !c.Verify(&pub, &wrong, &sig)},
		{"verification by coordinates", c.VerifyPoint(&xy, &digest, &sig) &&
			!c.VerifyPoint(&xy, &wrong, &sig) && !c.VerifyPoint(&off, &digest, &sig)},
	} {
		if !test.ok {
			return fmt.Errorf("%w: %s", ErrSelfTest, test.name)
		}
	}
	return nil
}
