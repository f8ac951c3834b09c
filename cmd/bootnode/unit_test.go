package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/engine"
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

// The status line appears only if something has changed.
func TestReporter(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	r := newReporter(slog.New(slog.NewTextHandler(&out, nil)), now)
	var s discv5.Stats
	for _, c := range []struct {
		packets uint64
		want    string
	}{
		{0, ""}, {6000, "in_per_s=100"}, {6000, ""}, {6006, "in_per_s=0.1"},
	} {
		out.Reset()
		now = now.Add(time.Minute)
		s.Counters[engine.PacketsIn] = c.packets
		r.report(s, now)
		if got := out.String(); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("after %d packets: %q, want %q", c.packets, got, c.want)
		}
	}
}
