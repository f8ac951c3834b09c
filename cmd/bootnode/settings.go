package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/fastpath/xdp"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/quote"
	"github.com/fastdisc/discv5/limits"
	"github.com/fastdisc/discv5/nat"
	"github.com/fastdisc/discv5/table"
	"github.com/fastdisc/discv5/topic"
)

// defaultMaxSessions leaves room above 100,000 sessions: hashing fills the index unevenly.
const defaultMaxSessions = 131072

// Each save that writes waits for the disk, hence a minimum.
const (
	defaultSaveInterval = 10 * time.Second
	minSaveInterval     = 100 * time.Millisecond

	defaultStatusInterval = time.Minute
)

// options are the settings: first as the user gave them, then as validate parsed them.
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
	metrics   string
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
	xdpIn     []string // interfaces, as given

	topics         bool
	topicsCapacity int
	topicsScale    float64

	detect      int
	reachWait   time.Duration
	reachMisses int
	reachRetry  time.Duration

	net   chainOptions
	fleet fleetOptions

	name, where string     // of a [[network]]: its name, and its file and line
	networkList []*options // of the [[network]] tables; empty for one network

	config  string
	print   bool
	check   bool
	version bool

	flags    *pflag.FlagSet
	origin   map[string]string // how an error names a setting that was made
	warnings []string          // logged once there is a log

	level     slog.Level       // of logLevel
	listen    []netip.AddrPort // of addrs
	optional6 []netip.AddrPort // IPv6 addresses that the user did not name
	advertise []netip.AddrPort // of extIPs and nat
	nat       nat.Config
	sources   []source       // of bootnodes and bootFiles
	bans      []limits.Rule  // of banFile
	restrict  []netip.Prefix // of networks

	xdp           []xdp.Interface      // of xdpIn
	bucketLimits  discv5.PrefixLimits  // of bucketIn
	tableLimits   discv5.PrefixLimits  // of tableIn
	exemptPrivate discv5.ExemptPrivate // of exemptIn
	lowPorts      bool

	filter filterOptions
}

