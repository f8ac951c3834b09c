package main

import (
	"net/netip"
	"strings"
	"testing"
)

func mustAddrs(list ...string) (addrs []netip.AddrPort) {
	for _, s := range list {
		addrs = append(addrs, netip.MustParseAddrPort(s))
	}
	return addrs
}

func TestListenAddresses(t *testing.T) {
	for _, c := range []struct {
		args                []string
		listen, ifSupported string
	}{
		{nil, "[0.0.0.0:9000]", "[[::]:9000]"},
		{[]string{"--addr", ":30303"}, "[0.0.0.0:30303]", "[[::]:30303]"},
		{[]string{"--addr", "0.0.0.0:1", "--addr", "[::]:2"}, "[0.0.0.0:1 [::]:2]", "[]"},
		{[]string{"--addr", "[::ffff:127.0.0.1]:1"}, "[127.0.0.1:1]", "[]"},
	} {
		o, err := load(c.args, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := join(o.listen); got != c.listen {
			t.Errorf("%v: listens on %s, want %s", c.args, got, c.listen)
		}
		if got := join(o.optional6); got != c.ifSupported {
			t.Errorf("%v: listens if it can on %s, want %s", c.args, got, c.ifSupported)
		}
	}
}

func join(list []netip.AddrPort) string {
	s := make([]string, len(list))
	for i, a := range list {
		s[i] = a.String()
	}
	return "[" + strings.Join(s, " ") + "]"
}
