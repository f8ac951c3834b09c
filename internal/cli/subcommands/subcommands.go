// Package subcommands has the commands "help" and "completion" of programs that have subcommands.
// It is apart from package cli because that links no cobra.
package subcommands

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
)

// shells are the shells that "completion" knows.
var shells = []string{"bash", "fish", "powershell", "zsh"}

// Add adds the commands "completion" and "help" to root. They report an unknown shell and an
// unknown command as usage errors. completionArgs are those of
// cobra.Command.InitDefaultCompletionCmd.
func Add(root *cobra.Command, completionArgs ...string) {
	root.InitDefaultCompletionCmd(completionArgs...)
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args = cobra.ArbitraryArgs
			c.RunE = func(c *cobra.Command, args []string) error {
				if len(args) == 0 {
					return c.Help()
				}
				return cli.Usagef("completion: unknown shell %s: want %s", quote.Short(args[0]), quote.Choices(shells))
			}
		case "help":
			c.Run = nil
			c.RunE = func(_ *cobra.Command, args []string) error {
				target, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return cli.Usagef("help: there is no command %s", quote.Short(strings.Join(args, " ")))
				}
				return target.Help()
			}
		}
	}
}
