package aead

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"slices"
	"testing"
)

// deriveReference computes DeriveKeys with crypto/hkdf.
func deriveReference(secret, challengeData, initiator, recipient []byte) []byte {
	info := "discovery v5 key agreement" + string(initiator) + string(recipient)
	keys, err := hkdf.Key(sha256.New, secret, challengeData, info, 32)
	if err != nil {
		panic(err)
	}
	return keys
}

func checkDerive(t *testing.T, secret *[33]byte, challengeData []byte, initiator, recipient *[32]byte) {
	t.Helper()
	ini, rec := DeriveKeys(secret, challengeData, initiator, recipient)
	got := slices.Concat(ini[:], rec[:])
	want := deriveReference(secret[:], challengeData, initiator[:], recipient[:])
	if !bytes.Equal(got, want) {
		t.Errorf("DeriveKeys, %d bytes of challenge data = %x, want %x", len(challengeData), got, want)
	}
}

// TestDeriveReference uses salts around the block size of SHA-256, where HMAC treats them
// differently.
func TestDeriveReference(t *testing.T) {
	for _, n := range []int{0, 1, 62, ChallengeDataSize, 64, 65, 128, 200} {
		checkDerive(t, &[33]byte{2, 3, 32: 4}, bytes.Repeat([]byte{0xc7}, n), &[32]byte{5}, &[32]byte{31: 6})
	}
}

func FuzzDerive(f *testing.F) {
	f.Add(make([]byte, 33), make([]byte, 63), make([]byte, 32), make([]byte, 32))
	f.Add(bytes.Repeat([]byte{3}, 33), make([]byte, 65), make([]byte, 32), bytes.Repeat([]byte{0xff}, 32))
	f.Fuzz(func(t *testing.T, secret, challengeData, initiator, recipient []byte) {
		if len(secret) != 33 || len(initiator) != 32 || len(recipient) != 32 {
			return
		}
		checkDerive(t, (*[33]byte)(secret), challengeData, (*[32]byte)(initiator), (*[32]byte)(recipient))

		got := IDSignatureDigest(challengeData, (*[33]byte)(secret), (*[32]byte)(recipient))
		want := sha256.Sum256(slices.Concat([]byte("discovery v5 identity proof"), challengeData, secret, recipient))
		if got != want {
			t.Errorf("IDSignatureDigest = %x, want %x", got, want)
		}
	})
}

func TestDeriveAllocs(t *testing.T) {
	var secret [33]byte
	var id [32]byte
	got := testing.AllocsPerRun(100, func() {
		var challengeData [ChallengeDataSize]byte
		a, b := DeriveKeys(&secret, challengeData[:], &id, &id)
		id = IDSignatureDigest(challengeData[:], &secret, &id)
		id[0] ^= a[0] ^ b[0]
	})
	if got != 0 {
		t.Errorf("key derivation allocates %v times", got)
	}
}
