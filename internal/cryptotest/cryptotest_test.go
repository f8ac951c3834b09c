package cryptotest

import (
	"encoding/hex"
	"testing"
)

func TestParseDER(t *testing.T) {
	const r, s = "01", "00ff"
	for name, c := range map[string]struct {
		der string
		ok  bool
	}{
		"shortest form":    {"3007" + "0201" + r + "0202" + s, true},
		"length too long":  {"308107" + "0201" + r + "0202" + s, false},
		"padded integer":   {"3008" + "02020001" + "0202" + s, false},
		"negative integer": {"3006" + "0201" + r + "0201ff", false},
		"empty integer":    {"3006" + "0200" + "0202" + s, false},
		"byte after":       {"3007" + "0201" + r + "0202" + s + "00", false},
		"byte inside":      {"3008" + "0201" + r + "0202" + s + "00", false},
		"one integer":      {"3003" + "0201" + r, false},
		"cut":              {"3007" + "0201" + r + "0202", false},
		"empty":            {"", false},
	} {
		b, _ := hex.DecodeString(c.der)
		sig, ok := ParseDER(b)
		if ok != c.ok {
			t.Errorf("%s: %v", name, ok)
		}
		if ok && (sig[31] != 1 || sig[63] != 0xff || sig[62] != 0) {
			t.Errorf("%s: %x", name, sig)
		}
	}
}
