package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
)

// hostTimeout bounds the search for the address of one host name.
const hostTimeout = 5 * time.Second

// target is a node that a request goes to.
type target struct {
	contact discv5.Contact
	v4, v6  netip.AddrPort // where it is; the zero value where it has no address of a family
}

// id is the target's node ID.
func (t target) id() enr.ID { return t.contact.ID() }

// addr is the address that a request goes to from a node with sockets of the given families.
func (t target) addr(listen []netip.AddrPort) netip.AddrPort {
	for _, a := range listen {
		if a.Addr().Is4() && t.v4.IsValid() {
			return t.v4
		}
	}
	return t.v6
}

// loopback reports whether the target is on this machine.
func (t target) loopback() bool {
	return (!t.v4.IsValid() || t.v4.Addr().IsLoopback()) && (!t.v6.IsValid() || t.v6.Addr().IsLoopback())
}

// recordTarget makes a target of a record.
func recordTarget(r *enr.Record) (target, error) {
	to := target{contact: discv5.Contacts(r)[0]}
	to.v4, _ = r.UDPEndpoint4()
	to.v6, _ = r.UDPEndpoint6()
	if !to.v4.IsValid() && !to.v6.IsValid() {
		return to, wrong("record has no UDP address")
	}
	return to, nil
}

// parseTarget reads a record or an enode URL. only, if not empty, are the listen addresses given: a host name is looked up
// with names for an address of one of their families.
func parseTarget(ctx context.Context, names *nameServer, s string, only []netip.AddrPort) (target, error) {
	if strings.HasPrefix(s, dnsdisc.LinkPrefix) {
		return target{}, wrong("this is a list of nodes, not a node; see discv5 dns --help")
	}
	if !strings.HasPrefix(s, "enode://") {
		r, err := parseRecord(s)
		if err != nil {
			return target{}, err
		}
		return recordTarget(r)
	}
	e, err := enr.ParseEnode(s)
	if err != nil {
		return target{}, usageError{err}
	}
	if e.UDP == 0 {
		return target{}, wrong("enode URL has no UDP port")
	}
	ip := e.Addr
	if !ip.IsValid() {
		if ip, err = lookupHost(ctx, names, e.Host, only); err != nil {
			return target{}, err
		}
	}
	at := netip.AddrPortFrom(ip, e.UDP)
	c, err := discv5.ContactOf(e, at)
	if err != nil {
		return target{}, usageError{err}
	}
	to := target{contact: c}
	if ip.Is4() {
		to.v4 = at
	} else {
		to.v6 = at
	}
	return to, nil
}

// lookupHost finds the address of a host name, IPv4 before IPv6.
func lookupHost(ctx context.Context, names *nameServer, host string, only []netip.AddrPort) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	found, err := names.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	var best netip.Addr
	for _, a := range found {
		a = a.Unmap()
		if usable(a, only) && (!best.IsValid() || a.Is4() && !best.Is4()) {
			best = a
		}
	}
	if !best.IsValid() {
		return best, fmt.Errorf("host %s has no address of a family that --addr has", host)
	}
	return best, nil
}

func usable(a netip.Addr, only []netip.AddrPort) bool {
	for _, o := range only {
		if o.Addr().Is4() == a.Is4() {
			return true
		}
	}
	return len(only) == 0
}
