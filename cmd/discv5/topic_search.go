package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/engine"
)

func newTopicSearch(t *tool) *cobra.Command {
	n := &topicNode{network: &network{t: t}}
	var limit int
	var plain bool
	c := &cobra.Command{
		Use: "search TOPIC", Short: "Find the nodes that advertise a topic",
		Long: `Ask registrars all over the network for the ads of a topic and print the records of
advertisers as they are found, one a line, each once in 15 minutes or when its record is
newer. The search ends after --limit records, after --timeout, or with SIGINT.

` + topicHelp + `

An advertiser may have gone within the last 15 minutes. Exit code 1: none was found.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return cli.Usagef("--limit %d: is negative", limit)
			}
			top, err := parseTopic(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			ctx := c.Context()
			if err := n.parseAll(ctx, nil); err != nil {
				return err
			}
			node, err := n.startJoined(ctx, c.CommandPath())
			if err != nil {
				return err
			}
			defer node.Close()
			t.note("topic %s", top.id)
			return n.search(ctx, node, top, limit, plain)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVarP(&limit, "limit", "n", 0, "maximum `NUMBER` of records; 0 for no limit")
	f.BoolVar(&plain, "plain", false, "walk from the farthest registrars to the closest, as the specification says, instead of choosing distances by the answers")
	n.limitFlags(f, time.Minute, true)
	return c
}

// search prints advertisers until a limit is reached or ctx ends.
func (n *topicNode) search(ctx context.Context, node *discv5.Node, top topicArg, limit int, plain bool) error {
	timed, cancel := n.timed(ctx)
	defer cancel()
	var options []discv5.TopicOption
	if plain {
		options = append(options, discv5.WithPlainWalk())
	}
	began, found := time.Now(), 0
	stop := n.t.showing(asking(node))
	var err error
	for r, failure := range node.SearchTopic(timed, top.id, options...) {
		if failure != nil {
			err = failure
			break
		}
		found++
		n.t.printFound(r, [32]byte(top.id))
		if found == limit {
			break
		}
	}
	stop()
	n.t.note("%s in %.1f s", cli.Count(found, "record"), time.Since(began).Seconds())
	switch {
	case err != nil && timed.Err() == nil: // not the end of the time
		return err
	case found > 0:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	for _, why := range []error{discv5.ErrNoTopicNodes, discv5.ErrNoAnswer} {
		if errors.Is(err, why) {
			return fmt.Errorf("no advertiser of topic %s found: %w", top, why)
		}
	}
	return fmt.Errorf("no advertiser of topic %s found, with %d queries", top, node.Stats().Counters[engine.OutTopicQuery])
}
