package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/quote"
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

const envPrefix = "DISCV5_"

// envName is the environment variable of a setting.
func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// load makes the settings: a flag counts before an environment variable, that before the
// configuration file, and that before the default. Lists are not joined: the one that counts
// replaces the others. It reads the files that settings name, but nothing of the data directory,
// and changes nothing. An error names the flag, variable, or file with line that it is about.
func load(args, environ []string) (*options, error) {
	o := &options{origin: make(map[string]string)}
	o.flags = flagSet(o)
	if err := o.flags.Parse(args); err != nil {
		return nil, explainFlag(err, o.flags)
	}
	if o.flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %s", quote.Short(o.flags.Arg(0)))
	}
	if o.version {
		return o, nil
	}
	env := o.environment(environ)
	file, err := o.configFile(env)
	if err != nil {
		return nil, err
	}
	o.flags.VisitAll(func(f *pflag.Flag) {
		value, inEnv := env[f.Name]
		set, inFile := file[f.Name]
		switch {
		case err != nil || f.Name == "config":
		case f.Changed:
			o.origin[f.Name] = "--" + f.Name
		case onlyFlag(f.Name):
		case inEnv:
			o.origin[f.Name] = envName(f.Name)
			err = assign(f, []string{value}, o.origin[f.Name])
		case inFile:
			o.origin[f.Name] = set.where + ": " + f.Name
			err = assign(f, set.values, o.origin[f.Name])
		}
	})
	if err != nil {
		return nil, err
	}
	return o, o.understand()
}

// environment picks this program's variables. Some that it does not know may be meant for others:
// orchestrators make variables out of the names of services. They are warned about.
func (o *options) environment(environ []string) map[string]string {
	known := make(map[string]string) // variable to setting
	o.flags.VisitAll(func(f *pflag.Flag) {
		if !onlyFlag(f.Name) || f.Name == "config" {
			known[envName(f.Name)] = f.Name
		}
	})
	env := make(map[string]string)
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if setting, ok := known[name]; ok {
			env[setting] = value
			continue
		}
		warning := "environment variable " + name + " is no setting"
		if near := nearest(name, known); near != "" {
			warning += "; " + near + " is"
		}
		o.warnings = append(o.warnings, warning)
	}
	return env
}

// configFile reads the file of --config, if there is one.
func (o *options) configFile(env map[string]string) (map[string]setting, error) {
	if value, ok := env["config"]; ok && !o.flags.Changed("config") {
		o.config = value
	}
	if o.config == "" {
		if o.flags.Changed("config") {
			return nil, errors.New("--config is empty")
		}
		return nil, nil
	}
	settings, err := readConfig(o.config)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]setting)
	for _, s := range settings {
		if o.flags.Lookup(s.name) == nil {
			return nil, fmt.Errorf("%s: unknown key %s%s", s.where, quote.Short(s.name), hint(s.name, "", o.flags))
		}
		if onlyFlag(s.name) {
			return nil, fmt.Errorf("%s: %s is for the command line only", s.where, s.name)
		}
		if other, ok := byName[s.name]; ok {
			return nil, fmt.Errorf("%s: %s was set before, in %s", s.where, s.name, other.where)
		}
		byName[s.name] = s
	}
	return byName, nil
}

// assign sets a flag to what an environment variable or file says.
func assign(f *pflag.Flag, values []string, where string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var all []string
		for _, v := range values {
			all = append(all, splitList(v)...)
		}
		return list.Replace(all)
	}
	if len(values) != 1 {
		return fmt.Errorf("%s: want one value, not %d", where, len(values))
	}
	if err := f.Value.Set(values[0]); err != nil {
		want := map[string]string{"int": "a number", "bool": "true or false", "duration": `a time like "10s" or "5m"`}[f.Value.Type()]
		return fmt.Errorf("%s: want %s, not %s", where, want, quote.Short(values[0]))
	}
	return nil
}

// splitList takes a list apart at its commas. Empty entries, of a comma too many, are left out.
func splitList(s string) (list []string) {
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			list = append(list, v)
		}
	}
	return list
}

// from is how an error names a setting.
func (o *options) from(name string) string {
	if where := o.origin[name]; where != "" {
		return where
	}
	return "--" + name
}

