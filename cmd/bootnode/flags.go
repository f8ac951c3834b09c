package main

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/nat"
	"github.com/fastdisc/discv5/table"
)

// defaultMaxSessions leaves room above 100,000 sessions, as hashing spreads them unevenly.
const defaultMaxSessions = 131072

// Each save that writes waits for the disk, hence a least interval.
const (
	defaultSaveInterval = 10 * time.Second
	minSaveInterval     = 100 * time.Millisecond

	defaultStatusInterval = time.Minute
)

// usageError is an error about a setting.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// isUsage reports whether an error is one of usage.
func isUsage(err error) bool {
	var usage usageError
	return errors.As(err, &usage)
}

// options are the settings: as given, then as understood.
type options struct {
	addrs     []string
	extIPs    []string
	natSpec   string
	bootnodes []string
	bootFiles []string
	banFile   string
	networks  []string
	nodeKey   string
	keyHex    string
	dataDir   string
	http      string
	vhosts    []string
	pprof     bool
	logLevel  string
	logJSON   bool
	status    time.Duration
	save      time.Duration
	sessions  int
	sockets   int
	bucketIn  string // limits by prefix, as given
	tableIn   string
	exemptIn  string
	noGSO     bool

	detect      int
	reachWait   time.Duration
	reachMisses int
	reachRetry  time.Duration

	config  string
	print   bool
	check   bool
	version bool

	flags    *pflag.FlagSet
	origin   map[string]string // of settings that were made: how an error names them
	warnings []string          // to be logged once there is a log

	level     slog.Level       // of logLevel
	listen    []netip.AddrPort // of addrs
	optional6 []netip.AddrPort // IPv6 addresses that nobody asked for by name
	advertise []netip.AddrPort // of extIPs and nat
	nat       nat.Config
	sources   []source       // of bootnodes and bootFiles
	bans      []limits.Rule  // of banFile
	restrict  []netip.Prefix // of networks

	bucketLimits  discv5.PrefixLimits  // of bucketIn
	tableLimits   discv5.PrefixLimits  // of tableIn
	exemptPrivate discv5.ExemptPrivate // of exemptIn
	lowPorts      bool
}

