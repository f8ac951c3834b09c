package main

import (
	"crypto/rand"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/quote"
)

func newLookup(t *tool) *cobra.Command {
	n := &network{t: t}
	c := &cobra.Command{
		Use: "lookup [TARGET]", Short: "Find the nodes closest to an ID",
		Long: `Find the nodes of the network that are closest to TARGET, 16 at most, and print their records,
closest first. TARGET is a node ID of 64 hexadecimal digits, a NODE, or the word random,
which is also the default. Exit code 1: no node was found.`,
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			var id enr.ID
			var err error
			if len(args) == 0 || args[0] == "random" {
				_, err = rand.Read(id[:])
			} else {
				id, err = t.idOf(args[0])
				err = place(argument(0), err)
			}
			if err != nil {
				return err
			}
			if len(n.boot) == 0 {
				return wrong("--bootnodes is missing: it says where to begin; see %s --help", c.CommandPath())
			}
			node, err := n.start(ctx, n.boot, true)
			if err != nil {
				return err
			}
			defer node.Close()
			stop := t.showing(asking(node))
			err = n.join(ctx, node)
			stop()
			if err != nil {
				return err
			}
			t.note("target %s", id)
			stop = t.showing(asking(node))
			found, err := node.Lookup(ctx, id)
			stop()
			for _, r := range found {
				t.printFound(r, id)
			}
			if err == nil && len(found) == 0 {
				err = errors.New("no node found")
			}
			return err
		},
	}
	n.flags(c.Flags(), "timeout", "W", true)
	return c
}

// idOf reads a node ID, or that of a record or an enode URL.
func (t *tool) idOf(arg string) (enr.ID, error) {
	text, err := t.text(arg)
	if err != nil {
		return enr.ID{}, err
	}
	if strings.HasPrefix(text, "enode://") {
		e, err := enr.ParseEnode(text)
		if err != nil {
			return enr.ID{}, usageError{err}
		}
		return e.ID()
	}
	if id, err := enr.ParseID(text); err == nil {
		return id, nil
	}
	if len(text) <= 66 {
		return enr.ID{}, wrong("%s: not a node ID of 64 hexadecimal digits, nor a node", quote.Short(text))
	}
	r, err := parseRecord(text)
	if err != nil {
		return enr.ID{}, err
	}
	return r.ID(), nil
}
