package curve

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

func TestSignRecoverable(t *testing.T) {
	key := b32(gx)
	pub, err := reference().PublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[byte]int{}
	for i := range uint32(32) {
		digest := sha256.Sum256(binary.BigEndian.AppendUint32(nil, i))
		sig, err := SignRecoverable(key, &digest)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := reference().Sign(key, &digest)
		if err != nil || plain != [SignatureSize]byte(sig[:]) {
			t.Fatalf("%x differs from Sign's %x, %v", sig, plain, err)
		}
		got, _, err := ecdsa.RecoverCompact(append([]byte{27 + sig[SignatureSize]}, plain[:]...), digest[:])
		if err != nil || [PublicKeySize]byte(got.SerializeCompressed()) != pub {
			t.Fatalf("recovery ID %d leads to another key, %v", sig[SignatureSize], err)
		}
		ids[sig[SignatureSize]]++
	}
	if ids[0] == 0 || ids[1] == 0 || ids[0]+ids[1] != 32 {
		t.Errorf("recovery IDs %v", ids)
	}
	if _, err := SignRecoverable(new([32]byte), new([32]byte)); err != ErrPrivateKey {
		t.Errorf("zero key: %v", err)
	}
}
