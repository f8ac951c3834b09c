package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// publishFlags holds the flags of dns publish.
type publishFlags struct {
	key, domain string
	seq         uint64
	links       []string

	zoneFile string
	ns       []string
	force    bool

	server  string
	zone    string
	tsig    string
	replace bool
	dry     bool
	timeout cli.Seconds
}

// published is the result of dns publish.
type published struct {
	URL       string `json:"url"`
	Seq       uint64 `json:"seq"`
	Nodes     int    `json:"nodes"`
	Added     int    `json:"added"`
	Removed   int    `json:"removed"`
	Unchanged bool   `json:"unchanged,omitempty"`
	File      string `json:"file,omitempty"`
	Server    string `json:"server,omitempty"`
	DryRun    bool   `json:"dryRun,omitempty"`
}

func newDNSPublish(t *tool) *cobra.Command {
	var p publishFlags
	c := &cobra.Command{
		Use: "publish RECORDS...", Short: "Sign a list of nodes and publish it in DNS",
		Long: `Make and sign a list of the given nodes, as dns make does, and publish it: write a zone file
(--zone-file), or update a name server by RFC 2136 (--server), with a TSIG key (--tsig).

It replaces a zone file only if that holds an older version of the same list, or with --force.

On a server, it first adds the new entries, then replaces the root if nobody has changed it
meanwhile, and removes old entries last. The sequence number follows that of the old list. If the
nodes are the same, it changes nothing.
Exit code 1: the server refuses, or does not answer.`,
		Args: arguments(1, -1),
		RunE: func(c *cobra.Command, args []string) error { return t.publish(c, &p, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&p.key, "key", "", "private `KEY` that signs the list: a file, or 64 hexadecimal digits, which other users of this machine can see")
	f.StringVar(&p.domain, "domain", "", "DNS `NAME` of the list")
	f.Uint64Var(&p.seq, "seq", 0, "sequence `NUMBER`, higher than that of the list that this one replaces. Default with --server: the next one")
	f.StringArrayVar(&p.links, "link", nil, "`URL` of another list that this one links to; repeatable")
	f.StringVar(&p.zoneFile, "zone-file", "", "`FILE` to write. With --ns it is a whole zone, otherwise lines to include in one")
	f.StringArrayVar(&p.ns, "ns", nil, "`NAME` of a name server of the zone, for --zone-file; repeatable")
	f.BoolVar(&p.force, "force", false, "replace a zone file whatever it holds")
	f.StringVar(&p.server, "server", "", "primary name server `HOST:PORT` to update")
	f.StringVar(&p.zone, "zone", "", "`NAME` of the zone that --domain is in. Default: --domain")
	f.StringVar(&p.tsig, "tsig", "", "`FILE` with a TSIG key: ALGORITHM:NAME:SECRET, or a key statement of BIND or Knot")
	f.BoolVar(&p.replace, "replace", false, "replace a list of another key, and TXT records that are not of a list")
	f.BoolVar(&p.dry, "dry-run", false, "say what would change, and change nothing")
	p.timeout = cli.Seconds(10 * time.Second)
	f.Var(&p.timeout, "timeout", "`TIME` to wait for each answer of the server")
	return c
}

func (p *publishFlags) check(c *cobra.Command) error {
	switch {
	case p.key == "":
		return cli.Usagef("--key is missing; discv5 key generate makes one")
	case p.domain == "":
		return cli.Usagef("--domain is missing")
	case (p.zoneFile == "") == (p.server == ""):
		return cli.Usagef("want either --zone-file or --server")
	case p.zoneFile != "" && !c.Flags().Changed("seq"):
		return cli.Usagef("--seq is missing: it must be higher than that of the list that this one replaces")
	case p.server == "" && (p.zone != "" || p.tsig != "" || p.replace):
		return cli.Usagef("--zone, --tsig and --replace need --server")
	case p.server != "" && len(p.ns) > 0:
		return cli.Usagef("--ns needs --zone-file")
	case p.server != "" && p.force:
		return cli.Usagef("--force needs --zone-file")
	case p.timeout <= 0:
		return cli.Usagef("--timeout is 0")
	}
	for _, n := range p.ns {
		if _, ok := dns.IsDomainName(n); !ok {
			return cli.Usagef("--ns %s: not a DNS name", quote.Short(n))
		}
	}
	if p.server != "" {
		if _, err := parseDNS(p.server); err != nil {
			return place("--server", err)
		}
	}
	p.domain = strings.TrimSuffix(p.domain, ".")
	if p.zone = strings.TrimSuffix(p.zone, "."); p.zone == "" {
		p.zone = p.domain
	}
	if !dns.IsSubDomain(dns.Fqdn(p.zone), dns.Fqdn(p.domain)) {
		return cli.Usagef("--domain %s is not in --zone %s", quote.Short(p.domain), quote.Short(p.zone))
	}
	return nil
}

func (t *tool) publish(c *cobra.Command, p *publishFlags, args []string) error {
	if err := p.check(c); err != nil {
		return err
	}
	key, link, linked, records, err := t.listArguments(p.key, p.domain, p.links, args)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		t.note("discv5: the list has no nodes")
	}
	build := func(seq uint64) (map[string]string, error) { return dnsdisc.Make(records, linked, key, seq) }
	result := published{URL: link.String(), Seq: p.seq, Nodes: countNodes(records), DryRun: p.dry}
	if p.zoneFile != "" {
		tree, err := build(p.seq)
		if err != nil {
			return err
		}
		if !p.force {
			if err := checkZone(p.zoneFile, p.domain, link, p.seq); err != nil {
				return err
			}
		}
		result.File, result.Added = p.zoneFile, len(tree)
		if !p.dry {
			if err := writeFile(p.zoneFile, []byte(zoneText(tree, p.domain, p.seq, p.ns))); err != nil {
				return place("--zone-file", err)
			}
		}
	} else {
		u := &updater{server: p.server, zone: dns.Fqdn(p.zone), domain: p.domain, timeout: time.Duration(p.timeout)}
		if p.tsig != "" {
			if u.tsig, err = readTSIG(p.tsig); err != nil {
				return place("--tsig", cli.Usage(err))
			}
		}
		if err := u.publish(c.Context(), p, link, build, &result); err != nil {
			return err
		}
	}
	t.print(result, result.text())
	return nil
}

func countNodes(records []*enr.Record) int {
	ids := map[enr.ID]bool{}
	for _, r := range records {
		ids[r.ID()] = true
	}
	return len(ids)
}

func (r published) text() string {
	switch {
	case r.Unchanged:
		return fmt.Sprintf("%s: unchanged, sequence number %d, %s", r.URL, r.Seq, cli.Count(r.Nodes, "node"))
	case r.File != "":
		verb := "wrote"
		if r.DryRun {
			verb = "would write"
		}
		return fmt.Sprintf("%s: %s sequence number %d, %s, %s to %s", r.URL, verb, r.Seq, cli.Count(r.Nodes, "node"), cli.Count(r.Added, "TXT record"), r.File)
	}
	verb := "published"
	if r.DryRun {
		verb = "would publish"
	}
	return fmt.Sprintf("%s: %s sequence number %d, %s, %s added, %d removed", r.URL, verb, r.Seq, cli.Count(r.Nodes, "node"), cli.Count(r.Added, "TXT record"), r.Removed)
}

// textName returns the DNS name of a label of a tree; the root's label is empty.
func textName(label, domain string) string { return strings.TrimPrefix(label+"."+domain, ".") }

// zoneText returns a zone file, or without name servers the part of one.
func zoneText(tree map[string]string, domain string, seq uint64, servers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "; list of nodes (EIP-1459), sequence number %d\n", seq)
	if len(servers) > 0 {
		const mail, refresh, retry, expire = "hostmaster", 3600, 600, 1209600
		fmt.Fprintf(&b, "%s. %d IN SOA %s %s.%s. %d %d %d %d %d\n", domain, rootTTL, dns.Fqdn(servers[0]), mail, domain, uint32(seq), refresh, retry, expire, rootTTL)
		for _, s := range servers {
			fmt.Fprintf(&b, "%s. %d IN NS %s\n", domain, entryTTL, dns.Fqdn(s))
		}
	}
	for _, label := range slices.Sorted(maps.Keys(tree)) {
		b.WriteString(textOf(label, domain, tree[label]).zone() + "\n")
	}
	return b.String()
}

