package quote

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"short", `"short"`},
		{"a\n\x00é\xff", `"a\n\x00é\xff"`},
		{strings.Repeat("x", 100), `"` + strings.Repeat("x", 100) + `"`},
		{strings.Repeat("x", 101), `"` + strings.Repeat("x", 100) + `"...`},
		{strings.Repeat("\x00", 26), `"` + strings.Repeat(`\x00`, 25) + `"...`},
		{strings.Repeat("x", 99) + "éé", `"` + strings.Repeat("x", 99) + `"...`},
		{strings.Repeat("x", 1<<20), `"` + strings.Repeat("x", 100) + `"...`},
	} {
		if got := Text(c.in); got != c.want {
			t.Errorf("%q...: %s", c.in[:min(len(c.in), 30)], got)
		}
		if got := Text([]byte(c.in)); got != c.want {
			t.Errorf("bytes of %q...: %s", c.in[:min(len(c.in), 30)], got)
		}
	}
}

func TestShort(t *testing.T) {
	for in, want := range map[string]string{
		"": `""`, strings.Repeat("x", 24): `"` + strings.Repeat("x", 24) + `"`, strings.Repeat("b7", 32): `"` + strings.Repeat("b7", 12) + `"...`,
	} {
		if got := Short(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{strings.Repeat("x", 100), strings.Repeat("x", 100)},
		{strings.Repeat("x", 101), strings.Repeat("x", 100) + "..."},
		{strings.Repeat("x", 98) + "€€", strings.Repeat("x", 98) + "..."},
	} {
		if got := Cut(c.in); got != c.want {
			t.Errorf("%s: %s", c.in, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("text")
	f.Add(strings.Repeat("é\x00", 60))
	f.Fuzz(func(t *testing.T, s string) {
		q := Text(s)
		body, cut := strings.CutSuffix(q, "...")
		back, err := strconv.Unquote(body)
		if err != nil || len(body) > Max+2 || cut != (back != s) || !strings.HasPrefix(s, back) {
			t.Fatalf("%q: %s", s, q)
		}
		if c := Cut(s); len(c) > Max+3 || utf8.ValidString(s) && !utf8.ValidString(c) {
			t.Fatalf("%q: %q", s, c)
		}
	})
}

func TestLine(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"  a\n b\t c ", "a b c"},
		{`parsing "a  b": bad`, `parsing "a b": bad`},
		{"open /" + long + ": no such file", "open /" + long[:99] + "... no such file"},
		{`parsing "` + long + `" as time`, `parsing "` + long[:99] + "... as time"},
		{`parsing "` + strings.Repeat(`\" x `, 1000) + `" as time`, `parsing "` + strings.Repeat(`\" x `, 20)[:99] + "... as time"},
		{`an odd " quote`, `an odd " quote`},
	} {
		if got := Line(c.in); got != c.want {
			t.Errorf("%.40q: %d bytes: %.300q", c.in, len(got), got)
		}
	}
	if got := Line(strings.Repeat("ab ", 10000)); len(got) > longLine+3 || !strings.HasPrefix(got, "ab ab ") {
		t.Errorf("%d bytes: %.300q", len(got), got)
	}
}
