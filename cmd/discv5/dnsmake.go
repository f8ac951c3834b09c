package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

// Times for which texts may be cached, in seconds: the root changes with the list, an entry never
// does.
const (
	rootTTL  = 60
	entryTTL = 86400
)

// dnsText is one TXT record.
type dnsText struct {
	Name string `json:"name"`
	TTL  int    `json:"ttl"`
	Text string `json:"text"`
}

// zone is the line of a zone file. A string has 255 bytes at most, and no character here needs an
// escape.
func (d dnsText) zone() string {
	line := fmt.Sprintf("%s. %d IN TXT", d.Name, d.TTL)
	for part := range slices.Chunk([]byte(d.Text), 255) {
		line += ` "` + string(part) + `"`
	}
	return line
}

func newDNSMake(t *tool) *cobra.Command {
	var keyFlag, domain string
	var links []string
	var seq uint64
	c := &cobra.Command{
		Use: "make RECORDS...", Short: "Make and sign a list of nodes for DNS",
		Long: `Make a list of the given nodes and print it as lines of a zone file, or with --json as objects
that have name, ttl and text. The URL of the list goes to standard error.

RECORDS are records, @FILE that holds records or is a nodes.json of crawl, or - for standard
input. Of several records of one node the newest is taken. The same records, links, key and
sequence number always make the same list.`,
		Args: arguments(1, -1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case keyFlag == "":
				return wrong("--key is missing; discv5 key generate makes one")
			case domain == "":
				return wrong("--domain is missing")
			case !c.Flags().Changed("seq"):
				return wrong("--seq is missing: it has to be higher than that of the list that this one replaces")
			}
			key, err := t.key(keyFlag)
			if err != nil {
				return place("--key", err)
			}
			link, err := dnsdisc.LinkOf(key, domain)
			if err != nil {
				return place("--domain", wrong("%s: %w", quote.Short(domain), err))
			}
			var linked []dnsdisc.Link
			for i, s := range links {
				l, err := dnsdisc.ParseLink(s)
				if err != nil {
					return place(fmt.Sprintf("--link %d", i+1), usageError{err})
				}
				linked = append(linked, l)
			}
			var records []*enr.Record
			for i, a := range args {
				list, err := t.records(a)
				if err != nil {
					return place(argument(i), err)
				}
				records = append(records, list...)
			}
			tree, err := dnsdisc.Make(records, linked, key, seq)
			if err != nil {
				return err
			}
			if len(records) == 0 {
				t.note("discv5: the list has no node")
			}
			t.printTree(tree, domain)
			t.note("%s", link)
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&keyFlag, "key", "", "private `KEY` that signs the list: a file, or 64 hexadecimal digits, which other users of the machine can see")
	f.StringVar(&domain, "domain", "", "DNS `NAME` at which the list will stand")
	f.Uint64Var(&seq, "seq", 0, "sequence `NUMBER`, higher than that of the list that this one replaces")
	f.StringArrayVar(&links, "link", nil, "`URL` of another list that this one links to; repeatable")
	return c
}

// printTree prints the texts of a tree, the root first.
func (t *tool) printTree(tree map[string]string, domain string) {
	labels := make([]string, 0, len(tree))
	for l := range tree {
		labels = append(labels, l)
	}
	slices.Sort(labels)
	for _, l := range labels {
		d := dnsText{Name: strings.TrimPrefix(l+"."+domain, "."), TTL: entryTTL, Text: tree[l]}
		if l == "" {
			d.TTL = rootTTL
		}
		t.print(d, d.zone())
	}
}
