package main

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fastdisc/discv5/internal/netaddr"
)

// anyHost in --http-vhosts switches the check of host names off.
const anyHost = "*"

// hostGuard refuses requests that reach a loopback address under a name that is not known to lead
// there. A page in a browser on this machine can have its own name resolve to a loopback address
// (DNS rebinding), and would else read the answers. names are accepted besides localhost and
// loopback addresses.
func hostGuard(names []string, next http.Handler) http.Handler {
	if slices.Contains(names, anyHost) {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if arrivedAtLoopback(r) && !loopbackHost(r.Host) && !slices.ContainsFunc(names, sameHost(hostOf(r.Host))) {
			http.Error(rw, "this address serves localhost and the names of --http-vhosts only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

func sameHost(host string) func(string) bool {
	return func(name string) bool { return strings.EqualFold(name, host) }
}

// arrivedAtLoopback reports whether the request came in at a loopback address of this machine. A
// listener of all addresses has those too.
func arrivedAtLoopback(r *http.Request) bool {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && netaddr.ClassOf(a.AddrPort().Addr()) == netaddr.Loopback
}

// hostOf returns a Host header without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// loopbackHost reports whether a Host header names localhost or a loopback address.
func loopbackHost(host string) bool {
	name := hostOf(host)
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && netaddr.ClassOf(a) == netaddr.Loopback
}