// textOf returns a text of a tree.
func textOf(label, domain, text string) dnsText {
	d := dnsText{Name: textName(label, domain), TTL: entryTTL, Text: text}
	if label == "" {
		d.TTL = rootTTL
	}
	return d
}

// Errors of dns publish.
var (
	errOtherList = errors.New("the domain has a list of another key, or another TXT record; --replace replaces it")
	errOldSeq    = errors.New("not higher than that of the published list")
)

// publish brings the server to the new list.
func (u *updater) publish(ctx context.Context, p *publishFlags, link dnsdisc.Link, build func(uint64) (map[string]string, error), r *published) error {
	r.Server = u.server
	roots, err := u.texts(ctx, u.domain)
	if err != nil {
		return err
	}
	old := map[string]string{} // of the published list
	var root dnsdisc.Root
	if len(roots) > 0 {
		root, err = dnsdisc.ParseRoot(roots[0])
		ours := len(roots) == 1 && err == nil && root.Verify(&link.PublicKey) == nil
		switch {
		case ours:
			old[""] = roots[0]
			if err := u.collect(ctx, root, old); err != nil {
				return err
			}
		case !p.replace:
			return fmt.Errorf("%s: %w", u.domain, errOtherList)
		default:
			root = dnsdisc.Root{}
		}
	}
	seq := p.seq
	if seq == 0 {
		seq = root.Seq + 1
	}
	tree, err := build(seq)
	if err != nil {
		return err
	}
	next, err := dnsdisc.ParseRoot(tree[""])
	if err != nil {
		return err
	}
	if old[""] != "" && next.Records == root.Records && next.Links == root.Links && complete(tree, old) {
		r.Unchanged, r.Seq = true, root.Seq
		return nil
	}
	if old[""] != "" && seq <= root.Seq {
		return cli.Usagef("--seq %d: %w, %d", seq, errOldSeq, root.Seq)
	}
	r.Seq = seq
	var add, remove []string // labels
	for label, text := range tree {
		if label != "" && old[label] != text {
			add = append(add, label)
		}
	}
	for label := range old {
		if _, kept := tree[label]; !kept {
			remove = append(remove, label)
		}
	}
	r.Added, r.Removed = len(add)+1, len(remove)
	if p.dry {
		return nil
	}
	slices.Sort(add)
	slices.Sort(remove)
	return u.apply(ctx, roots, tree, add, remove)
}

// complete reports whether all entries of a tree are published.
func complete(tree, old map[string]string) bool {
	for label, text := range tree {
		if label != "" && old[label] != text {
			return false
		}
	}
	return true
}