func flagSet(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("bootnode", pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringArrayVar(&o.addrs, "addr", []string{":" + strconv.Itoa(discv5.DefaultPort)}, "UDP `ADDR` to listen on, IP:PORT or [IPv6]:PORT; repeatable. :PORT is all IPv4 and, if there is any, all IPv6 addresses")
	f.StringArrayVar(&o.extIPs, "extip", nil, "`IP[:PORT]` that the record names; repeat for the other family. Default: --addr, or an address of an interface, until peers agree on another one")
	f.IntVar(&o.detect, "detectaddress", discv5.DefaultDetectAddress, "`N` votes of peers that another address needs before the record names it; 3 are enough in private networks. -1: peers are not heard")
	f.DurationVar(&o.reachWait, "reachwait", discv5.DefaultReachWait, "`TIME` that an address which peers have told stays in the record at least, whatever speaks against it; 0 for ever")
	f.IntVar(&o.reachMisses, "reachmisses", discv5.DefaultReachMisses, "`N` networks that must speak against such an address before the record drops it; more in a large table")
	f.DurationVar(&o.reachRetry, "reachretry", discv5.DefaultReachRetry, "`TIME` for which peers are not heard about an address that was dropped")
	f.StringVar(&o.natSpec, "nat", "none", "`METHOD` to find the external address and have the router let traffic through: none, any, upnp, pmp[:IP], extip:IP or stun:HOST[:PORT]. With none nothing is sent")
	f.StringArrayVar(&o.bootnodes, "bootnodes", nil, "`NODES` to start from, enr:..., enode://... or enrtree://..., separated by commas; repeatable")
	f.StringArrayVar(&o.bootFiles, "bootnodes-file", nil, "`FILE` with such nodes, one on a line, # before comments; repeatable. Read again on SIGHUP")
	f.StringVar(&o.banFile, "ban-file", "", "`FILE` of addresses, networks and node IDs to ignore, one on a line, with a time like 12h or 30d or for ever. Read again on SIGHUP")
	f.StringArrayVar(&o.networks, "netrestrict", nil, "`NETWORKS` in CIDR notation to talk to, and to no others, separated by commas; repeatable")
	f.BoolVar(&o.lowPorts, "low-ports", false, "contact and relay nodes that others say are at ports below 1024")
	f.StringVar(&o.dataDir, "datadir", "", "`DIR` for key and known nodes. Default: "+dataDirHelp())
	f.StringVar(&o.nodeKey, "nodekey", "", "`FILE` with the private key, 64 hexadecimal digits. Default: nodekey in the data directory, made if missing")
	f.StringVar(&o.keyHex, "nodekeyhex", "", "private key as 64 `HEX` digits; as a flag other users of the machine can see it")
	f.StringVar(&o.http, "http", "", "`ADDR` HOST:PORT that serves /metrics, /healthz, /nodes, /buckets and /eth/v1/node/identity. Default: off")
	f.StringArrayVar(&o.vhosts, "http-vhosts", nil, "host `NAMES` that requests to a loopback address may use besides localhost, separated by commas; * for any")
	f.BoolVar(&o.pprof, "pprof", false, "serve /debug/pprof/ too, which needs --http on loopback")
	f.StringVar(&o.logLevel, "log.level", "info", "`LEVEL` of the log: debug, info, warn or error")
	f.BoolVar(&o.logJSON, "log.json", false, "log in JSON")
	f.DurationVar(&o.status, "log.status", defaultStatusInterval, "`TIME` between two lines that sum up; 0 for none")
	f.IntVar(&o.sessions, "maxsessions", defaultMaxSessions, "`N` sessions at most, of about 1.5 KiB each. Default: what fits into the memory limit of the control group, if there is one")
	f.StringVar(&o.bucketIn, "bucket-limits", table.DefaultBucketLimits.String(), "`LIMITS` for nodes of one network in a bucket of the table: of an address or IPv6 /64, of a /24 or /48, of a /16 or /32; \"-\" for no limit, off for none at all")
	f.StringVar(&o.tableIn, "table-limits", table.DefaultTableLimits.String(), "`LIMITS` for nodes of one network in the whole table, in the same form")
	f.StringVar(&o.exemptIn, "exempt-private", discv5.ExemptAuto.String(), "`WHEN` peers at private addresses are exempt from these limits and from rate limits: auto, which is while this node has no public address, always or never")
	f.IntVar(&o.sockets, "sockets", 0, "`N` sockets for each address. Default: one for each CPU")
	f.BoolVar(&o.noGSO, "no-gso", false, "send without UDP_SEGMENT, for network cards that damage such packets, and receive without UDP_GRO")
	f.DurationVar(&o.save, "saveinterval", defaultSaveInterval, "`TIME` between two saves of the known nodes")
	f.StringVar(&o.config, "config", "", "`FILE` in TOML with settings, whose keys are the names of these flags")
	f.BoolVar(&o.print, "print-config", false, "print all settings, in the form of such a file, and exit")
	f.BoolVar(&o.check, "check-config", false, "read all settings and the files that they name, and exit")
	f.BoolVar(&o.version, "version", false, "print the version and exit")
	return f
}

// onlyFlags are not settings: they can be given on the command line alone, but for config, which
// has an environment variable.
func onlyFlag(name string) bool {
	switch name {
	case "config", "print-config", "check-config", "version", "help":
		return true
	}
	return false
}

func usage() string {
	var o options
	return "Usage: bootnode [flags]\n\nA bootnode of Node Discovery v5.1. It prints its record and runs until it gets SIGINT or SIGTERM.\n\n" +
		flagSet(&o).FlagUsagesWrapped(100) +
		"\nEach flag can also be given as an environment variable, " + envName("log.level") + " for --log.level, or in the file\n" +
		"of --config. A flag counts before an environment variable, and that before the file.\n"
}

// system is what the program has from outside.
type system struct {
	environ  []string
	resolver resolver
	// where UPnP gateways are looked for; the zero value is the multicast group
	ssdp netip.AddrPort
	// those that are asked for NAT-PMP; nil stands for the default ones
	gateways func() ([]netip.Addr, error)
	journal  bool // standard error is the systemd journal
	memory   func() (limit int64, from string)
}

func hostSystem() system {
	toJournal, err := journal.StderrIsJournalStream()
	return system{environ: os.Environ(), resolver: hostResolver(), journal: err == nil && toJournal, memory: memoryLimit}
}
