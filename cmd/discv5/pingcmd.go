package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newPing(t *tool) *cobra.Command {
	n := &network{t: t}
	count := 3
	interval := seconds(time.Second)
	c := &cobra.Command{
		Use: "ping NODE", Short: "Ask whether a node is alive, and how far away",
		Long: "Send PING to a node and print the time that each answer took. The first one takes a handshake, of which only the last round trip counts. Exit code 1: no answer at all.",
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if count < 0 {
				return wrong("--count %d: is negative", count)
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
			p := &pinger{t: t, node: node, to: to, addr: to.addr(node.Addrs())}
			if !t.json {
				t.write([]byte(fmt.Sprintf("PING %s at %s\n", to.id(), p.addr)))
			}
			return p.run(ctx, count, time.Duration(interval))
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVarP(&count, "count", "c", count, "`NUMBER` of pings; 0 is until interrupted")
	f.VarP(&interval, "interval", "i", "`TIME` between two pings")
	n.flags(f, "timeout", "W", false)
	return c
}
