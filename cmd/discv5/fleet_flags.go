package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/fleet/crawlqueue"
)

// fleetFlags holds the flags of a command that works with others.
type fleetFlags struct {
	serverFlags       []string
	credentials, nkey string
	ca, cert, key     string
	patience          cli.Seconds
	crawl             string
	collect           bool

	servers []string // of --fleet
}

func (f *fleetFlags) add(s *pflag.FlagSet) {
	f.patience = cli.Seconds(time.Minute)
	s.StringArrayVar(&f.serverFlags, "fleet", nil, "divide the crawl among several processes through NATS JetStream: `URLS` of servers, nats://HOST:PORT or tls://HOST:PORT, separated by commas; repeatable")
	s.StringVar(&f.crawl, "crawl-name", "", "`NAME` of the crawl of --fleet, the same for all processes and to continue it: letters, digits, - and _")
	s.BoolVar(&f.collect, "collect", false, "visit no node; write what the crawl of --fleet has found to FILE")
	s.Var(&f.patience, "fleet-timeout", "how much `TIME` the servers of --fleet may be away before the crawl ends")
	s.StringVar(&f.credentials, "fleet-credentials", "", "`FILE` with NATS credentials for --fleet, a JWT and its seed")
	s.StringVar(&f.nkey, "fleet-nkey", "", "`FILE` with the seed of an NKey for --fleet")
	s.StringVar(&f.ca, "fleet-ca", "", "PEM `FILE` with the certificate authorities of the servers of --fleet. Default: those of the system")
	s.StringVar(&f.cert, "fleet-cert", "", "PEM `FILE` with the certificate of this client of --fleet")
	s.StringVar(&f.key, "fleet-key", "", "PEM `FILE` with the key of --fleet-cert")
}

// enabled reports whether the flags name a fleet.
func (f *fleetFlags) enabled() bool { return len(f.servers) > 0 }

// check checks the flags of a command.
func (f *fleetFlags) check(cmd *cobra.Command) error {
	for _, list := range f.serverFlags {
		f.servers = append(f.servers, cli.SplitList(list)...)
	}
	if cmd.Flags().Changed("fleet") && !f.enabled() {
		return cli.Usagef("--fleet is empty")
	}
	if !f.enabled() {
		for _, name := range []string{"crawl-name", "collect", "fleet-timeout", "fleet-credentials", "fleet-nkey", "fleet-ca", "fleet-cert", "fleet-key"} {
			if cmd.Flags().Changed(name) {
				return cli.Usagef("--%s needs --fleet", name)
			}
		}
		return nil
	}
	if f.crawl == "" {
		return cli.Usagef("--crawl-name is missing: the processes of a crawl find each other by it")
	}
	if err := crawlqueue.CheckName(f.crawl); err != nil {
		return place("--crawl-name", cli.Usage(err))
	}
	if f.patience == 0 {
		return cli.Usagef("--fleet-timeout is 0")
	}
	cfg := f.config()
	return fleetError(cfg.Check())
}

func (f *fleetFlags) config() fleet.Config {
	return fleet.Config{Servers: f.servers, Credentials: f.credentials, NKey: f.nkey, CA: f.ca, Cert: f.cert, Key: f.key, Name: "discv5 crawl"}
}

// fleetError returns an error of a connection to a fleet: a wrong setting is a usage error.
func fleetError(err error) error {
	if errors.Is(err, fleet.ErrConfig) {
		return place("--fleet", cli.Usage(err))
	}
	return err
}
