package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/cli/subcommands"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/internal/version"
)

const rootHelp = `A tool for the Node Discovery Protocol v5.1.

A NODE is a record (enr:...), an enode URL, @FILE that holds one of them, or - for
standard input. Results go to standard output, all other text to standard error.

Exit codes:
  0  done
  1  no answer, or a failure
  2  the command line, or something that it names, is wrong`

func newRoot(t *tool) *cobra.Command {
	root := &cobra.Command{
		Use: "discv5", Short: "A tool for the Node Discovery Protocol v5.1", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true, Version: version.Line("discv5"),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.PersistentFlags().BoolVar(&t.json, "json", false, "print each result as one JSON object on its own line")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return cli.Usagef("%w; see %s --help", cli.FlagError(err, c.Flags()), c.CommandPath())
	})
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100"))
	asGroup(root)
	root.AddCommand(
		group("key", "Make, show and convert private keys", newKeyGenerate(t), newKeyInspect(t), newKeyConvert(t)),
		group("enr", "Show, make and convert node records", newEnrInspect(t), newEnrMake(t), newEnrConvert(t)),
		group("dns", "Read, check, make and publish lists of nodes in DNS", newDNSResolve(t), newDNSCheck(t), newDNSMake(t), newDNSPublish(t)),
		newPing(t), newFindNode(t), newTalk(t), newResolve(t), newLookup(t), newListen(t), newCrawl(t), newNodeset(t),
		group("topic", "Advertise topics, and find the nodes that do", newTopicID(t), newTopicQuery(t), newTopicRegister(t), newTopicAdvertise(t), newTopicSearch(t)),
		group("packet", "Decode packets", newPacketDecode(t)),
	)
	subcommands.Add(root)
	return root
}

// group returns a command that only holds other commands.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short}
	c.AddCommand(commands...)
	asGroup(c)
	return c
}

// asGroup makes a command show its help if it has no arguments, and report an unknown subcommand
// otherwise.
func asGroup(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		hint := ""
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		if near := cli.Nearest(args[0], names); near != "" {
			hint = "; did you mean " + near + "?"
		}
		return cli.Usagef("argument 1: %s is not a command of %s%s; see %s --help", quote.Short(args[0]), c.CommandPath(), hint, c.CommandPath())
	}
}

// arguments checks the number of arguments; most is negative if there is no limit. Errors name a
// missing argument as the line of Use does.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			names := strings.Fields(c.Use)[1:]
			return cli.Usagef("argument %d is missing: %s; see %s --help", len(args)+1, names[len(args)], c.CommandPath())
		case most >= 0 && len(args) > most:
			return cli.Usagef("argument %d: unexpected %s; see %s --help", most+1, quote.Short(args[most]), c.CommandPath())
		}
		return nil
	}
}

// place puts the place of an error in the input before its text. A usage error remains one.
func place(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}

// argument returns the place of argument i, counted from 0.
func argument(i int) string { return fmt.Sprintf("argument %d", i+1) }
