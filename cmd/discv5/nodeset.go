package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

func newNodeset(t *tool) *cobra.Command {
	return group("nodeset", "Show, filter, sort and merge files of crawl", newNodesetInfo(t), newNodesetFilter(t), newNodesetSort(t), newNodesetMerge(t))
}

// readNodeSet reads a nodes.json that must exist. It checks that each record belongs to its node.
func readNodeSet(path string) (nodeSet, error) {
	f, err := cli.OpenRegular(path)
	if err != nil {
		return nil, cli.Usage(err)
	}
	defer f.Close()
	s := nodeSet{}
	err = readNodes(f, func(id enr.ID, e nodeEntry) error {
		v, err := parseView(e.Record)
		if err == nil {
			var owner enr.ID
			if owner, err = v.NodeID(); err == nil && owner != id {
				err = cli.Usagef("has the record of %s", owner)
			}
		}
		if err != nil {
			return cli.Usagef("line %d: node %s: %w", e.line, id, err)
		}
		s[id] = e
		return nil
	})
	return s, place(path, err)
}

// view returns the record of an entry that readNodeSet has read.
func (e nodeEntry) view() enr.View {
	v, err := parseView(e.Record)
	if err != nil {
		return enr.View{}
	}
	return v
}

// facts returns the facts about a node. The record knows better than the file.
func (e nodeEntry) facts() nodeFacts {
	f := recordFacts(e.view())
	f.RTT = e.RTT
	return f
}

// age returns how long a node has been answering.
func (e nodeEntry) age() time.Duration { return e.LastResponse.Sub(e.FirstResponse) }

// addrs returns the addresses of an entry's record.
func (e nodeEntry) addrs() (list []netip.Addr) {
	v := e.view()
	for _, of := range []func() (netip.AddrPort, bool){v.UDPEndpoint4, v.UDPEndpoint6} {
		if a, ok := of(); ok {
			list = append(list, a.Addr())
		}
	}
	return list
}

// writeSet writes a set to a file, or to standard output if path is empty.
func (t *tool) writeSet(s nodeSet, path string) error {
	text, err := s.encode()
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if path == "" {
		t.print(s, strings.TrimSpace(string(text)))
		return nil
	}
	return place("--output", writeFile(path, text))
}

// setInfo is the result of nodeset info.
type setInfo struct {
	File      string         `json:"file"`
	Nodes     int            `json:"nodes"`
	IPv4      int            `json:"ipv4"`
	IPv6      int            `json:"ipv6"`
	Answered  int            `json:"answered"` // at their last check
	Oldest    time.Time      `json:"oldestResponse,omitzero"`
	Newest    time.Time      `json:"newestResponse,omitzero"`
	MedianRTT float64        `json:"medianRttMs,omitempty"`
	Forks     map[string]int `json:"forks"` // by digest; none: no entry
	Clients   map[string]int `json:"clients"`
	Protocols map[string]int `json:"protocols"` // keys of records
}

// maxGroups bounds the groups that nodeset info prints.
const maxGroups = 12