func flagSet(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("bootnode", pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringArrayVar(&o.addrs, "addr", []string{":" + strconv.Itoa(discv5.DefaultPort)}, "UDP `ADDR` to listen on: IP:PORT, [IPv6]:PORT, or :PORT for all IPv4 and IPv6 addresses; repeatable")
	f.StringArrayVar(&o.extIPs, "extip", nil, "`IP[:PORT]` to put into the record; repeat it for the other family. Default: --addr, or an address of an interface, until peers agree on another one")
	f.IntVar(&o.detect, "detect-address", discv5.DefaultDetectAddress, "put another address into the record after `N` votes of peers; 3 are enough in a private network, -1 ignores votes")
	f.DurationVar(&o.reachWait, "reach-wait", discv5.DefaultReachWait, "minimum `TIME` that an address from votes stays in the record; 0 until peers agree on another one")
	f.IntVar(&o.reachMisses, "reach-misses", discv5.DefaultReachMisses, "drop such an address from the record if `N` networks contradict it; a large table needs more")
	f.DurationVar(&o.reachRetry, "reach-retry", discv5.DefaultReachRetry, "`TIME` to ignore votes for an address that the record dropped")
	f.StringVar(&o.natSpec, "nat", "none", "`METHOD` to find the external address and to open the router's port: none, any, upnp, pmp[:IP], extip:IP or stun:HOST[:PORT]")
	f.StringArrayVar(&o.bootnodes, "bootnodes", nil, "`NODES` to start from, separated by commas: enr:..., enode://... or enrtree://...; repeatable")
	f.StringArrayVar(&o.bootFiles, "bootnodes-file", nil, "`FILE` with nodes to start from, one a line, # starts a comment; repeatable. SIGHUP reloads it")
	f.StringVar(&o.banFile, "ban-file", "", "`FILE` with addresses, networks and node IDs to ignore, one a line, each forever or for a time such as 12h or 30d. SIGHUP reloads it")
	f.StringArrayVar(&o.networks, "netrestrict", nil, "`NETWORKS` in CIDR notation, separated by commas: talk to these only; repeatable")
	f.BoolVar(&o.lowPorts, "low-ports", false, "contact and relay nodes that others report at ports below 1024")
	o.net.addChainFlags(f)
	f.StringVar(&o.dataDir, "datadir", "", "`DIR` for the key and the known nodes. Default: "+dataDirHelp())
	f.StringVar(&o.nodeKey, "nodekey", "", "`FILE` with the private key, 64 hexadecimal digits. Default: nodekey in the data directory, created if missing")
	f.StringVar(&o.keyHex, "nodekeyhex", "", "private key, 64 `HEX` digits; other users of this machine can see flags")
	f.StringVar(&o.http, "http", "", "`HOST:PORT` to serve the status page at, with /healthz, /enr, /enode, /nodes and others. Default: off")
	f.StringVar(&o.metrics, "metrics", "", "`HOST:PORT` to serve /metrics, for Prometheus, and /healthz at. Default: off")
	f.StringArrayVar(&o.vhosts, "http-vhosts", nil, "host `NAMES`, besides localhost, that requests to a loopback address may use, separated by commas; * allows any")
	f.BoolVar(&o.pprof, "pprof", false, "serve /debug/pprof/ too; --http must be a loopback address")
	f.StringVar(&o.logLevel, "log-level", "info", "`LEVEL` of the log: debug, info, warn or error")
	f.BoolVar(&o.logJSON, "log-json", false, "log in JSON")
	f.DurationVar(&o.status, "log-status", defaultStatusInterval, "`TIME` between status lines of the log; 0 for none")
	f.IntVar(&o.sessions, "max-sessions", defaultMaxSessions, "at most `N` sessions, of at most 2 KiB each. Default: less if the memory limit of the control group requires it")
	f.StringVar(&o.bucketIn, "bucket-limits", table.DefaultBucketLimits.String(), "`LIMITS` for nodes of one network in a bucket of the table: of one address or IPv6 /64, of a /24 or /48, of a /16 or /32; \"-\" removes one limit, off all three")
	f.StringVar(&o.tableIn, "table-limits", table.DefaultTableLimits.String(), "`LIMITS` for nodes of one network in the whole table; see --bucket-limits")
	f.StringVar(&o.exemptIn, "exempt-private", discv5.ExemptAuto.String(), "`WHEN` to exempt peers at private addresses from these limits and from rate limits: auto (while this node has no public address), always or never")
	f.BoolVar(&o.topics, "topics", false, "store ads of topics for other nodes and answer their queries; the record says so")
	f.IntVar(&o.topicsCapacity, "topics-capacity", topic.DefaultCapacity, "store at most `N` ads, of about 500 bytes each")
	f.Float64Var(&o.topicsScale, "topics-wait-scale", 1, "multiply the waiting times of the specification by `FACTOR`; below 1 an attacker gets more of the ads")
	f.IntVar(&o.sockets, "sockets", 0, "`N` sockets for each address. Default: one for each CPU")
	f.BoolVar(&o.noGSO, "no-gso", false, "send without UDP_SEGMENT, for network cards that corrupt such packets, and receive without UDP_GRO")
	o.filter.addFlags(f)
	f.StringArrayVar(&o.xdpIn, "xdp", nil, "network `IFACE` to receive from with AF_XDP, past the firewall; IFACE=native leaves out zero-copy, IFACE=generic works with every driver; repeatable")
	o.fleet.addFlags(f)
	f.DurationVar(&o.save, "save-interval", defaultSaveInterval, "`TIME` between saves of the known nodes")
	f.StringVar(&o.config, "config", "", "`FILE` in TOML with settings; its keys are the names of these flags")
	f.BoolVar(&o.print, "print-config", false, "print all settings as such a file, and exit")
	f.BoolVar(&o.check, "check-config", false, "check all settings and the files that they name, and exit")
	f.BoolVar(&o.version, "version", false, "print the version and exit")

	// Spelling does not matter: see bareName.
	names := make(map[string]string)
	for _, name := range cli.FlagNames(f) {
		names[bareName(name)] = name
	}
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if known, ok := names[bareName(name)]; ok {
			return pflag.NormalizedName(known)
		}
		return pflag.NormalizedName(name)
	})
	return f
}

// bareName removes the separators from the name of a setting. Names are equal if their bare names
// are: max-sessions, max_sessions, max.sessions and maxsessions are one setting.
func bareName(name string) string {
	return strings.NewReplacer("-", "", "_", "", ".", "").Replace(name)
}

// onlyFlag reports whether a flag is not a setting: an environment variable or a file cannot set
// it. config is an exception; it has an environment variable.
func onlyFlag(name string) bool {
	switch name {
	case "config", "print-config", "check-config", "version", "help":
		return true
	}
	return false
}

