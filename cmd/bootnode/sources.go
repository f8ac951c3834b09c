package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
)

// maxSources bounds the entries of the bootnodes. All are contacted at once.
const maxSources = 512

// source is an entry of the bootnodes: a contact, or something that DNS has to be asked about.
type source struct {
	text    string
	where   string          // how the log names it
	contact *discv5.Contact // nil: see host and tree
	host    *enr.Enode      // with a host name
	tree    bool            // text is the URL of a list in DNS

	endpoints []netip.AddrPort // of contact
}

// readSources reads the entries of --bootnodes and of the files of --bootnodes-file. The errors of those name the entry
// by where it was set and its number, counted over all lists, the errors of these file and line.
func (o *options) readSources() error {
	add := func(text, where string) error {
		s, err := parseSource(text)
		if err == nil && len(o.sources) == maxSources {
			err = fmt.Errorf("more than %d bootnodes", maxSources)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		s.where = where
		o.sources = append(o.sources, s)
		return nil
	}
	n := 0
	for _, list := range o.bootnodes {
		for _, text := range splitList(list) {
			n++
			if err := add(text, o.from("bootnodes")+": bootnode "+strconv.Itoa(n)); err != nil {
				return err
			}
		}
	}
	for _, list := range o.bootFiles {
		for _, path := range splitList(list) {
			text, err := readFile(path, maxFile)
			if err != nil {
				return fmt.Errorf("%s: %w", o.from("bootnodes-file"), err)
			}
			line := 0
			for entry := range strings.Lines(string(text)) {
				line++
				entry, _, _ = strings.Cut(entry, "#")
				for _, text := range strings.Fields(entry) {
					if err := add(text, path+":"+strconv.Itoa(line)); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// parseSource reads one entry.
func parseSource(s string) (source, error) {
	src := source{text: s}
	switch {
	case strings.HasPrefix(s, "enr:"):
		r, err := enr.ParseText(s)
		if err != nil {
			return src, err
		}
		_, v4 := r.UDPEndpoint4()
		if _, v6 := r.UDPEndpoint6(); !v4 && !v6 {
			return src, errors.New("record has no UDP address")
		}
		src.contact, src.endpoints = &discv5.Contacts(r)[0], endpointsOf(r)
	case strings.HasPrefix(s, "enode://"):
		e, err := enr.ParseEnode(s)
		if err != nil {
			return src, err
		}
		if e.UDP == 0 {
			return src, errors.New("enode URL has no UDP port")
		}
		if !e.Addr.IsValid() {
			src.host = &e
			return src, nil
		}
		c, err := discv5.ContactOf(e, netip.AddrPortFrom(e.Addr, e.UDP))
		if err != nil {
			return src, err
		}
		src.contact, src.endpoints = &c, []netip.AddrPort{netip.AddrPortFrom(e.Addr.Unmap(), e.UDP)}
	case strings.HasPrefix(s, dnsdisc.LinkPrefix):
		if _, err := dnsdisc.ParseLink(s); err != nil {
			return src, err
		}
		src.tree = true
	default:
		return src, fmt.Errorf("%q begins with neither enr: nor enode:// nor %s", shorten(s), dnsdisc.LinkPrefix)
	}
	return src, nil
}

func shorten(s string) string {
	if len(s) > 24 {
		return s[:24] + "..."
	}
	return s
}
