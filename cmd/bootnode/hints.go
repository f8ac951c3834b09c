package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

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
