package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

func newLookup(t *tool) *cobra.Command {
	n := &network{t: t}
	c := &cobra.Command{
		Use: "lookup [TARGET]", Short: "Find the nodes closest to an ID",
		Long: `Find the nodes of the network that are closest to TARGET, at most 16, and print their records,
closest first. TARGET is a node ID of 64 hexadecimal digits, a NODE, or the word random, which
is the default. Exit code 1: no node was found.`,
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
				return cli.Usagef("--bootnodes is missing: it says where to start; see %s --help", c.CommandPath())
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

// idOf parses a node ID, or returns that of a record or an enode URL.
func (t *tool) idOf(arg string) (enr.ID, error) {
	text, err := t.text(arg)
	if err != nil {
		return enr.ID{}, err
	}
	if strings.HasPrefix(text, "enode://") {
		e, err := enr.ParseEnode(text)
		if err != nil {
			return enr.ID{}, cli.Usage(err)
		}
		return e.ID()
	}
	if id, err := enr.ParseID(text); err == nil {
		return id, nil
	}
	if len(text) <= 66 {
		return enr.ID{}, cli.Usagef("%s: not a node ID of 64 hexadecimal digits, nor a node", quote.Short(text))
	}
	r, err := parseRecord(text)
	if err != nil {
		return enr.ID{}, err
	}
	return r.ID(), nil
}

func newResolve(t *tool) *cobra.Command {
	n := &network{t: t}
	c := &cobra.Command{
		Use: "resolve NODE", Short: "Find the newest record of a node",
		Long: `Find the newest record of a node and print it.

NODE may also be a node ID of 64 hexadecimal digits. Resolve asks the node itself if its
address is known. If it does not answer, or only its ID is known, resolve asks the network,
starting from --bootnodes. Exit code 1: no record was found.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if err := n.parse(ctx); err != nil {
				return err
			}
			text, err := t.text(args[0])
			if err != nil {
				return place(argument(0), err)
			}
			known := n.boot
			var to *target
			id, err := enr.ParseID(text)
			if err != nil {
				found, err := parseTarget(ctx, n.names, text, n.listen)
				if err != nil {
					return place(argument(0), err)
				}
				to, id = &found, found.id()
				known = append([]target{found}, known...)
			} else if len(n.boot) == 0 {
				return cli.Usagef("argument 1: a node ID has no address: name nodes to ask with --bootnodes; see %s --help", c.CommandPath())
			}
			node, err := n.start(ctx, known, len(n.boot) > 0)
			if err != nil {
				return err
			}
			defer node.Close()
			r, err := n.resolve(ctx, node, id, to)
			if err != nil {
				return err
			}
			if to != nil {
				if old := to.contact.Record(); old != nil && old.Seq() > r.Seq() {
					t.note("the record found has sequence number %d, the given record has %d", r.Seq(), old.Seq())
				}
			}
			i := brief(r.View())
			t.print(i, i.Record)
			return nil
		},
	}
	n.flags(c.Flags(), "timeout", "W", true)
	return c
}

// resolve asks the node itself, and then the network.
func (n *network) resolve(ctx context.Context, node *discv5.Node, id enr.ID, to *target) (*enr.Record, error) {
	if to != nil {
		r, err := node.RequestENR(ctx, to.contact)
		if err == nil || len(n.boot) == 0 || ctx.Err() != nil {
			return r, err
		}
		n.t.note("%s; asking the network", oneLine(err))
	}
	defer n.t.showing(asking(node))()
	if err := n.join(ctx, node); err != nil {
		return nil, err
	}
	near, err := node.Lookup(ctx, id)
	if err != nil {
		return nil, err
	}
	best := newest(nil, near, id)
	if best == nil {
		// A lookup returns nodes that answer. This node does not, but nodes close to it may have
		// its record.
		for _, r := range near {
			found, err := node.FindNode(ctx, discv5.ContactOf(r), uint(enr.LogDistance(r.ID(), id)))
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err == nil {
				best = newest(best, found, id)
			}
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no record of %s: asked %s closest to it", id.Short(), cli.Count(len(near), "node"))
	}
	// Other nodes may have an old record: ask the node itself.
	if r, err := node.RequestENR(ctx, discv5.ContactOf(best)); err == nil {
		best = newest(best, []*enr.Record{r}, id)
	}
	return best, nil
}

// newest returns the record of id with the highest sequence number.
func newest(best *enr.Record, records []*enr.Record, id enr.ID) *enr.Record {
	for _, r := range records {
		if r.ID() == id && (best == nil || r.Seq() > best.Seq()) {
			best = r
		}
	}
	return best
}
