package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExitCode(t *testing.T) {
	usage := Usagef("--addr: %w", fs.ErrNotExist)
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, ExitOK},
		{"usage of none", Usage(nil), ExitOK},
		{"other", fs.ErrNotExist, ExitFailed},
		{"usage", usage, ExitUsage},
		{"wrapped", fmt.Errorf("argument 1: %w", usage), ExitUsage},
		{"joined", errors.Join(errors.New("x"), usage), ExitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ExitCode(c.err); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
			if c.want == ExitUsage && !errors.Is(c.err, fs.ErrNotExist) {
				t.Error("a usage error does not wrap its cause")
			}
			if help := c.err != nil && strings.HasSuffix(WithHelp(c.err, "x").Error(), "; see x --help"); help != (c.want == ExitUsage) {
				t.Errorf("hint at --help: %v", help)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		packages         []string
	}{
		{"plain", "a: b", "a: b", nil},
		{"lines", "a\nb\r\n\tc", "a b c", nil},
		{"control characters", "a\x1b[31mb\x7f", "a?[31mb?", nil},
		{"package at the start", "discv5: no answer", "no answer", []string{"discv5"}},
		{"package after a colon", "argument 1: discv5: no answer", "argument 1: no answer", []string{"discv5"}},
		{"package in a word", "mydiscv5: no answer", "mydiscv5: no answer", []string{"discv5"}},
		{"two packages", "load: x: enr: y", "x: y", []string{"load", "enr"}},
		{"package twice", "load: load: y", "y", []string{"load"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := OneLine(errors.New(c.text), c.packages...); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if got := OneLine(nil); got != "" {
		t.Errorf("no error is %q", got)
	}
	if got := OneLine(errors.New(strings.Repeat("x", 1<<20))); len(got) > 4096 {
		t.Errorf("a long word has %d bytes", len(got))
	}
	var b strings.Builder
	PrintError(&b, "sim", errors.New("discv5: a\nb"), "discv5")
	if b.String() != "sim: a b\n" {
		t.Errorf("%q", b.String())
	}
}

func TestSplitList(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil, ",": nil, "a": {"a"}, " a , b,": {"a", "b"}, "a,,b": {"a", "b"}, "a b": {"a b"},
	} {
		if got := SplitList(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestParseListenAddr(t *testing.T) {
	for _, c := range []struct {
		text, addr, ipv6 string
		err              error
	}{
		{"192.0.2.1:9000", "192.0.2.1:9000", "", nil},
		{"[::ffff:192.0.2.1]:9000", "192.0.2.1:9000", "", nil},
		{"[2001:db8::1]:0", "[2001:db8::1]:0", "", nil},
		{":9000", "0.0.0.0:9000", "[::]:9000", nil},
		{":65536", "", "", ErrPort},
		{":", "", "", ErrPort},
		{":-1", "", "", ErrPort},
		{"localhost:1", "", "", ErrListenAddr},
		{"192.0.2.1", "", "", ErrListenAddr},
		{"", "", "", ErrListenAddr},
	} {
		t.Run(c.text, func(t *testing.T) {
			addr, ipv6, err := ParseListenAddr(c.text)
			checkAddr(t, addr, err, c.addr, c.err)
			if want := addrPort(c.ipv6); ipv6 != want {
				t.Errorf("IPv6 %v, want %v", ipv6, want)
			}
		})
	}
}

func TestParseExternalAddr(t *testing.T) {
	for _, c := range []struct {
		text, addr string
		err        error
	}{
		{"192.0.2.1", "192.0.2.1:0", nil},
		{"::ffff:192.0.2.1", "192.0.2.1:0", nil},
		{"192.0.2.1:9000", "192.0.2.1:9000", nil},
		{"2001:db8::1", "[2001:db8::1]:0", nil},
		{"[2001:db8::1]", "[2001:db8::1]:0", nil},
		{"[2001:db8::1]:9000", "[2001:db8::1]:9000", nil},
		{"192.0.2.1:0", "", ErrPortZero},
		{"0.0.0.0", "", ErrUnreachable},
		{"[::]:9000", "", ErrUnreachable},
		{"224.0.0.1", "", ErrUnreachable},
		{"ff02::1", "", ErrUnreachable},
		{"fe80::1%eth0", "", ErrExternalAddr},
		{"example.org", "", ErrExternalAddr},
		{"", "", ErrExternalAddr},
	} {
		t.Run(c.text, func(t *testing.T) {
			addr, err := ParseExternalAddr(c.text)
			checkAddr(t, addr, err, c.addr, c.err)
		})
	}
}

func checkAddr(t *testing.T, got netip.AddrPort, err error, want string, wantErr error) {
	t.Helper()
	if !errors.Is(err, wantErr) || wantErr == nil && got != addrPort(want) {
		t.Errorf("%v, %v; want %q, %v", got, err, want, wantErr)
	}
	if err != nil && !strings.HasPrefix(err.Error(), `"`) {
		t.Errorf("%v does not quote the value", err)
	}
}

func addrPort(s string) netip.AddrPort {
	a, _ := netip.ParseAddrPort(s)
	return a
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0.5": 500 * time.Millisecond, "2m": 2 * time.Minute, "1h30m": 90 * time.Minute, "3": 3 * time.Second,
	} {
		var s Seconds
		if err := s.Set(text); err != nil || time.Duration(s) != want || s.String() != want.String() {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "-1", "-1s", "soon", "1e10", "NaN", "Inf"} {
		var s Seconds
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %v", text, s.String())
		}
	}
}
