package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/dnsdisc"
)

// dnsFlags are those of commands that read lists.
type dnsFlags struct {
	server  string
	timeout seconds
	limits  dnsdisc.Limits
	alone   bool
}

func (d *dnsFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	d.timeout = seconds(30 * time.Minute)
	d.limits.Rate = 64
	dnsFlag(f, &d.server)
	f.Var(&d.timeout, "timeout", "`TIME` after which reading ends; 0 is when all has been read")
	f.Float64Var(&d.limits.Rate, "rate", d.limits.Rate, "DNS requests per second, at most")
	f.BoolVar(&d.alone, "no-links", false, "do not read lists that the list links to")
}

// client makes a client, and the context that bounds it.
func (d *dnsFlags) client(ctx context.Context) (*dnsdisc.Client, context.Context, context.CancelFunc, error) {
	names, err := parseDNS(d.server)
	if err != nil {
		return nil, nil, nil, place("--dns", err)
	}
	if !(d.limits.Rate > 0) {
		return nil, nil, nil, wrong("--rate %v: want more than 0", d.limits.Rate)
	}
	if d.alone {
		d.limits.LinkDepth = -1
	}
	client := &dnsdisc.Client{Resolver: names, Limits: d.limits}
	if d.timeout == 0 {
		return client, ctx, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.timeout))
	return client, ctx, cancel, nil
}

func newDNSResolve(t *tool) *cobra.Command {
	var flags dnsFlags
	c := &cobra.Command{
		Use: "resolve URL", Short: "Print the records of a list of nodes in DNS",
		Long: `Print the records of the list at URL, enrtree://KEY@DOMAIN, and of the lists that it links to,
in the order in which they come, which is random. A node is printed again if a newer record of
it is found. What is wrong with a list is told on standard error and left out.
Exit code 1: no record was found.`,
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
			seen := newRecords{}
			var last error
			for f, err := range client.Walk(ctx, args[0]) {
				switch {
				case err != nil:
					last = err
					t.note("discv5: %s", oneLine(err))
				case f.Record != nil && seen.add(f.Record):
					i := brief(f.Record.View())
					t.print(i, i.Record)
				}
			}
			switch {
			case c.Context().Err() != nil:
				return c.Context().Err()
			case len(seen) > 0:
				return nil
			case last != nil:
				return errors.New("no record found")
			}
			return errors.New("the list is empty")
		},
	}
	flags.add(c.Flags())
	c.Flags().IntVarP(&flags.limits.Records, "number", "n", 0, "`NUMBER` of records after which reading ends; 0 is all")
	return c
}
