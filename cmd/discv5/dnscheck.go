package main

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/dnsdisc"
)

// What dns check prints: for each problem, then for each tree, then once.
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
		Use: "check URL", Short: "Read all of a list of nodes in DNS and tell what is wrong with it",
		Long: `Read all of the list at URL, enrtree://KEY@DOMAIN, and of the lists that it links to. Print each
problem with the DNS name at which it stands, then a line for each list and a summary.
Exit code 1: there is a problem.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := dnsdisc.ParseLink(args[0]); err != nil {
				return place(argument(0), usageError{err})
			}
			client, ctx, cancel, err := flags.client(c.Context())
			if err != nil {
				return err
			}
			defer cancel()
			return t.checkLists(client.Walk(ctx, args[0]))
		},
	}
	flags.add(c.Flags())
	return c
}

// checkLists tells what a walk finds.
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
		t.print(e, fmt.Sprintf("tree     %s: seq %d, %d records, %d links, %d problems", e.URL, e.Seq, e.Records, e.Links, e.Problems))
	}
	t.print(dnsSummary{"summary", len(order), len(seen), problems}, fmt.Sprintf("summary  %d trees, %d nodes, %d problems", len(order), len(seen), problems))
	if problems > 0 {
		return fmt.Errorf("problems found: %d", problems)
	}
	return nil
}
