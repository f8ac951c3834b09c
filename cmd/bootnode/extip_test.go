package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/hostaddr"
)

type fakeMachine struct {
	list   []hostaddr.Addr
	source string
}

func (m fakeMachine) Addrs() ([]hostaddr.Addr, error) { return m.list, nil }
func (m fakeMachine) Source(netip.Addr) netip.Addr    { return netip.MustParseAddr(m.source) }
func ownAddr(s string, set func(*hostaddr.Addr)) fakeMachine {
	a := hostaddr.Addr{Prefix: netip.MustParsePrefix(s)}
	if set != nil {
		set(&a)
	}
	return fakeMachine{list: []hostaddr.Addr{a}, source: "91.9.9.9"}
}

// A warning names an --extip of this machine where the node does not answer, or will not for long.
func TestExtIPWarnings(t *testing.T) {
	const v4, v6 = "91.1.1.1/24", "2a00::1/64"
	for _, c := range []struct {
		name, named string
		m           fakeMachine
		listen      string
		knows       bool
		want        string // part of the warning; empty for none
	}{
		{"of another machine", "91.2.2.2:9000", ownAddr(v4, nil), "0.0.0.0:9000", true, ""},
		{"wildcard", "91.1.1.1:9000", ownAddr(v4, nil), "0.0.0.0:9000", true, ""},
		{"bound", "91.1.1.1:9000", ownAddr(v4, nil), "91.1.1.1:9000", false, ""},
		{"another one bound", "91.1.1.1:9000", ownAddr(v4, nil), "91.1.1.7:9000", false, "no --addr listens"},
		{"the other family's wildcard", "91.1.1.1:9000", ownAddr(v4, nil), "[::]:9000", true, "no --addr listens"},
		{"a system that cannot tell", "91.1.1.1:9000", ownAddr(v4, nil), "0.0.0.0:9000", false, "this system answers from another"},
		{"deprecated", "[2a00::1]:9000", ownAddr(v6, func(a *hostaddr.Addr) { a.Deprecated = true }), "[::]:9000", true, "deprecated"},
		{"temporary", "[2a00::1]:9000", ownAddr(v6, func(a *hostaddr.Addr) { a.Temporary = true }), "[::]:9000", true, "temporary"},
		{"tentative", "[2a00::1]:9000", ownAddr(v6, func(a *hostaddr.Addr) { a.Tentative = true }), "[::]:9000", true, "another host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(endpointWarnings([]netip.AddrPort{netip.MustParseAddrPort(c.named)},
				[]listener{{netip.MustParseAddrPort(c.listen), c.knows}}, c.m), "\n")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("warning %q, want %q", got, c.want)
			}
		})
	}
}
