package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/forks"
	"github.com/fastdisc/discv5/internal/chain"
	"github.com/fastdisc/discv5/internal/cli"
)

// chainFlags holds the flags that name a chain.
type chainFlags struct {
	flags     chain.Flags
	chain     forks.Chain // nil: the flags name none
	published []string    // bootnodes
}

func (c *chainFlags) add(f *pflag.FlagSet) { c.flags.Add(f) }

// load reads the chain of the flags of a command.
func (c *chainFlags) load(cmd *cobra.Command) error {
	l, err := c.flags.Load(cmd.Flags().Changed, func(name string) string { return "--" + name })
	if err != nil {
		return cli.Usage(err)
	}
	c.chain, c.published = l.Chain, l.Bootnodes
	return nil
}

// serves reports whether a node belongs to the chain, or no chain is named.
func (c *chainFlags) serves(v enr.View) bool {
	return c.chain == nil || c.chain.Check(v, time.Now()).Match.Serves()
}

// bootnodes returns targets for the published bootnodes of a public network.
func (c *chainFlags) bootnodes(ctx context.Context, n *network) (list []target, err error) {
	for i, s := range c.published {
		to, err := parseTarget(ctx, n.names, s, n.listen)
		if err != nil {
			return nil, place(fmt.Sprintf("--network: bootnode %d", i+1), err)
		}
		list = append(list, to)
	}
	return list, nil
}
