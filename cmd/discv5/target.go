package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

// target is a node to send requests to.
type target struct {
	contact discv5.Contact // not valid while listed is set
	v4, v6  netip.AddrPort // zero if the node has no address of a family
	listed  *listedRecord
	enode   string // URL with an address, if the target has no record
}

// listedRecord is a record of a nodes.json with an unchecked signature.
type listedRecord struct {
	id   enr.ID
	view enr.View
}

// id returns the target's node ID.
func (t target) id() enr.ID {
	if t.listed != nil {
		return t.listed.id
	}
	return t.contact.ID()
}

// seq returns the sequence number of the target's record, and false if there is no record.
func (t target) seq() (uint64, bool) {
	if t.listed != nil {
		return t.listed.view.Seq(), true
	}
	if r := t.contact.Record(); r != nil {
		return r.Seq(), true
	}
	return 0, false
}

// verified returns the target after checking that its node has signed the record.
func (t target) verified() (target, error) {
	if t.listed == nil {
		return t, nil
	}
	r, err := t.listed.view.Own()
	if err != nil {
		return t, err
	}
	if r.ID() != t.listed.id {
		return t, fmt.Errorf("node %s has the record of %s", t.listed.id, r.ID())
	}
	return recordTarget(r)
}

// listedTarget returns the target for a record of node id with an unchecked signature.
func listedTarget(id enr.ID, v enr.View) (target, error) {
	to := target{listed: &listedRecord{id, v}}
	return to, to.locate(v)
}

// addr returns the address that a request goes to if the node has the given listen addresses.
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

// recordTarget returns the target for a record.
func recordTarget(r *enr.Record) (target, error) {
	to := target{contact: discv5.ContactOf(r)}
	return to, to.locate(r.View())
}

// locate sets the addresses to those of a record.
func (t *target) locate(v enr.View) error {
	t.v4, _ = v.UDPEndpoint4()
	t.v6, _ = v.UDPEndpoint6()
	if err := v.CheckUDP(); err != nil {
		return cli.Usage(err)
	}
	return nil
}

// parseTarget parses a record or an enode URL. It resolves a host name with names, to an address of
// a family of only, which holds the listen addresses that the user named. If only is empty, it
// takes any family.
func parseTarget(ctx context.Context, names *nameServer, s string, only []netip.AddrPort) (target, error) {
	if strings.HasPrefix(s, dnsdisc.LinkPrefix) {
		return target{}, cli.Usagef("this is a list of nodes, not a node; see discv5 dns --help")
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
		return target{}, cli.Usage(err)
	}
	if e.UDP == 0 {
		return target{}, cli.Usagef("enode URL has no UDP port")
	}
	ip := e.Addr
	if !ip.IsValid() {
		if ip, err = lookupHost(ctx, names, e.Host, only); err != nil {
			return target{}, err
		}
	}
	return enodeTarget(e, ip)
}

// enodeTarget returns the target for an enode URL at an address.
func enodeTarget(e enr.Enode, ip netip.Addr) (target, error) {
	at := netip.AddrPortFrom(ip, e.UDP)
	c, err := discv5.EnodeContact(e, at)
	if err != nil {
		return target{}, cli.Usage(err)
	}
	e.Addr, e.Host = ip, ip.String()
	to := target{contact: c, enode: e.String()}
	if ip.Is4() {
		to.v4 = at
	} else {
		to.v6 = at
	}
	return to, nil
}

// text returns the target's record, or its enode URL if there is no record.
func (t target) text() string {
	switch {
	case t.listed != nil:
		return t.listed.view.String()
	case t.contact.Record() != nil:
		return t.contact.Record().String()
	}
	return t.enode
}

// lookupHost returns an address of a host name. It prefers IPv4.
func lookupHost(ctx context.Context, names *nameServer, host string, only []netip.AddrPort) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, cli.HostTimeout)
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