// foreign are flags of other bootnodes and clients, and what to use here: the name of a flag, or a
// sentence.
func foreign(name string) string {
	switch name {
	// Of go-ethereum's bootnode and devp2p, Lighthouse's boot_node, Prysm's bootnode,
	// eth2-bootnode, bootnodoor, the examples of the Rust crate, and of clients.
	case "extaddr", "nat.extip", "enr-address", "enr-ip", "enr-ip4", "enr-ip6", "enr.ip", "enr-udp", "external-ip", "p2p-host-ip", "p2p-advertised-ip", "advertise-addr",
		"p2p-advertised-ips", "p2p-advertised-port", "p2p-advertised-udp-port", "p2p-advertised-udp-port-ipv6", "external-ip-v4", "external-ip-v6":
		return "extip"
	case "nodedb", "node-db", "db", "network-dir", "data-dir", "data-path", "db-path", "base-path":
		return "datadir"
	case "verbosity", "log-level", "loglevel", "debug-level", "level", "debug", "logging", "log.verbosity":
		return "log.level"
	case "log-format", "log.format", "logformat", "json-logs":
		return "log.json"
	case "key", "key-file", "nodekeyfile", "netkey", "netkey-file", "private-key-file", "p2p-private-key-file", "p2p-priv-key", "secret-key", "p2p-secret-key":
		return "nodekey"
	case "private", "private-key", "el-private-key", "cl-private-key", "priv", "priv-key", "p2p-secret-key-hex", "nodekey-hex":
		return "nodekeyhex"
	case "boot-nodes", "bootnode", "boot-node", "bootstrap-node", "bootstrap-nodes", "p2p-discovery-bootnodes", "discovery.bootnodes", "boot-nodes-enr", "bootnodes.v5", "el-bootnodes", "cl-bootnodes", "remote-peer", "seed-node", "p2p-discovery-bootnodes-url":
		return "bootnodes"
	case "bootstrap-file", "boot-nodes-file", "bootnode-file":
		return "bootnodes-file"
	case "port", "port6", "udp-port", "discv5-port", "discovery-port", "discovery.port", "discovery.addr", "discovery.v5.port", "discovery.v5.addr",
		"listen-address", "listen-addr", "listen-ip", "listen-udp", "listen", "bind-addr", "bind-port", "p2p-port", "p2p-udp-port", "p2p-interface", "host", "ipv6", "listenaddr", "el-port", "cl-port", "socket-kind",
		"p2p-interfaces", "p2p-interface-ipv6", "p2p-port-ipv6", "p2p-udp-port-ipv6", "local-ip", "discv5.addr", "discv5.port", "discovery-v5-port":
		return "addr"
	case "enr-port", "el-enr-port", "cl-enr-port", "enr-udp-port", "enr-udp6-port", "enr-udp6", "extport":
		return "extip"
	case "metrics", "metrics.addr", "metrics.port", "metrics-address", "metrics-port", "metrics-addr", "metrics-enabled", "monitoring-port", "monitoring-host",
		"rpc", "rpc-port", "http.addr", "http.port", "http-port", "http-address", "api-addr", "web-ui", "web-host", "web-port", "status-port", "api-port", "rest-port", "json-rpc":
		return "http"
	case "pprof.addr", "pprof.port", "pprofaddr":
		return "pprof"
	case "net-restrict", "allowlist", "p2p-allowlist":
		return "netrestrict"
	case "denylist", "p2p-denylist", "banlist", "ban-list", "blocklist":
		return "ban-file"
	case "maxpeers", "max-peers", "target-peers", "max-sessions":
		return "maxsessions"
	case "p2p-nat-method", "nat.method", "nat-method", "upnp", "disable-nat":
		return "nat"
	case "dump-config":
		return "print-config"
	case "immediate-shutdown", "dry-run":
		return "check-config"
	case "config-file", "config.file", "conf", "c":
		return "config"

	case "v5", "discovery.v5", "discv5", "runv5":
		return "it can be left out: discv5 is all that runs here"
	case "v4", "runv4", "discovery.v4", "discv4", "disable-kad", "kademlia-port":
		return "only discv5 runs here"
	case "enable-enr-auto-update", "x", "enr-auto-update", "discovery5-auto-update", "enable-ip-discovery":
		return "it can be left out: the record follows what peers agree on, unless --extip or --nat says the address"
	case "genkey", "genKey":
		return "it can be left out: a key is made in the data directory when it is missing"
	case "active-discovery":
		return "it can be left out: the table is filled actively"
	case "writeaddress":
		return "the record with the address is the first line of the output"
	case "vmodule", "log.vmodule", "log-file", "log.file", "logfile", "log-output", "color":
		return "there is one log, on standard error; --log.level and --log.json shape it"
	case "disable-packet-filter", "enable-packet-filter", "unlimited":
		return "rate limits cannot be switched off; loopback and private networks are exempt"
	case "network", "chain", "mainnet", "sepolia", "hoodi", "holesky", "fork-version", "genesis-root", "genesis-validators-root", "attnets", "syncnets",
		"testnet-dir", "el-config", "cl-config", "serve-all", "grace-period", "enable-el", "enable-cl":
		return "this bootnode serves the nodes of all networks"
	}
	return ""
}

// hint says what to use in place of an unknown flag or key, or nothing. prefix is put before names.
func hint(name, prefix string, f *pflag.FlagSet) string {
	switch h := foreign(name); {
	case h != "" && f.Lookup(h) != nil:
		return fmt.Sprintf("; it is called %s%s here", prefix, h)
	case h != "":
		return "; " + h
	}
	names := make(map[string]string)
	f.VisitAll(func(f *pflag.Flag) { names[f.Name] = f.Name })
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %s%s?", prefix, near)
	}
	return ""
}

// explainFlag adds a hint to an error of the command line.
func explainFlag(err error, f *pflag.FlagSet) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	// -nodekey is taken for -n -o -d and so on
	if short := unknown.GetSpecifiedShortnames(); short != "" {
		name, _, _ := strings.Cut(short, "=")
		switch h := foreign(name); {
		case f.Lookup(name) != nil:
			return fmt.Errorf("unknown flag -%s; it has two dashes here: --%s", name, name)
		case h != "":
			return fmt.Errorf("unknown flag -%s%s", name, hint(name, "--", f))
		}
		return fmt.Errorf("unknown flag -%s", short)
	}
	name := unknown.GetSpecifiedName()
	return fmt.Errorf("unknown flag --%s%s", name, hint(name, "--", f))
}

// nearest is the key that name was most likely meant to be, or nothing.
func nearest(name string, names map[string]string) string {
	best, least := "", 1+max(1, min(3, len(name)/3))
	if len(name) > 64 {
		return "" // nobody meant one of ours
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out, changed, or swapped with the next to
// make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