// sections are the parts of the help text.
var sections = []struct {
	title string
	flags []string
}{
	{"Addresses and sockets", []string{"addr", "extip", "nat", "detect-address", "reach-wait", "reach-misses", "reach-retry", "sockets", "no-gso", "xdp"}},
	{"Other nodes", []string{"bootnodes", "bootnodes-file", "ban-file", "netrestrict", "low-ports"}},
	{"Network", chainFlags},
	{"Limits", []string{"max-sessions", "bucket-limits", "table-limits", "exempt-private"}},
	{"Topics", []string{"topics", "topics-capacity", "topics-wait-scale"}},
	{"Source filter (Linux)", filterFlags},
	{"Fleet", fleetFlags},
	{"Key and data", []string{"datadir", "nodekey", "nodekeyhex", "save-interval"}},
	{"HTTP", []string{"http", "metrics", "http-vhosts", "pprof"}},
	{"Log", []string{"log-level", "log-json", "log-status"}},
	{"Settings", []string{"config", "print-config", "check-config", "version"}},
}

// usage returns the help text.
func usage() string {
	var b strings.Builder
	b.WriteString("Usage: bootnode [flags]\n" +
		"       bootnode health [flags]      asks the running bootnode whether it is healthy\n" +
		"       bootnode completion SHELL    prints completions for bash, zsh, fish or powershell\n\n" +
		"A bootnode of Node Discovery v5.1. It prints its record and runs until SIGINT or SIGTERM.\n")
	all := flagSet(new(options))
	for _, section := range sections {
		part := pflag.NewFlagSet(section.title, pflag.ContinueOnError)
		part.SortFlags = false
		for _, name := range section.flags {
			part.AddFlag(all.Lookup(name))
		}
		fmt.Fprintf(&b, "\n%s:\n%s", section.title, part.FlagUsagesWrapped(100))
	}
	fmt.Fprintf(&b, "\nEach flag is also an environment variable, such as %s for --log-level, and a key of\n"+
		"the file of --config. A flag overrides an environment variable, which overrides the file.\n", envName("log-level"))
	return b.String()
}

// system is the environment of the program. Tests replace it.
type system struct {
	environ  []string
	resolver resolver
	// ssdp is where UPnP gateways are searched for; the zero value is the multicast group.
	ssdp netip.AddrPort
	// gateways returns the gateways to ask for NAT-PMP; nil stands for the default gateways.
	gateways func() ([]netip.Addr, error)
	journal  bool // standard error is the systemd journal
	memory   func() (limit int64, from string)

	natWait       time.Duration // see mapping.start
	healthTimeout time.Duration // of "bootnode health"
}

func hostSystem() system {
	toJournal, err := journal.StderrIsJournalStream()
	return system{
		environ: os.Environ(), resolver: hostResolver(), journal: err == nil && toJournal, memory: memoryLimit,
		natWait: natWait, healthTimeout: healthTimeout,
	}
}

const envPrefix = "DISCV5_"

// envName returns the environment variable of a setting.
func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// load returns the settings: a flag overrides an environment variable, which overrides the
// configuration file, which overrides the default. A list replaces the other lists; load does not
// join them. It reads the files that settings name, but not the data directory, and changes
// nothing. Errors name the flag, the variable, or the file and line.
func load(args, environ []string) (*options, error) {
	o := &options{origin: make(map[string]string)}
	o.flags = flagSet(o)
	if err := o.flags.Parse(args); err != nil {
		return nil, cli.FlagError(err, o.flags)
	}
	if o.flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %s", quote.Short(o.flags.Arg(0)))
	}
	if o.version {
		return o, nil
	}
	env, err := o.environment(environ)
	if err != nil {
		return nil, err
	}
	file, tables, err := o.configFile(env)
	if err != nil {
		return nil, err
	}
	if err := o.assignAll(env, file); err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return o, o.validate()
	}
	// Each network checks the settings of a node, because it may override them.
	if err := o.validateProcess(); err != nil {
		return nil, err
	}
	return o, o.loadNetworks(args, env, file, tables)
}

// assignAll sets the flags that the command line does not set to the values of the environment and
// of the file.
func (o *options) assignAll(env map[string]variable, file map[string]setting) (err error) {
	o.flags.VisitAll(func(f *pflag.Flag) {
		variable, inEnv := env[f.Name]
		set, inFile := file[f.Name]
		switch {
		case err != nil || f.Name == "config":
		case f.Changed:
			o.origin[f.Name] = "--" + f.Name
		case onlyFlag(f.Name):
		case inEnv:
			o.origin[f.Name] = variable.name
			values := []string{variable.value}
			if f.Name == "enr" {
				values = strings.Split(variable.value, ";")
			}
			err = assign(f, values, o.origin[f.Name])
		case inFile:
			o.origin[f.Name] = set.where + ": " + f.Name
			err = assign(f, set.values, o.origin[f.Name])
		}
	})
	return err
}

