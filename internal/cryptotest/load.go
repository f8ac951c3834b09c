package cryptotest

import (
	"compress/gzip"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
)

//go:embed testdata/*.json.gz
var files embed.FS

// Load decodes the file testdata/NAME.json.gz into v.
func Load(t testing.TB, name string, v any) {
	t.Helper()
	f, err := files.Open("testdata/" + name + ".json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := json.NewDecoder(z).Decode(v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Hex is a byte string in hexadecimal digits in JSON.
type Hex []byte

// UnmarshalText decodes hexadecimal digits.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// Number is a number below 2^256, big-endian, in hexadecimal digits without leading zeros in JSON.
type Number [32]byte

// UnmarshalText decodes hexadecimal digits.
func (n *Number) UnmarshalText(text []byte) error {
	x, ok := new(big.Int).SetString(string(text), 16)
	if !ok || x.Sign() < 0 || x.BitLen() > 256 {
		return fmt.Errorf("%q is not a number below 2^256", text)
	}
	x.FillBytes(n[:])
	return nil
}

// Wycheproof is a Wycheproof file: groups with common parameters, of type G, and tests, of type T.
type Wycheproof[G, T any] struct {
	Groups []struct {
		Params G
		Tests  []T
	}
}

// UnmarshalJSON decodes a file whose groups have their parameters and tests side by side.
func (w *Wycheproof[G, T]) UnmarshalJSON(b []byte) error {
	var file struct{ Groups []json.RawMessage }
	if err := json.Unmarshal(b, &file); err != nil {
		return err
	}
	w.Groups = make([]struct {
		Params G
		Tests  []T
	}, len(file.Groups))
	for i, raw := range file.Groups {
		tests := struct{ Tests *[]T }{&w.Groups[i].Tests}
		if err := json.Unmarshal(raw, &tests); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &w.Groups[i].Params); err != nil {
			return err
		}
	}
	return nil
}

// Counts is the number of cases of each kind that a test ran.
type Counts map[string]int

// Check fails the test if the counts differ from want.
func (c Counts) Check(t testing.TB, want Counts) {
	t.Helper()
	for kind, n := range want {
		if c[kind] != n {
			t.Errorf("%d cases of %q, want %d", c[kind], kind, n)
		}
	}
	for kind, n := range c {
		if _, known := want[kind]; !known {
			t.Errorf("%d cases of %q, want none", n, kind)
		}
	}
}
