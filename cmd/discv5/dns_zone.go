package main

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"

	"github.com/miekg/dns"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/internal/cli"
)

// errNotZone is the error of checkZone for a file that holds something else than the list.
var errNotZone = errors.New("does not hold this list; --force replaces it")

// checkZone reports whether dns publish may replace a zone file by a list with this sequence
// number. The file must be missing, be empty, or hold an older version of the list.
func checkZone(path, domain string, link dnsdisc.Link, seq uint64) error {
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // writing it reports a missing directory
	}
	if err != nil {
		return place("--zone-file", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	old, ok := zoneRoot(text, domain, link)
	switch {
	case !ok:
		return cli.Usagef("--zone-file: %s %w", path, errNotZone)
	case seq <= old.Seq:
		return cli.Usagef("--seq %d: %w, %d in %s; --force replaces it", seq, errOldSeq, old.Seq, path)
	}
	return nil
}

// zoneRoot returns the newest root of the list in the text of a zone file.
func zoneRoot(text []byte, domain string, link dnsdisc.Link) (newest dnsdisc.Root, ok bool) {
	z := dns.NewZoneParser(bytes.NewReader(text), dns.Fqdn(domain), "")
	for rr, more := z.Next(); more; rr, more = z.Next() {
		txt, isText := rr.(*dns.TXT)
		if !isText || !strings.EqualFold(txt.Hdr.Name, dns.Fqdn(domain)) {
			continue
		}
		root, err := dnsdisc.ParseRoot(strings.Join(txt.Txt, ""))
		if err != nil || root.Verify(&link.PublicKey) != nil {
			continue
		}
		if !ok || root.Seq > newest.Seq {
			newest, ok = root, true
		}
	}
	return newest, ok
}
