package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

const (
	// listRecords is how many nodes of a list serve as bootnodes, chosen at random.
	listRecords = 64
	// listTimeout bounds the time to read a list for bootnodes. The nodes read by then are used.
	listTimeout = 30 * time.Second
)

// dnsFlag adds the flag --dns.
func dnsFlag(f *pflag.FlagSet, value *string) {
	f.StringVar(value, "dns", "", "name server `HOST:PORT` to query. Default: those of the system")
}

// parseDNS returns the resolver for the value of --dns.
func parseDNS(server string) (*nameServer, error) {
	if server == "" {
		return systemNames, nil
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" {
		return nil, cli.Usagef("%s: want HOST:PORT or [IPv6]:PORT", quote.Short(server))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, cli.Usagef("%s: port is not a number from 1 to 65535", quote.Short(server))
	}
	return &nameServer{&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}}, server}, nil
}

// nameServer is a resolver whose errors name the server of --dns. Those of the library would name a
// server of the system.
type nameServer struct {
	*net.Resolver
	server string // "": those of the system
}

// systemNames queries the name servers of the system.
var systemNames = &nameServer{net.DefaultResolver, ""}

// LookupTXT is net.Resolver's method, with the server's name in errors.
func (n *nameServer) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, err := n.Resolver.LookupTXT(ctx, name)
	return texts, n.named(err)
}

// LookupNetIP is net.Resolver's method, with the server's name in errors.
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

// list returns targets for some nodes of a list in DNS. where is the place of its URL.
func (n *network) list(ctx context.Context, where, url string) ([]target, error) {
	if _, err := dnsdisc.ParseLink(url); err != nil {
		return nil, cli.Usage(err)
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

// newRecords remembers the highest sequence number of each node. Its add reports whether a record
// is new.
type newRecords map[enr.ID]uint64

func (s newRecords) add(r *enr.Record) bool {
	seq, ok := s[r.ID()]
	if ok && r.Seq() <= seq {
		return false
	}
	s[r.ID()] = r.Seq()
	return true
}

// dnsFlags holds the flags of commands that read lists.
type dnsFlags struct {
	server  string
	timeout cli.Seconds
	limits  dnsdisc.Limits
	alone   bool
}

func (d *dnsFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	d.timeout = cli.Seconds(30 * time.Minute)
	d.limits.Rate = 64
	dnsFlag(f, &d.server)
	f.Var(&d.timeout, "timeout", "maximum `TIME` to read; 0 for no limit")
	f.Float64Var(&d.limits.Rate, "rate", d.limits.Rate, "maximum `RATE` of DNS queries per second")
	f.BoolVar(&d.alone, "no-links", false, "do not follow links to other lists")
}

// walk reads the list at a URL and the lists that it links to. The timeout starts with the
// iteration.
func (d *dnsFlags) walk(ctx context.Context, url string) (iter.Seq2[dnsdisc.Found, error], error) {
	if _, err := dnsdisc.ParseLink(url); err != nil {
		return nil, place(argument(0), cli.Usage(err))
	}
	names, err := parseDNS(d.server)
	if err != nil {
		return nil, place("--dns", err)
	}
	if !(d.limits.Rate > 0) {
		return nil, cli.Usagef("--rate %v: want more than 0", d.limits.Rate)
	}
	if d.alone {
		d.limits.LinkDepth = -1
	}
	client := &dnsdisc.Client{Resolver: names, Limits: d.limits}
	return func(yield func(dnsdisc.Found, error) bool) {
		ctx := ctx
		if d.timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(d.timeout))
			defer cancel()
		}
		client.Walk(ctx, url)(yield)
	}, nil
}

func newDNSResolve(t *tool) *cobra.Command {
	var flags dnsFlags
	c := &cobra.Command{
		Use: "resolve URL", Short: "Print the records of a list of nodes in DNS",
		Long: `Print the records of the list at URL, enrtree://KEY@DOMAIN, and of the lists that it links to,
in random order. The same node appears again if the list has a newer record of it. Errors of
a list go to standard error, and the wrong entries are left out.
Exit code 1: no record was found.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			walk, err := flags.walk(c.Context(), args[0])
			if err != nil {
				return err
			}
			seen := newRecords{}
			var last error
			for f, err := range walk {
				switch {
				case err != nil:
					last = err
					t.note("discv5: %s", oneLine(err))
				case f.Record != nil && seen.add(f.Record):
					i := brief(f.Record.View())
					t.print(i, i.Record)
				}
			}
			switch {
			case c.Context().Err() != nil:
				return c.Context().Err()
			case len(seen) > 0:
				return nil
			case last != nil:
				return errors.New("no record found")
			}
			return errors.New("the list is empty")
		},
	}
	flags.add(c.Flags())
	c.Flags().IntVarP(&flags.limits.Records, "number", "n", 0, "maximum `NUMBER` of records; 0 for no limit")
	return c
}

// Results of dns check: one for each problem, then one for each tree, then the summary.
type (
	dnsProblem struct {
		Event string `json:"event"` // problem
		URL   string `json:"url"`
		Name  string `json:"name"`
		Text  string `json:"text,omitempty"`
		Error string `json:"error"`
	}
	dnsTree struct {
		Event    string `json:"event"` // tree
		URL      string `json:"url"`
		Seq      uint64 `json:"seq"`
		Records  int    `json:"records"`
		Links    int    `json:"links"`
		Problems int    `json:"problems"`
	}
	dnsSummary struct {
		Event    string `json:"event"` // summary
		Trees    int    `json:"trees"`
		Nodes    int    `json:"nodes"`
		Problems int    `json:"problems"`
	}
)

func newDNSCheck(t *tool) *cobra.Command {
	var flags dnsFlags
	c := &cobra.Command{
		Use: "check URL", Short: "Check a whole list of nodes in DNS",
		Long: `Read the whole list at URL, enrtree://KEY@DOMAIN, and the lists that it links to. Print each
problem with its DNS name, then a line for each list and a summary.
Exit code 1: there is a problem.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			walk, err := flags.walk(c.Context(), args[0])
			if err != nil {
				return err
			}
			return t.checkLists(walk)
		},
	}
	flags.add(c.Flags())
	return c
}

