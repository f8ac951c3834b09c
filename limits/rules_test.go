package limits

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseRules(t *testing.T) {
	rules, err := ParseRules(strings.NewReader("\n# comment\n 192.0.2.0/24 # a network\r\n2001:db8::1\t12h\n0x" + strings.ToUpper(id1) + " 30d#x\n192.0.2.77/24 1h30m"))
	must(t, err)
	want := []Rule{
		{target("192.0.2.0/24"), 0, 3}, {target("2001:db8::1"), 12 * time.Hour, 4},
		{target(id1), 720 * time.Hour, 5}, {target("192.0.2.0/24"), 90 * time.Minute, 6},
	}
	if !slices.Equal(rules, want) {
		t.Errorf("got %v\nwant %v", rules, want)
	}
	if rules, err := ParseRules(strings.NewReader("")); err != nil || len(rules) != 0 {
		t.Errorf("an empty file: %v, %v", rules, err)
	}
}

func TestParseRulesErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		line int
		err  error
	}{
		{"192.0.2.1\n192.0.2.256", 2, ErrTarget},
		{"example.org", 1, ErrTarget},
		{"fe80::1%eth0", 1, ErrTarget},
		{"fe80::%eth0/64", 1, ErrTarget},
		{"192.0.2.0/33", 1, ErrTarget},
		{"192.0.2.0/-1", 1, ErrTarget},
		{"192.0.2.0/024", 1, ErrTarget},
		{"/24", 1, ErrTarget},
		{"12h", 1, ErrTarget},
		{id1[1:], 1, ErrTarget},
		{id1 + "ab", 1, ErrTarget},
		{"zz" + id1[2:], 1, ErrTarget},
		{"\n\n::1 12", 3, ErrDuration},
		{"::1 0s", 1, ErrDuration},
		{"::1 -1h", 1, ErrDuration},
		{"::1 0d", 1, ErrDuration},
		{"::1 1.5d", 1, ErrDuration},
		{"::1 -1d", 1, ErrDuration},
		{"::1 106752d", 1, ErrDuration}, // more than 292 years
		{"::1 99999999999999999999d", 1, ErrDuration},
		{"::1 1h ::2", 1, errFields},
		{"::1\n" + strings.Repeat("x", 70000), 2, nil},
	} {
		rules, err := ParseRules(strings.NewReader(tt.text))
		var e *RuleError
		if !errors.As(err, &e) || e.Line != tt.line || tt.err != nil && !errors.Is(err, tt.err) || rules != nil {
			t.Errorf("%.40q: %v, %v; want line %d, %v", tt.text, rules, err, tt.line, tt.err)
		}
		if err != nil && len(err.Error()) > 250 {
			t.Errorf("%.40q: an error of %d bytes", tt.text, len(err.Error()))
		}
	}
	_, err := ParseRules(strings.NewReader("::1\nbad line"))
	if got := err.Error(); !strings.Contains(got, `line 2: "bad line"`) {
		t.Errorf("error %q does not name the line", got)
	}
}

func TestTargetForms(t *testing.T) {
	for in, out := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1/32": "192.0.2.1", "192.0.2.1/8": "192.0.0.0/8", "::ffff:192.0.2.1": "192.0.2.1",
		"::ffff:192.0.2.0/120": "192.0.2.0/24", "::ffff:0:0/96": "0.0.0.0/0", "::/0": "::/0", "2001:DB8::/32": "2001:db8::/32",
		"2001:db8::1/128": "2001:db8::1", "0x" + id1: id1, id1: id1, "0.0.0.0/0": "0.0.0.0/0",
	} {
		if got := target(in).String(); got != out {
			t.Errorf("%s is %s, want %s", in, got, out)
		}
	}
	if _, ok := target(id1).Prefix(); ok || target("::1").node {
		t.Error("a target is of two kinds")
	}
	for a, want := range map[Action]string{Ban: "ban", Permit: "permit", within: "action2"} {
		if a.String() != want {
			t.Errorf("action %d is %q", a, a.String())
		}
	}
	for v, want := range []string{"neutral", "permitted", "banned", "outside", "unknown"} {
		if got := Verdict(v).String(); got != want {
			t.Errorf("verdict %d is %q", v, got)
		}
	}
}
