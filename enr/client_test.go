package enr

import "testing"

func TestClientName(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value string // RLP; "": no entry
		want  string
		ok    bool
	}{
		{"none", "", "", false},
		{"list", list(str("name"), str("1.0")), "name", true},
		{"list with build", list(str("name"), str("1.0"), str("abc")), "name", true},
		{"text", str("name/1.0"), "name/1.0", true},
		{"markup and control characters", list(str("<b>\x00\u202e"), str("1")), "<b>\x00\u202e", true},
		{"invalid UTF-8", str("\xff\xfe"), "\xff\xfe", true},
		{"empty name", list(str(""), str("")), "", true},
		{"empty list", list(), "", false},
		{"list of lists", list(list(str("name")), str("1")), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := NewBuilder()
			if tt.value != "" {
				b.Set("client", []byte(tt.value))
			}
			r, err := b.Sign(testKey(t, 1))
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := r.ClientName(); got != tt.want || ok != tt.ok {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
}
