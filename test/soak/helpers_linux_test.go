package soak

import (
	"context"
	"net"
	"testing"

	"github.com/fastdisc/discv5/internal/load"
)

// prepare makes a generator for the target, with its sessions.
func prepare(t *testing.T, x *target, cfg load.Config) *load.Generator {
	t.Helper()
	cfg.Target = x.to
	g, err := load.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := g.Prepare(ctx, nil); err != nil {
		t.Fatal(err)
	}
	return g
}

// hasIPv6 reports whether there is an IPv6 loopback address.
func hasIPv6() bool {
	c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		return false
	}
	c.Close()
	return true
}
