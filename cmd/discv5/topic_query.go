package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
)

// topicFound is a record in an answer about a topic. Its distance is that from the topic.
type topicFound struct {
	Kind string `json:"kind"` // ad or registrar
	recordInfo
}

func newTopicQuery(t *tool) *cobra.Command {
	n := &topicNode{network: &network{t: t}}
	var distances []string
	c := &cobra.Command{
		Use: "query NODE TOPIC", Short: "Ask one registrar for the ads of a topic",
		Long: `Send TOPICQUERY to a registrar and print the records of its answer, one a line: at most ten
ads, chosen at random. With --distance, the registrar also names other registrars at these
distances from the topic; their lines begin with the word registrar.

` + topicHelp + `

An answer without ads is an answer: exit code 0. Exit code 1: no answer, or the node is no
registrar.`,
		Args: arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			top, err := parseTopic(args[1])
			if err != nil {
				return place(argument(1), err)
			}
			list, err := parseDistances(distances)
			switch {
			case err != nil:
				return place("--distance", err)
			case len(list) > codec.MaxTopicDistances:
				return cli.Usagef("--distance: %d distances, more than %d", len(list), codec.MaxTopicDistances)
			case slices.Contains(list, 0):
				return cli.Usagef("--distance: no registrar is at distance 0 from a topic")
			}
			ctx := c.Context()
			if err := n.parseAll(ctx, nil); err != nil {
				return err
			}
			node, to, err := n.startFor(ctx, args)
			if err != nil {
				return err
			}
			defer node.Close()
			if err := requireRegistrar(ctx, node, to); err != nil {
				return err
			}
			ads, registrars, err := node.QueryTopic(ctx, to.contact, top.id, list...)
			if err != nil {
				return explainSilence(ctx, node, to, "the answer was lost", err)
			}
			for _, r := range ads {
				t.printTopicFound("ad", "", top, r)
			}
			for _, r := range registrars {
				t.printTopicFound("registrar", "registrar ", top, r)
			}
			t.note("%s, %s", cli.Count(len(ads), "ad"), cli.Count(len(registrars), "registrar"))
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&distances, "distance", "d", nil, "log `DISTANCE` from the topic, 1 to 256, to name registrars at, a range such as 250-256, or several with commas; repeatable")
	n.flags(f, "timeout", "W", false)
	return c
}

// printTopicFound prints a record that was found for a topic.
func (t *tool) printTopicFound(kind, before string, top topicArg, r *enr.Record) {
	found := topicFound{kind, brief(r.View())}
	d := top.distance(r.ID())
	found.Distance = &d
	t.print(found, before+found.Record)
}
