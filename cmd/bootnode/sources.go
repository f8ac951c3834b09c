package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/nodelist"
	"github.com/fastdisc/discv5/internal/quote"
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

// readSources reads the entries of --bootnodes and of the files of --bootnodes-file. The errors of
// those name the entry by where it was set and its number, counted over all lists, the errors of
// these file and line.
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
		for e, err := range nodelist.Split(list) {
			n++
			where := o.from("bootnodes") + ": bootnode " + strconv.Itoa(n)
			if err != nil {
				return fmt.Errorf("%s: %w", where, nodelist.ErrEntrySize)
			}
			if err := add(e.Text, where); err != nil {
				return err
			}
		}
	}
	for _, list := range o.bootFiles {
		for _, path := range splitList(list) {
			if err := o.readSourceFile(path, add); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSourceFile calls add with each entry of a file of any size.
func (o *options) readSourceFile(path string, add func(text, where string) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", o.from("bootnodes-file"), err)
	}
	defer f.Close()
	for e, err := range nodelist.Read(f) {
		where := path + ":" + strconv.Itoa(e.Line)
		switch {
		case errors.Is(err, nodelist.ErrEntrySize):
			err = fmt.Errorf("%s: %w", where, nodelist.ErrEntrySize)
		case err != nil:
			err = fmt.Errorf("%s: %w", o.from("bootnodes-file"), err)
		default:
			err = add(e.Text, where)
		}
		if err != nil {
			return err
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
		if err := r.CheckUDP(); err != nil {
			return src, err
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
		return src, fmt.Errorf("%s begins with neither enr: nor enode:// nor %s", quote.Short(s), dnsdisc.LinkPrefix)
	}
	return src, nil
}
