package aead

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// unhex decodes hexadecimal text with or without a 0x prefix.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors are the published test vectors of discv5 (testdata/primitives.json).
type vectors struct {
	Primitives map[string]map[string]string `json:"primitives"`
	Packets    []struct {
		Name   string `json:"name"`
		DestID string `json:"dest-node-id"`
		Packet string `json:"packet"`
	} `json:"packets"`
}

func loadVectors(t testing.TB) *vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/primitives.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// primitive returns the fields of one primitive, decoded.
func (v *vectors) primitive(t testing.TB, name string) map[string][]byte {
	t.Helper()
	in, ok := v.Primitives[name]
	if !ok {
		t.Fatalf("no vector %q", name)
	}
	out := make(map[string][]byte)
	for k, s := range in {
		out[k] = unhex(t, s)
	}
	return out
}

func TestVectorEncryption(t *testing.T) {
	p := loadVectors(t).primitive(t, "Encryption/Decryption")
	c := NewCipher((*[16]byte)(p["encryption-key"]))
	nonce := (*[12]byte)(p["nonce"])
	sealed := c.Seal(nil, nonce, p["pt"], p["ad"])
	if !bytes.Equal(sealed, p["message-ciphertext"]) {
		t.Errorf("Seal = %x, want %x", sealed, p["message-ciphertext"])
	}
	opened, err := c.Open(nil, nonce, sealed, p["ad"])
	if err != nil || !bytes.Equal(opened, p["pt"]) {
		t.Errorf("Open = %x, %v, want %x", opened, err, p["pt"])
	}
}

func TestVectorKeyDerivation(t *testing.T) {
	p := loadVectors(t).primitive(t, "Key Derivation")
	pub, err := secp256k1.ParsePubKey(p["dest-pubkey"])
	if err != nil {
		t.Fatal(err)
	}
	var scalar secp256k1.ModNScalar
	scalar.SetByteSlice(p["ephemeral-key"])
	var point secp256k1.JacobianPoint
	pub.AsJacobian(&point)
	secp256k1.ScalarMultNonConst(&scalar, &point, &point)
	point.ToAffine()
	secret := secp256k1.NewPublicKey(&point.X, &point.Y).SerializeCompressed()

	ini, rec := DeriveKeys((*[33]byte)(secret), p["challenge-data"],
		(*[32]byte)(p["node-id-a"]), (*[32]byte)(p["node-id-b"]))
	if !bytes.Equal(ini[:], p["initiator-key"]) || !bytes.Equal(rec[:], p["recipient-key"]) {
		t.Errorf("DeriveKeys = %x, %x, want %x, %x", ini, rec, p["initiator-key"], p["recipient-key"])
	}
}

func TestVectorIDSignature(t *testing.T) {
	p := loadVectors(t).primitive(t, "ID Nonce Signing")
	digest := IDSignatureDigest(p["challenge-data"], (*[33]byte)(p["ephemeral-pubkey"]),
		(*[32]byte)(p["node-id-B"]))
	// The signatures of this vector and of decred are both deterministic, by RFC 6979.
	sig := ecdsa.SignCompact(secp256k1.PrivKeyFromBytes(p["static-key"]), digest[:], true)[1:]
	if !bytes.Equal(sig, p["id-signature"]) {
		t.Errorf("signature over the digest = %x, want %x", sig, p["id-signature"])
	}
}

// TestVectorMask unmasks the headers of the published packets with each implementation.
func TestVectorMask(t *testing.T) {
	for _, v := range loadVectors(t).Packets {
		packet := unhex(t, v.Packet)
		id := (*[32]byte)(unhex(t, v.DestID))
		for name, xor := range maskers(id) {
			header := bytes.Clone(packet[16:])
			xor(header, (*[16]byte)(packet), 0)
			if !bytes.HasPrefix(header, []byte("discv5\x00\x01")) {
				t.Errorf("%s, %s: header starts with %q", v.Name, name, header[:8])
			}
		}
	}
}
