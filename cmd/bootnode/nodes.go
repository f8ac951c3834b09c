package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/store"
)

const (
	// maxSeeds bounds the nodes of the store that a start begins with. They are contacted all at once.
	maxSeeds = 128
	// resolveTimeout bounds the search for the address of one host name.
	resolveTimeout = 5 * time.Second
)

// parseBootnodes reads the entries of --bootnodes. Errors name the entry by its number, counted over all lists.
func parseBootnodes(ctx context.Context, o *options) ([]discv5.Contact, error) {
	var list []discv5.Contact
	n := 0
	for _, given := range o.bootnodes {
		for entry := range strings.SplitSeq(given, ",") {
			if entry = strings.TrimSpace(entry); entry == "" {
				continue // a comma too many
			}
			n++
			c, err := parseContact(ctx, entry, o)
			if err != nil {
				return nil, fmt.Errorf("bootnode %d: %w", n, err)
			}
			list = append(list, c)
		}
	}
	return list, nil
}

func parseContact(ctx context.Context, s string, o *options) (discv5.Contact, error) {
	var none discv5.Contact
	switch {
	case strings.HasPrefix(s, "enr:"):
		r, err := enr.ParseText(s)
		if err != nil {
			return none, usageError{err}
		}
		_, v4 := r.UDPEndpoint4()
		if _, v6 := r.UDPEndpoint6(); !v4 && !v6 {
			return none, usageError{errors.New("record has no UDP address")}
		}
		return discv5.Contacts(r)[0], nil
	case strings.HasPrefix(s, "enode://"):
		e, err := enr.ParseEnode(s)
		if err != nil {
			return none, usageError{err}
		}
		if e.UDP == 0 {
			return none, usageError{errors.New("enode URL has no UDP port")}
		}
		ip := e.Addr
		if !ip.IsValid() {
			if ip, err = resolve(ctx, e.Host, o); err != nil {
				return none, err
			}
		}
		return discv5.ContactOf(e, netip.AddrPortFrom(ip, e.UDP))
	}
	return none, usageError{fmt.Errorf("%q begins with neither enr: nor enode://", shorten(s))}
}

// resolve finds the address of a host name, of a family that there is a socket for.
func resolve(ctx context.Context, host string, o *options) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range addrs {
		if a = a.Unmap(); o.listens(a.Is4()) {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("host %s has no address of a family that --addr has", host)
}

func shorten(s string) string {
	if len(s) > 24 {
		return s[:24] + "..."
	}
	return s
}

// seeds are the nodes of the store that were seen last.
func seeds(st *store.Store) (list []discv5.Contact, skipped int, err error) {
	nodes, skipped, err := st.Nodes(maxSeeds)
	for _, n := range nodes {
		list = append(list, discv5.Contacts(n.Record)...)
	}
	return list, skipped, err
}

// keeper saves what a node knows.
type keeper struct {
	node  *discv5.Node
	store *store.Store
	epoch time.Time // when the node was made: its times count from there
}

// save writes what has changed, or all of it, and returns the number of nodes written.
func (k *keeper) save(all bool) (int, error) {
	if err := k.store.SaveLocal(k.node.LocalRecord()); err != nil {
		return 0, err
	}
	var nodes []store.Entry
	for n, s := range k.node.NodeTable().All() {
		if s.Live {
			nodes = append(nodes, store.Entry{ID: n.ID, Seq: n.Seq, Record: n.Record, Seen: k.epoch.Add(s.LastSeen)})
		}
	}
	return k.store.SaveNodes(nodes, all)
}
