package enr

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParsePrivateKeyHex(t *testing.T) {
	digits := strings.TrimPrefix(example.PrivateKey, "0x")
	for _, s := range []string{digits, "0x" + digits, "0X" + strings.ToUpper(digits), digits + "\n", digits + "\r\n", digits + "\n\n"} {
		k, err := ParsePrivateKeyHex(s)
		if err != nil || "0x"+k.ID().String() != "0x"+strings.TrimPrefix(example.NodeID, "0x") {
			t.Errorf("%q: %v", s, err)
		}
	}
	for name, s := range map[string]string{
		"empty":            "",
		"63 digits":        digits[1:],
		"65 digits":        digits + "0",
		"three line feeds": digits + "\n\n\n",
		"line feed first":  "\n" + digits,
		"space":            digits + " ",
		"no hexadecimal":   digits[:63] + "g",
		"zero":             strings.Repeat("0", 64),
		"group order":      "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
		"prefix twice":     "0x0x" + digits[2:],
	} {
		if k, err := ParsePrivateKeyHex(s); err != ErrPrivateKey || k != nil {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := ParsePrivateKey(make([]byte, n)); err != ErrPrivateKey {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestPrivateKeyCopies(t *testing.T) {
	k := testKey(t, 1)
	b := k.Bytes()
	again, err := ParsePrivateKey(b[:])
	if err != nil {
		t.Fatal(err)
	}
	clear(b[:])
	if again.Bytes() != k.Bytes() || again.ID() != k.ID() || again.PublicKey() != k.PublicKey() {
		t.Error("key shares the caller's bytes")
	}
}

// TestPrivateKeyHidden: no verb shows the scalar.
func TestPrivateKeyHidden(t *testing.T) {
	k, err := ParsePrivateKeyHex(example.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := struct{ Key *PrivateKey }{k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U"} {
		for _, arg := range []any{k, *k, &k, wrapped, []PrivateKey{*k}} {
			got := strings.ToLower(fmt.Sprintf(verb, arg))
			if strings.Contains(got, "b71c71") || strings.Contains(got, "183 28 113") || strings.Contains(got, "0xb7, 0x1c") {
				t.Errorf("%s of %T: %s", verb, arg, got)
			}
		}
	}
	if got := k.String(); !strings.Contains(got, k.ID().Short()) {
		t.Errorf("String %q", got)
	}
}

type constReader byte

func (c constReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(c)
	}
	return len(b), nil
}

func TestGenerateKey(t *testing.T) {
	a, b := testKey(t, 1), testKey(t, 2)
	if a.ID() == b.ID() || a.ID() != testKey(t, 1).ID() {
		t.Error("keys do not follow from the source")
	}
	if _, err := GenerateKey(strings.NewReader("too short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short source: %v", err)
	}
	// Values out of range are skipped, and a source of only such values does not hang.
	if k, err := GenerateKey(io.MultiReader(strings.NewReader(strings.Repeat("\xff", 32)), rand.NewChaCha8([32]byte{1}))); err != nil || k.ID() != a.ID() {
		t.Errorf("after a bad value: %v, %v", k, err)
	}
	if _, err := GenerateKey(constReader(0)); err != ErrPrivateKey {
		t.Errorf("zeros: %v", err)
	}
}

func TestKeyAgreement(t *testing.T) {
	a, b := testKey(t, 1), testKey(t, 2)
	pubA, pubB := a.PublicKey(), b.PublicKey()
	ab, err1 := a.ECDH(&pubB)
	ba, err2 := b.ECDH(&pubA)
	if err1 != nil || err2 != nil || ab != ba {
		t.Errorf("%x, %v; %x, %v", ab, err1, ba, err2)
	}
	if _, err := a.ECDH(new([33]byte)); err != ErrPublicKey {
		t.Errorf("bad public key: %v", err)
	}
	var zero PrivateKey
	if _, err := zero.ECDH(&pubA); err != ErrPrivateKey {
		t.Errorf("ECDH of zero key: %v", err)
	}
	if _, err := zero.Sign(new([32]byte)); err != ErrPrivateKey {
		t.Errorf("Sign of zero key: %v", err)
	}
	if id, err := PublicKeyID(&pubA); err != nil || id != a.ID() {
		t.Errorf("ID %v, %v", id, err)
	}
}

// TestGenerateKeySelfTest: no key is made if the arithmetic is wrong.
func TestGenerateKeySelfTest(t *testing.T) {
	defer func(f func() error) { selfTest = f }(selfTest)
	selfTest = func() error { return ErrSelfTest }
	if k, err := GenerateKey(rand.NewChaCha8([32]byte{1})); !errors.Is(err, ErrSelfTest) || k != nil {
		t.Errorf("%v, %v", k, err)
	}
}