func newNodesetInfo(t *tool) *cobra.Command {
	return &cobra.Command{
		Use: "info FILE", Short: "Show what a file of crawl holds",
		Long: `Show how many nodes FILE has, by address family, fork, client, and entries of their records.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := readNodeSet(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			i := s.info()
			i.File = args[0]
			t.print(i, i.text())
			return nil
		},
	}
}

func (s nodeSet) info() setInfo {
	i := setInfo{Nodes: len(s), Forks: map[string]int{}, Clients: map[string]int{}, Protocols: map[string]int{}}
	var rtts []float64
	for _, e := range s {
		for _, a := range e.addrs() {
			if a.Is4() {
				i.IPv4++
			} else {
				i.IPv6++
			}
		}
		if !e.LastResponse.IsZero() && e.LastCheck.Equal(e.LastResponse) {
			i.Answered++
		}
		if t := e.LastResponse; !t.IsZero() && (i.Oldest.IsZero() || t.Before(i.Oldest)) {
			i.Oldest = t
		}
		if e.LastResponse.After(i.Newest) {
			i.Newest = e.LastResponse
		}
		f := e.facts()
		if f.RTT > 0 {
			rtts = append(rtts, f.RTT)
		}
		i.Forks[cmp.Or(f.Fork, "none")]++
		name, _, _ := strings.Cut(f.Client, "/")
		i.Clients[cmp.Or(name, "unknown")]++
		for key := range e.view().Pairs() {
			i.Protocols[asciiText(string(key))]++
		}
	}
	if len(rtts) > 0 {
		slices.Sort(rtts)
		i.MedianRTT = rtts[len(rtts)/2]
	}
	return i
}

func (i setInfo) text() string {
	lines := []string{
		fmt.Sprintf("file       %s", i.File),
		fmt.Sprintf("nodes      %d, with IPv4 %d, with IPv6 %d", i.Nodes, i.IPv4, i.IPv6),
		fmt.Sprintf("answered   %d at their last check", i.Answered),
	}
	if !i.Newest.IsZero() {
		lines = append(lines, fmt.Sprintf("responses  from %s to %s", i.Oldest.UTC().Format(time.RFC3339), i.Newest.UTC().Format(time.RFC3339)))
	}
	if i.MedianRTT > 0 {
		lines = append(lines, fmt.Sprintf("rtt        %v ms, median", i.MedianRTT))
	}
	for _, g := range []struct {
		name   string
		groups map[string]int
	}{{"fork", i.Forks}, {"client", i.Clients}, {"entry", i.Protocols}} {
		names := slices.SortedFunc(maps.Keys(g.groups), func(a, b string) int {
			return cmp.Or(cmp.Compare(g.groups[b], g.groups[a]), cmp.Compare(a, b))
		})
		for n, name := range names {
			if n == maxGroups {
				lines = append(lines, fmt.Sprintf("%-10s %d more", g.name, len(names)-n))
				break
			}
			lines = append(lines, fmt.Sprintf("%-10s %s  %d", g.name, name, g.groups[name]))
		}
	}
	return strings.Join(lines, "\n")
}

// sortKeys are the values of --by.
var sortKeys = map[string]func(a, b nodeEntry) int{
	"score": func(a, b nodeEntry) int { return cmp.Compare(b.Score, a.Score) },
	"age":   func(a, b nodeEntry) int { return cmp.Compare(b.age(), a.age()) },
	"last":  func(a, b nodeEntry) int { return b.LastResponse.Compare(a.LastResponse) },
	"rtt": func(a, b nodeEntry) int {
		if (a.RTT > 0) != (b.RTT > 0) { // unknown ones last
			return cmp.Compare(b.RTT, a.RTT)
		}
		return cmp.Compare(a.RTT, b.RTT)
	},
	"id": func(_, _ nodeEntry) int { return 0 },
}

// parseSortKey returns the order for a value of --by.
func parseSortKey(by string) (func(a, b nodeEntry) int, error) {
	order, ok := sortKeys[by]
	if !ok {
		return nil, cli.Usagef("--by %s: want %s", quote.Short(by), quote.Choices(slices.Sorted(maps.Keys(sortKeys))))
	}
	return order, nil
}

// sorted returns the IDs of the nodes, the best first.
func (s nodeSet) sorted(order func(a, b nodeEntry) int) []enr.ID {
	ids := slices.Collect(maps.Keys(s))
	slices.SortFunc(ids, func(a, b enr.ID) int {
		return cmp.Or(order(s[a], s[b]), slices.Compare(a[:], b[:]))
	})
	return ids
}

func newNodesetSort(t *tool) *cobra.Command {
	by, limit := "score", 0
	c := &cobra.Command{
		Use: "sort FILE", Short: "Print the records of a file of crawl, the best first",
		Long: `Print the records of FILE, one a line, the best first, such as for bootnode --bootnodes-file.
With --json, print an object for each node.`,
		Args: arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			order, err := parseSortKey(by)
			if err != nil {
				return err
			}
			if limit < 0 {
				return cli.Usagef("--limit %d: want 0 or more", limit)
			}
			s, err := readNodeSet(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			for n, id := range s.sorted(order) {
				if n == limit && limit > 0 {
					break
				}
				e := s[id]
				t.print(struct {
					ID enr.ID `json:"id"`
					nodeEntry
				}{id, e}, e.Record)
			}
			return nil
		},
	}
	c.Flags().StringVar(&by, "by", by, "`KEY` to sort by: score, age, last, rtt or id")
	c.Flags().IntVar(&limit, "limit", 0, "maximum `NUMBER` of nodes; 0 for no limit")
	return c
}

func newNodesetMerge(t *tool) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "merge FILE...", Short: "Merge files of crawl",
		Long: `Merge files of crawl and print the result, or write it to --output. A node has the newest of
its records, its first and its last response, and the score of its last check.`,
		Args: arguments(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			all := nodeSet{}
			for i, path := range args {
				s, err := readNodeSet(path)
				if err != nil {
					return place(argument(i), err)
				}
				for id, e := range s {
					if old, ok := all[id]; ok {
						e = mergeEntries(old, e)
					}
					all[id] = e
				}
			}
			return t.writeSet(all, output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write. Default: standard output")
	return c
}

// mergeEntries merges two entries of one node.
func mergeEntries(a, b nodeEntry) nodeEntry {
	if a.asked().After(b.asked()) {
		a, b = b, a
	}
	m := b // checked last
	if a.Seq > b.Seq {
		m.Seq, m.Record, m.Registrar, m.Fork, m.Client = a.Seq, a.Record, a.Registrar, a.Fork, a.Client
	}
	if !a.FirstResponse.IsZero() && (m.FirstResponse.IsZero() || a.FirstResponse.Before(m.FirstResponse)) {
		m.FirstResponse = a.FirstResponse
	}
	if a.LastResponse.After(m.LastResponse) {
		m.LastResponse = a.LastResponse
	}
	if m.RTT == 0 {
		m.RTT = a.RTT
	}
	return m
}

// errNoneLeft is the error of nodeset filter if no node satisfies its flags.
var errNoneLeft = errors.New("no node is left")

// setFilter holds the flags of nodeset filter.
type setFilter struct {
	chain     chainFlags
	forks     []string
	minAge    cli.Seconds
	within    cli.Seconds
	minScore  int
	nets      []string
	clients   []string
	protocols []string
	limit     int
	by        string
	output    string

	prefixes []netip.Prefix // of nets
}

func newNodesetFilter(t *tool) *cobra.Command {
	f := setFilter{by: "score"}
	c := &cobra.Command{
		Use: "filter FILE", Short: "Keep some nodes of a file of crawl",
		Long: `Keep the nodes of FILE that satisfy all flags, and print the result or write it to --output. If you
repeat a flag, a node needs to satisfy only one of its values.
Exit code 1: no node is left. The command then prints nothing and does not change --output.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.parse(c); err != nil {
				return err
			}
			order, err := parseSortKey(f.by)
			if err != nil {
				return err
			}
			s, err := readNodeSet(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			now := time.Now()
			maps.DeleteFunc(s, func(_ enr.ID, e nodeEntry) bool { return !f.keeps(e, now) })
			if f.limit > 0 && len(s) > f.limit {
				for _, id := range s.sorted(order)[f.limit:] {
					delete(s, id)
				}
			}
			if len(s) == 0 {
				return errNoneLeft // --output keeps its content
			}
			return t.writeSet(s, f.output)
		},
	}
	set := c.Flags()
	set.SortFlags = false
	f.chain.add(set)
	set.StringArrayVar(&f.forks, "fork", nil, "`DIGEST` in the record, such as 0x6a95a1a9; or none for nodes without one; repeatable")
	set.Var(&f.minAge, "min-age", "minimum `TIME` between the first and the last response of a node")
	set.Var(&f.within, "seen-within", "maximum `TIME` since the last response of a node")
	set.IntVar(&f.minScore, "min-score", 0, "minimum `SCORE`")
	set.StringArrayVar(&f.nets, "net", nil, "`NETWORK` in CIDR notation that an address of the node is in; 0.0.0.0/0 stands for IPv4, ::/0 for IPv6; repeatable")
	set.StringArrayVar(&f.clients, "client", nil, "`TEXT` in the client's name and version, in any case; repeatable")
	set.StringArrayVar(&f.protocols, "protocol", nil, "`KEY` of an entry in the record, such as eth2, eth, snap or quic; repeatable")
	set.IntVar(&f.limit, "limit", 0, "maximum `NUMBER` of nodes, those that are first by --by; 0 for no limit")
	set.StringVar(&f.by, "by", f.by, "`KEY` to sort by: score, age, last, rtt or id")
	set.StringVarP(&f.output, "output", "o", "", "`FILE` to write. Default: standard output")
	return c
}

