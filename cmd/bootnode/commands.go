package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/cli/subcommands"
	"github.com/fastdisc/discv5/internal/quote"
)

// healthTimeout bounds "bootnode health"; see system.
const healthTimeout = 5 * time.Second

// newCommands returns the program in the form of package cobra. It serves the commands beside the
// daemon, shell completion, and the manual page; the daemon itself does not run in it.
func newCommands(s system, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "bootnode",
		Short:         "A bootnode of Node Discovery v5.1",
		Long:          "A bootnode of Node Discovery v5.1. It prints its record and runs until SIGINT or SIGTERM.",
		RunE:          func(*cobra.Command, []string) error { return nil },
		SilenceErrors: true, SilenceUsage: true,
	}
	root.Flags().AddFlagSet(flagSet(new(options)))
	root.SetOut(stdout)
	root.SetErr(stderr)
	health := &cobra.Command{
		Use:   "health",
		Short: "Ask the bootnode that runs with the same settings whether it is healthy",
		Long: "Ask the bootnode that runs with the same settings whether it is healthy. One of these flags, or\n" +
			"their environment variables, names its address; all other flags of the bootnode are valid too.\n\n" +
			"Exit codes:\n  0  it is healthy\n  1  it is not, or does not answer\n  2  a setting is wrong",
		DisableFlagParsing: true, // load parses them
		RunE: func(c *cobra.Command, args []string) error {
			if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
				return c.Help()
			}
			return health(c.Context(), args, s, stdout)
		},
	}
	for _, name := range []string{"config", "http", "metrics"} {
		health.Flags().AddFlag(root.Flags().Lookup(name))
	}
	root.AddCommand(health)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 100"))
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if c != root {
			help(c, args)
			return
		}
		fmt.Fprint(stdout, usage())
	})
	subcommands.Add(root, "completion")
	return root
}

// runCommand runs a command beside the daemon. ok is false if args name none.
func runCommand(args []string, s system, stdout, stderr io.Writer) (code int, ok bool) {
	commands := []string{"health", "completion", "help", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}
	if len(args) == 0 || !slices.Contains(commands, args[0]) {
		return 0, false
	}
	root := newCommands(s, stdout, stderr)
	root.SetArgs(args)
	ctx, stop := context.WithTimeout(context.Background(), s.healthTimeout)
	defer stop()
	if err := root.ExecuteContext(ctx); err != nil {
		return printErr(stderr, err), true
	}
	return cli.ExitOK, true
}

// health asks the page /healthz of the bootnode with these settings.
func health(ctx context.Context, args []string, s system, stdout io.Writer) error {
	o, err := load(args, s.environ)
	if err != nil {
		return cli.Usage(err)
	}
	addr := cmp.Or(o.http, o.metrics)
	if addr == "" {
		return cli.Usagef("health needs the --http or --metrics address of the bootnode")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return cli.Usage(err)
	}
	// A bootnode that listens on all addresses is asked at a loopback address.
	switch a, err := netip.ParseAddr(host); {
	case host == "" || err == nil && a == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && a == netip.IPv6Unspecified():
		host = "::1"
	}
	url := "http://" + net.JoinHostPort(host, port) + "/healthz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return cli.Usage(err)
	}
	client := http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1024))
	if err != nil {
		return fmt.Errorf("health: %s: %w", url, err)
	}
	text := strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s: %s: %s", url, response.Status, quote.Short(text))
	}
	_, err = fmt.Fprintln(stdout, text)
	return err
}