// checkLists prints the results of a walk.
func (t *tool) checkLists(walk iter.Seq2[dnsdisc.Found, error]) error {
	trees := map[dnsdisc.Link]*dnsTree{}
	var order []*dnsTree
	tree := func(l dnsdisc.Link) *dnsTree {
		if trees[l] == nil {
			trees[l] = &dnsTree{Event: "tree", URL: l.String()}
			order = append(order, trees[l])
		}
		return trees[l]
	}
	seen := newRecords{}
	problems := 0
	for f, err := range walk {
		var e *dnsdisc.Error
		switch {
		case errors.As(err, &e):
			problems++
			tree(e.Tree).Problems++
			t.print(dnsProblem{"problem", e.Tree.String(), e.Name, e.Text, oneLine(e.Err)}, "problem  "+strings.TrimPrefix(oneLine(e), "dnsdisc: "))
		case f.Root != nil:
			tree(f.Tree).Seq = f.Root.Seq
		case f.Record != nil:
			tree(f.Tree).Records++
			seen.add(f.Record)
		case f.Link != nil:
			tree(f.Tree).Links++
		}
	}
	for _, e := range order {
		t.print(e, fmt.Sprintf("tree     %s: seq %d, %s, %s, %s", e.URL, e.Seq,
			cli.Count(e.Records, "record"), cli.Count(e.Links, "link"), cli.Count(e.Problems, "problem")))
	}
	t.print(dnsSummary{"summary", len(order), len(seen), problems}, fmt.Sprintf("summary  %s, %s, %s",
		cli.Count(len(order), "tree"), cli.Count(len(seen), "node"), cli.Count(problems, "problem")))
	if problems > 0 {
		return fmt.Errorf("problems found: %d", problems)
	}
	return nil
}

// Cache times of texts, in seconds: the root changes with the list, an entry never does.
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

// zone returns the line of a zone file. A string has at most 255 bytes, and no character here needs
// an escape.
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
with name, ttl and text. The URL of the list goes to standard error.

RECORDS are records, @FILE that holds records or is a nodes.json of crawl, or - for standard
input. The list takes the newest record of each node. The same records, links, key and
sequence number always make the same list.`,
		Args: arguments(1, -1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case keyFlag == "":
				return cli.Usagef("--key is missing; discv5 key generate makes one")
			case domain == "":
				return cli.Usagef("--domain is missing")
			case !c.Flags().Changed("seq"):
				return cli.Usagef("--seq is missing: it must be higher than that of the list that this one replaces")
			}
			key, link, linked, records, err := t.listArguments(keyFlag, domain, links, args)
			if err != nil {
				return err
			}
			tree, err := dnsdisc.Make(records, linked, key, seq)
			if err != nil {
				return err
			}
			if len(records) == 0 {
				t.note("discv5: the list has no nodes")
			}
			t.printTree(tree, domain)
			t.note("%s", link)
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&keyFlag, "key", "", "private `KEY` that signs the list: a file, or 64 hexadecimal digits, which other users of this machine can see")
	f.StringVar(&domain, "domain", "", "DNS `NAME` of the list")
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

// listArguments reads the parts of a node list: the key, the links to other lists, and the
// records of the arguments. It returns the link of the list too.
func (t *tool) listArguments(keyText, domain string, links, args []string) (key *enr.PrivateKey, link dnsdisc.Link, linked []dnsdisc.Link, records []*enr.Record, err error) {
	key, err = t.key(keyText)
	if err != nil {
		return nil, link, nil, nil, place("--key", err)
	}
	link, err = dnsdisc.LinkOf(key, domain)
	if err != nil {
		return nil, link, nil, nil, place("--domain", cli.Usagef("%s: %w", quote.Short(domain), err))
	}
	for i, s := range links {
		l, err := dnsdisc.ParseLink(s)
		if err != nil {
			return nil, link, nil, nil, place(fmt.Sprintf("--link %d", i+1), cli.Usage(err))
		}
		linked = append(linked, l)
	}
	for i, a := range args {
		list, err := t.records(a)
		if err != nil {
			return nil, link, nil, nil, place(argument(i), err)
		}
		records = append(records, list...)
	}
	return key, link, linked, records, nil
}
