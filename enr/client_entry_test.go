package enr

import "testing"

// TestClient: the examples of EIP-7636, and values that do not fit.
func TestClient(t *testing.T) {
	key := testKey(t, 1)
	for _, c := range []Client{{"Geth", "1.10.0", ""}, {"Nethermind", "1.9.53", "7fcb567"}} {
		r, err := NewBuilder().SetClient(c).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := r.View().Client(); !ok || got != c {
			t.Errorf("%v, want %v", got, c)
		}
	}
	if s := (Client{"Nethermind", "1.9.53", "7fcb567"}).String(); s != "Nethermind/1.9.53/7fcb567" {
		t.Error(s)
	}
	for name, value := range map[string][]byte{
		"text": {0x84, 'G', 'e', 't', 'h'}, "empty list": {0xc0}, "list of a list": {0xc1, 0xc0},
	} {
		r, err := NewBuilder().Set("client", value).Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := r.View().Client(); ok {
			t.Errorf("%s: %v", name, c)
		}
	}
	r, err := NewBuilder().Set("client", []byte{0xc4, 0x81, 0xff, 1, 0xc0}).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.View().Client(); ok {
		t.Error("a build that is a list")
	}
}
