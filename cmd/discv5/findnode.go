package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

func newFindNode(t *tool) *cobra.Command {
	n := &network{t: t}
	var distances []string
	var each bool
	c := &cobra.Command{
		Use: "findnode NODE", Short: "Ask a node for records of nodes at given distances from it",
		Long: `Send FINDNODE to a node and print the records of its answer, one on a line.

All distances go into one request, and nodes answer with 16 records at most. With --each
every distance is a request of its own, which shows a whole table. Distance 0 is the
node's own record. An answer without records is an answer: exit code 0.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := parseDistances(distances)
			if err != nil {
				return place("--distance", err)
			}
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			to, err := n.target(ctx, args, 0)
			if err != nil {
				return err
			}
			node, err := n.start(ctx, []target{to}, false)
			if err != nil {
				return err
			}
			defer node.Close()
			requests := [][]uint{list}
			if each {
				requests = slices.Collect(slices.Chunk(list, 1))
			}
			count := 0
			for _, r := range requests {
				records, err := node.FindNode(ctx, to.contact, r...)
				if err != nil {
					return err
				}
				for _, r := range records {
					t.printFound(r, to.id())
				}
				count += len(records)
			}
			t.note("%d records", count)
			return nil
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&distances, "distance", "d", []string{strconv.Itoa(codec.MaxDistance)}, "log `DISTANCE` from the node, 0 to 256, a range such as 250-256, or several with commas; repeatable")
	f.BoolVar(&each, "each", false, "one request for each distance")
	n.flags(f, "timeout", "W", false)
	return c
}

// printFound prints a record and, in JSON, its distance from where it was asked about.
func (t *tool) printFound(r *enr.Record, from enr.ID) {
	i := brief(r.View())
	d := enr.LogDistance(from, r.ID())
	i.Distance = &d
	t.print(i, i.Record)
}

// parseDistances reads the values of --distance. Each distance counts once, where it is first
// named.
func parseDistances(flags []string) (list []uint, err error) {
	for _, flag := range flags {
		for _, s := range strings.Split(flag, ",") {
			low, high, isRange := strings.Cut(strings.TrimSpace(s), "-")
			if !isRange {
				high = low
			}
			from, err1 := strconv.ParseUint(low, 10, 16)
			to, err2 := strconv.ParseUint(high, 10, 16)
			if err1 != nil || err2 != nil || from > codec.MaxDistance || to > codec.MaxDistance {
				return nil, fmt.Errorf("%s: %w", quote.Short(s), wrong("want 0 to %d, or a range of them", codec.MaxDistance))
			}
			step := 1
			if from > to {
				step = -1
			}
			for d := int(from); ; d += step {
				if !slices.Contains(list, uint(d)) {
					list = append(list, uint(d))
				}
				if d == int(to) {
					break
				}
			}
		}
	}
	return list, nil
}
