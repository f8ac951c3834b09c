package k256

import (
	"crypto/sha256"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// TestNonces: later candidates, which are hardly ever needed, equal those of the reference
// implementation too.
func TestNonces(t *testing.T) {
	for i := range byte(20) {
		priv, digest := sha256.Sum256([]byte{i}), sha256.Sum256([]byte{i, i})
		var n nonces
		n.init(&priv, &digest)
		for j := range uint32(4) {
			var k scalar
			var b [32]byte
			if !n.next(&k) {
				t.Fatalf("%x, %x: nonce %d out of range", priv, digest, j)
			}
			k.putBytes(&b)
			if want := secp256k1.NonceRFC6979(priv[:], digest[:], nil, nil, j).Bytes(); b != want {
				t.Fatalf("%x, %x: nonce %d is %x, want %x", priv, digest, j, b, want)
			}
			n.skip()
		}
	}
}
