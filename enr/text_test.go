package enr

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

func TestTextRejects(t *testing.T) {
	text := example.Text
	last := text[len(text)-1:]
	trailing := append(bytes.Clone(mustParse(t, text).Bytes()), 0)
	if got, err := ParseText(strings.TrimPrefix(text, "enr:")); err != nil || got.String() != text {
		t.Errorf("without prefix: %v, %v", got, err)
	}
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"empty":               {"", ErrTruncated},
		"prefix only":         {"enr:", ErrTruncated},
		"prefix twice":        {"enr:" + text, ErrText},
		"upper-case prefix":   {"ENR" + text[3:], ErrText},
		"padding":             {text + "=", ErrText},
		"line feed at end":    {text + "\n", ErrText},
		"line feed inside":    {text[:40] + "\r\n" + text[40:], ErrText},
		"space in front":      {" " + text, ErrText},
		"other alphabet":      {strings.ReplaceAll(text, "_", "/"), ErrText},
		"unused bits set":     {strings.TrimSuffix(text, last) + "9", ErrText},
		"too long":            {"enr:" + strings.Repeat("A", 401), ErrTooLarge},
		"very long":           {strings.Repeat("enr:", 1<<20), ErrTooLarge},
		"cut":                 {text[:104], ErrTruncated},
		"trailing":            {"enr:" + base64.RawURLEncoding.EncodeToString(trailing), ErrTrailing},
		"other base64 length": {"enr:A", ErrText},
	} {
		if _, err := ParseText(c.in); err != c.want {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func mustParse(t testing.TB, text string) *Record {
	t.Helper()
	r, err := ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTextLongest(t *testing.T) {
	b := NewBuilder().SetBytes("a", make([]byte, 177))
	r, err := b.Sign(testKey(t, 1))
	if err != nil || len(r.Bytes()) != MaxSize {
		t.Fatalf("%d bytes, %v", len(r.Bytes()), err)
	}
	if got, err := ParseText(r.String()); err != nil || got.String() != r.String() || len(r.String()) != MaxTextSize {
		t.Errorf("%d characters, %v", len(r.String()), err)
	}
	if _, err := b.SetBytes("a", make([]byte, 178)).Sign(testKey(t, 1)); err != ErrTooLarge {
		t.Errorf("one byte more: %v", err)
	}
}

func TestJSON(t *testing.T) {
	type file struct {
		Record *Record
		ID     ID
	}
	in := file{mustParse(t, example.Text), mustParse(t, example.Text).ID()}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out file
	if err := json.Unmarshal(b, &out); err != nil || !out.Record.Equal(in.Record.View()) || out.ID != in.ID {
		t.Errorf("%s gives %v, %v", b, out, err)
	}
	before := *out.Record
	if err := out.Record.UnmarshalText([]byte("enr:x")); err == nil || !out.Record.Equal(before.View()) {
		t.Errorf("failed UnmarshalText changed the record (%v)", err)
	}
}

// FuzzText: an accepted text is the only text of its record, except for the prefix.
func FuzzText(f *testing.F) {
	for _, text := range liveRecords(f) {
		f.Add(text)
	}
	f.Add(example.Text)
	f.Add(strings.TrimPrefix(example.Text, "enr:"))
	f.Add(example.Text + "\n")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseText(s)
		if err != nil {
			if r != nil {
				t.Fatal("record and error")
			}
			return
		}
		if text := r.String(); text != s && text != "enr:"+s {
			t.Fatalf("%q writes back as %q", s, text)
		}
	})
}