// variable is an environment variable that is a setting.
type variable struct{ name, value string }

// environment returns the variables that are settings, by the names of those. It warns about others
// that begin like ours: they may belong to another program, since orchestrators name variables
// after services.
func (o *options) environment(environ []string) (map[string]variable, error) {
	env := make(map[string]variable)
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		bare, ok := strings.CutPrefix(name, envPrefix)
		if !ok {
			continue
		}
		f := o.flags.Lookup(strings.ToLower(bare))
		if f != nil && (!onlyFlag(f.Name) || f.Name == "config") {
			if other, twice := env[f.Name]; twice && other.name != name {
				return nil, fmt.Errorf("%s and %s are the same setting", other.name, name)
			}
			env[f.Name] = variable{name, value}
			continue
		}
		warning := "environment variable " + name + " is not a setting"
		var names []string
		for _, n := range cli.FlagNames(o.flags) {
			names = append(names, strings.TrimPrefix(envName(n), envPrefix))
		}
		if near := cli.Nearest(bare, names); near != "" { // the prefix says nothing
			warning += "; " + envPrefix + near + " is"
		}
		o.warnings = append(o.warnings, warning)
	}
	return env, nil
}

// configFile reads the file of --config, if there is one, and returns its settings by name.
func (o *options) configFile(env map[string]variable) (map[string]setting, []networkEntry, error) {
	from := "--config"
	if v, ok := env["config"]; ok && !o.flags.Changed("config") {
		o.config, from = v.value, v.name
	}
	if o.config == "" {
		if o.flags.Changed("config") {
			return nil, nil, errors.New("--config is empty")
		}
		return nil, nil, nil
	}
	settings, err := readConfig(o.config, from)
	if err != nil {
		return nil, nil, err
	}
	settings, tables, err := splitTables(settings)
	if err != nil {
		return nil, nil, err
	}
	byName, err := o.bySetting(settings)
	return byName, tables, err
}

// bySetting returns the settings by the names of the flags that they set. It refuses unknown keys,
// keys that two lines set, and values of the wrong type.
func (o *options) bySetting(settings []setting) (map[string]setting, error) {
	byName := make(map[string]setting)
	for _, s := range settings {
		f := o.flags.Lookup(s.name)
		switch {
		case s.table && !s.array && !s.empty && o.isPrefix(s.name):
			continue
		case f == nil:
			hint := ""
			if near := cli.Nearest(s.name, cli.FlagNames(o.flags)); near != "" {
				hint = "; did you mean " + near + "?"
			}
			what := "key"
			if s.table {
				what = "table"
			}
			return nil, fmt.Errorf("%s: unknown %s %s%s", s.where, what, quote.Short(s.name), hint)
		case onlyFlag(f.Name):
			return nil, fmt.Errorf("%s: %s is for the command line only", s.where, f.Name)
		}
		if other, ok := byName[f.Name]; ok {
			return nil, fmt.Errorf("%s: %s was set before, in %s", s.where, f.Name, other.where)
		}
		if err := s.fits(f); err != nil {
			return nil, err
		}
		byName[f.Name] = s
	}
	return byName, nil
}

// isPrefix reports whether names of settings begin with that of a table: [log] holds the level of
// log-level.
func (o *options) isPrefix(table string) bool {
	return slices.ContainsFunc(cli.FlagNames(o.flags), func(name string) bool {
		for i, c := range name {
			if c == '-' && bareName(name[:i]) == bareName(table) && !onlyFlag(name) {
				return true
			}
		}
		return false
	})
}

// assign sets a flag to values from an environment variable or a file.
func assign(f *pflag.Flag, values []string, where string) error {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		var all []string
		for _, v := range values {
			if f.Name == "enr" { // values of entries have commas
				all = append(all, strings.TrimSpace(v))
				continue
			}
			all = append(all, cli.SplitList(v)...)
		}
		return list.Replace(all)
	}
	if len(values) != 1 {
		return fmt.Errorf("%s: want one value, not %d", where, len(values))
	}
	if err := f.Value.Set(values[0]); err != nil {
		want := map[string]string{"int": "a number", "float64": "a number", "bool": "true or false", "duration": `a time like "10s" or "5m"`}[f.Value.Type()]
		return fmt.Errorf("%s: want %s, not %s", where, want, quote.Short(values[0]))
	}
	return nil
}

// from returns how an error names a setting.
func (o *options) from(name string) string {
	if where := o.origin[name]; where != "" {
		return where
	}
	return "--" + name
}
