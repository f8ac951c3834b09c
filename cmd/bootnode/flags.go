package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5"
)

// defaultMaxSessions leaves room above 100,000 sessions, as hashing spreads them unevenly.
const defaultMaxSessions = 131072

// Each save that writes waits for the disk, hence a least interval.
const (
	defaultSaveInterval = 10 * time.Second
	minSaveInterval     = 100 * time.Millisecond
)

// usageError is an error about the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// options are the flags as given.
type options struct {
	addrs     []string
	extIPs    []string
	bootnodes []string
	nodeKey   string
	keyHex    string
	dataDir   string
	http      string
	logLevel  string
	logJSON   bool
	save      time.Duration
	sessions  int
	sockets   int
	version   bool

	level     slog.Level       // of logLevel
	listen    []netip.AddrPort // of addrs
	optional6 []netip.AddrPort // IPv6 addresses that nobody asked for by name
	advertise []netip.AddrPort // of extIPs
}

func flagSet(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("bootnode", pflag.ContinueOnError)
	f.SortFlags = false
	f.Usage = func() {}
	f.StringArrayVar(&o.addrs, "addr", []string{":" + strconv.Itoa(discv5.DefaultPort)}, "UDP `ADDR` to listen on, IP:PORT or [IPv6]:PORT; repeatable. :PORT is all IPv4 and, if there is any, all IPv6 addresses")
	f.StringArrayVar(&o.extIPs, "extip", nil, "`IP[:PORT]` that the record names; repeat for the other family. Default: --addr, or an address of an interface")
	f.StringArrayVar(&o.bootnodes, "bootnodes", nil, "`NODES` to start from, enr:... or enode://..., separated by commas; repeatable")
	f.StringVar(&o.dataDir, "datadir", "", "`DIR` for key and known nodes. Default: "+dataDirHelp())
	f.StringVar(&o.nodeKey, "nodekey", "", "`FILE` with the private key, 64 hexadecimal digits. Default: nodekey in the data directory, made if missing")
	f.StringVar(&o.keyHex, "nodekeyhex", "", "private key as 64 `HEX` digits; other users of the machine can see it")
	f.StringVar(&o.http, "http", "", "`ADDR` HOST:PORT that serves /metrics and /healthz. Default: off")
	f.StringVar(&o.logLevel, "log.level", "info", "`LEVEL` of the log: debug, info, warn or error")
	f.BoolVar(&o.logJSON, "log.json", false, "log in JSON")
	f.IntVar(&o.sessions, "maxsessions", defaultMaxSessions, "`N` sessions at most, of about 2 KiB each")
	f.IntVar(&o.sockets, "sockets", 0, "`N` sockets for each address. Default: one for each CPU")
	f.DurationVar(&o.save, "saveinterval", defaultSaveInterval, "`TIME` between two saves of the known nodes")
	f.BoolVar(&o.version, "version", false, "print the version and exit")
	return f
}

func usage() string {
	var o options
	return "Usage: bootnode [flags]\n\nA bootnode of Node Discovery v5.1. It prints its record and runs until it gets SIGINT or SIGTERM.\n\n" +
		flagSet(&o).FlagUsagesWrapped(100)
}

// parseFlags reads the command line. Everything that can be told to be wrong without looking at the system is.
func parseFlags(args []string) (*options, error) {
	o := new(options)
	f := flagSet(o)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err := o.level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, fmt.Errorf("--log.level %q: want debug, info, warn or error", o.logLevel)
	}
	for _, c := range []struct {
		name     string
		n, least int
	}{{"maxsessions", o.sessions, 1}, {"sockets", o.sockets, 0}} {
		if c.n < c.least || c.n > 1<<24 {
			return nil, fmt.Errorf("--%s %d: want %d to %d", c.name, c.n, c.least, 1<<24)
		}
	}
	if o.save < minSaveInterval {
		return nil, fmt.Errorf("--saveinterval %v: want %v or more", o.save, minSaveInterval)
	}
	if f.Changed("nodekey") && f.Changed("nodekeyhex") {
		return nil, errors.New("--nodekey and --nodekeyhex exclude each other")
	}
	for _, name := range []string{"nodekey", "nodekeyhex", "datadir"} {
		if f.Changed(name) && f.Lookup(name).Value.String() == "" {
			return nil, fmt.Errorf("--%s is empty", name)
		}
	}
	if err := o.parseAddrs(); err != nil {
		return nil, err
	}
	return o, nil
}

// defaultDataDir is the directory for data of this program in the user's home.
func defaultDataDir() (string, error) {
	if runtime.GOOS != "linux" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", fmt.Errorf("no data directory: %w; give one with --datadir", err)
		}
		return filepath.Join(dir, "discv5"), nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "discv5"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no data directory: %w; give one with --datadir", err)
	}
	return filepath.Join(home, ".local", "share", "discv5"), nil
}

func dataDirHelp() string {
	if runtime.GOOS == "linux" {
		return "$XDG_DATA_HOME/discv5 or ~/.local/share/discv5"
	}
	return "discv5 in the user's configuration directory"
}

func versionLine() string {
	version := "unknown"
	if b, ok := debug.ReadBuildInfo(); ok {
		version = b.Main.Version
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" && version == "(devel)" {
				version += " " + s.Value
			}
		}
	}
	return fmt.Sprintf("bootnode %s %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