func (f *setFilter) parse(c *cobra.Command) error {
	if err := f.chain.load(c); err != nil {
		return err
	}
	for _, s := range f.nets {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return cli.Usagef("--net %s: want a network, such as 192.0.2.0/24", quote.Short(s))
		}
		f.prefixes = append(f.prefixes, p)
	}
	for i, s := range f.forks {
		if s == "none" {
			continue
		}
		b, err := parseHex(s)
		if err != nil || len(b) != 4 {
			return cli.Usagef("--fork %s: want 4 bytes in hexadecimal, or none", quote.Short(s))
		}
		f.forks[i] = forks.Digest(b).String()
	}
	for _, n := range []struct {
		name string
		v    int
	}{{"limit", f.limit}, {"min-score", f.minScore}} {
		if n.v < 0 {
			return cli.Usagef("--%s %d: want 0 or more", n.name, n.v)
		}
	}
	return nil
}

// keeps reports whether an entry satisfies all flags.
func (f *setFilter) keeps(e nodeEntry, now time.Time) bool {
	facts, v := e.facts(), e.view()
	any := func(list []string, match func(string) bool) bool {
		return len(list) == 0 || slices.ContainsFunc(list, match)
	}
	switch {
	case f.chain.chain != nil && !f.chain.chain.Check(v, now).Match.Serves(),
		e.Score < f.minScore,
		f.minAge > 0 && e.age() < time.Duration(f.minAge),
		f.within > 0 && now.Sub(e.LastResponse) > time.Duration(f.within),
		!any(f.forks, func(s string) bool { return s == cmp.Or(facts.Fork, "none") }),
		!any(f.clients, func(s string) bool { return strings.Contains(strings.ToLower(facts.Client), strings.ToLower(s)) }):
		return false
	}
	if !any(f.protocols, func(key string) bool { _, ok := v.Get(key); return ok }) {
		return false
	}
	return len(f.prefixes) == 0 || slices.ContainsFunc(e.addrs(), func(a netip.Addr) bool {
		return slices.ContainsFunc(f.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
	})
}
