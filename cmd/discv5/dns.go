package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

const (
	// listRecords is how many nodes of a list serve as bootnodes. They are chosen by chance.
	listRecords = 64
	// listTimeout is how long a list may take that serves for bootnodes. What has come by then is
	// used.
	listTimeout = 30 * time.Second
)

// dnsFlag adds the flag for a name server.
func dnsFlag(f *pflag.FlagSet, value *string) {
	f.StringVar(value, "dns", "", "name server `HOST:PORT` to ask instead of those of the system")
}

// parseDNS makes the resolver that --dns asks for.
func parseDNS(server string) (*nameServer, error) {
	if server == "" {
		return systemNames, nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" {
		return nil, wrong("%s: want HOST:PORT or [IPv6]:PORT", quote.Short(server))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, wrong("%s: port is not a number from 1 to 65535", quote.Short(server))
	}
	return &nameServer{&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}, server}, nil
}

// nameServer is a resolver whose errors name the server that was asked. The library names one of
// the system's.
type nameServer struct {
	*net.Resolver
	server string // "": those of the system
}

// systemNames asks whom the system asks.
var systemNames = &nameServer{net.DefaultResolver, ""}

// LookupTXT is that of net.Resolver.
func (n *nameServer) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, err := n.Resolver.LookupTXT(ctx, name)
	return texts, n.named(err)
}

// LookupNetIP is that of net.Resolver.
func (n *nameServer) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	found, err := n.Resolver.LookupNetIP(ctx, network, host)
	return found, n.named(err)
}

func (n *nameServer) named(err error) error {
	var d *net.DNSError
	if n.server != "" && errors.As(err, &d) && d.Server != "" {
		d.Server = n.server
	}
	return err
}

// list makes targets of some of the nodes of a list. where is the place of its URL.
func (n *network) list(ctx context.Context, where, url string) ([]target, error) {
	if _, err := dnsdisc.ParseLink(url); err != nil {
		return nil, usageError{err}
	}
	timed, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	client := dnsdisc.Client{Resolver: n.names, Limits: dnsdisc.Limits{Records: listRecords}}
	records, err := client.Resolve(timed, url)
	var list []target
	for _, r := range records {
		if to, err := recordTarget(r); err == nil {
			to.contact = discv5.ListedContacts(r)[0]
			list = append(list, to)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(list) > 0:
		if err != nil {
			n.t.note("discv5: %s: %s", where, oneLine(err))
		}
		return list, nil
	case err != nil:
		return nil, err
	case len(records) > 0:
		return nil, errors.New("no node of the list has a UDP address")
	}
	return nil, errors.New("the list is empty")
}

// newRecords tells records that have not been seen, nor a newer one of their node.
type newRecords map[enr.ID]uint64

func (s newRecords) add(r *enr.Record) bool {
	seq, ok := s[r.ID()]
	if ok && r.Seq() <= seq {
		return false
	}
	s[r.ID()] = r.Seq()
	return true
}
