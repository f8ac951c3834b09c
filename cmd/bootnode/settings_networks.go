package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/fastpath/filter"
	"github.com/fastdisc/discv5/fastpath/xdp"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/netaddr"
)

// networkTable is the name of the tables of the configuration file that describe a network each.
const networkTable = "network"

// maxNetworks bounds the networks of one process. Each has sockets and goroutines of its own.
const maxNetworks = 16

// networkEntry is a [[network]] of the configuration file.
type networkEntry struct {
	where    string // file and line
	name     string
	settings []setting
}

var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// ofProcess reports whether a setting is for the whole process, and so not for one network.
func ofProcess(name string) bool {
	switch name {
	case "http", "http-vhosts", "metrics", "pprof", "log-level", "log-json", "log-status":
		return true
	}
	return onlyFlag(name)
}

// splitTables separates the settings of [[network]] tables from the others.
func splitTables(settings []setting) (rest []setting, tables []networkEntry, err error) {
	for _, s := range settings {
		if s.name == networkTable && s.array {
			if len(tables) == maxNetworks {
				return nil, nil, fmt.Errorf("%s: more than %d networks", s.where, maxNetworks)
			}
			tables = append(tables, networkEntry{where: s.where})
			continue
		}
		key, ok := strings.CutPrefix(s.name, networkTable+".")
		if !ok || len(tables) == 0 {
			rest = append(rest, s)
			continue
		}
		t := &tables[len(tables)-1]
		if key == "name" {
			if s.list || len(s.kinds) != 1 || s.kinds[0] != unstable.String || !networkName.MatchString(s.values[0]) {
				return nil, nil, fmt.Errorf("%s: name: want 1 to 32 of a-z, 0-9 and -, in quotes", s.where)
			}
			t.name = s.values[0]
			continue
		}
		s.name = key
		t.settings = append(t.settings, s)
	}
	for i, t := range tables {
		if t.name == "" {
			return nil, nil, fmt.Errorf("%s: [[network]] without a name", t.where)
		}
		if slices.ContainsFunc(tables[:i], func(o networkEntry) bool { return o.name == t.name }) {
			return nil, nil, fmt.Errorf("%s: a second network %s", t.where, t.name)
		}
	}
	return rest, tables, nil
}

// loadNetworks returns the settings of each network of the configuration file. The keys of a table
// override all others; what a table does not have is as for a process with one network.
func (o *options) loadNetworks(args []string, env map[string]variable, file map[string]setting, tables []networkEntry) error {
	for _, t := range tables {
		n := &options{origin: make(map[string]string), name: t.name, where: t.where}
		n.flags = flagSet(n)
		if err := n.flags.Parse(args); err != nil {
			return cli.FlagError(err, n.flags)
		}
		n.config = o.config
		if err := n.assignAll(env, file); err != nil {
			return err
		}
		own, err := n.bySetting(t.settings)
		if err != nil {
			return err
		}
		for _, s := range t.settings { // in their order: the first mistake is the one to report
			f := n.flags.Lookup(s.name)
			switch {
			case s.table:
				continue
			case ofProcess(f.Name):
				return fmt.Errorf("%s: %s is for the whole process, not for a network", s.where, f.Name)
			}
			n.origin[f.Name] = s.where + ": " + f.Name
			if err := assign(f, s.values, n.origin[f.Name]); err != nil {
				return err
			}
		}
		if _, ok := own["datadir"]; !ok {
			if dir, err := dataDirOf(n); err == nil {
				n.dataDir = filepath.Join(dir, t.name)
			}
		}
		// Those of the process serve all networks.
		n.http, n.metrics, n.pprof, n.vhosts = "", "", false, nil
		for _, name := range []string{"http", "metrics", "pprof", "http-vhosts"} {
			delete(n.origin, name)
		}
		if err := n.validate(); err != nil {
			return fmt.Errorf("network %s: %w", t.name, err)
		}
		o.networkList = append(o.networkList, n)
	}
	return o.checkNetworks()
}

// checkNetworks refuses networks that cannot run beside each other.
func (o *options) checkNetworks() error {
	for i, a := range o.networkList {
		for _, b := range o.networkList[:i] {
			switch {
			case a.keyHex != "" && a.keyHex == b.keyHex:
				return conflict(b, a, "nodekeyhex", "have the same private key")
			case a.nodeKey != "" && filepath.Clean(a.nodeKey) == filepath.Clean(b.nodeKey):
				return conflict(b, a, "nodekey", "have the same private key")
			case a.dataDir != "" && filepath.Clean(a.dataDir) == filepath.Clean(b.dataDir):
				return conflict(b, a, "datadir", "have the same data directory "+a.dataDir)
			}
			if err := checkPrograms(b, a); err != nil {
				return err
			}
			for _, x := range slices.Concat(a.listen, a.optional6) {
				for _, y := range slices.Concat(b.listen, b.optional6) {
					same := x.Port() == y.Port() && x.Port() != 0 && netaddr.FamilyOf(x.Addr()) == netaddr.FamilyOf(y.Addr())
					if same && (x.Addr() == y.Addr() || x.Addr().IsUnspecified() || y.Addr().IsUnspecified()) {
						on := x.String()
						if x != y {
							on = fmt.Sprintf("port %d, at %s and %s", x.Port(), y, x)
						}
						return conflict(b, a, "addr", "both listen on "+on+"; set addr in each [[network]]")
					}
				}
			}
		}
	}
	return nil
}

// checkPrograms refuses two networks that need an XDP program on the same interface, which has room
// for one. Two source filters get along: the one that comes second drops in mode tc.
func checkPrograms(a, b *options) error {
	for _, pair := range [][2]*options{{a, b}, {b, a}} {
		for _, x := range pair[0].xdp {
			other := pair[1]
			if slices.ContainsFunc(other.xdp, func(y xdp.Interface) bool { return x.Name == y.Name }) {
				return conflict(a, b, "xdp", "both receive from "+x.Name+" with AF_XDP, which an interface allows one program; set xdp in one [[network]]")
			}
			f := other.filter.config
			if (f.Mode == filter.XDP || f.Mode == filter.Auto) && (len(f.Interfaces) == 0 || slices.Contains(f.Interfaces, x.Name)) {
				return fmt.Errorf("%s: network %s filters in mode %v, and %s of network %s needs the one XDP program of %s; set filter = \"tc\"",
					cmp.Or(other.origin["filter"], other.where), other.name, f.Mode, pair[0].from("xdp"), pair[0].name, x.Name)
			}
		}
	}
	return nil
}

// conflict returns an error about a setting of two networks. It names where each of them got the
// setting, or else where its table begins.
func conflict(a, b *options, name, text string) error {
	var places []string
	for _, n := range []*options{a, b} {
		if p := cmp.Or(n.origin[name], n.where); !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	return fmt.Errorf("%s: networks %s and %s %s", strings.Join(places, " and "), a.name, b.name, text)
}

// network returns the settings of a network, or nil.
func (o *options) network(name string) *options {
	for _, n := range o.networkList {
		if n.name == name {
			return n
		}
	}
	return nil
}

// printNetworks returns the [[network]] tables as they are in the configuration file.
func (o *options) printNetworks() string {
	var b strings.Builder
	for _, n := range o.networkList {
		fmt.Fprintf(&b, "\n[[network]]\nname = %s\n", tomlString(n.name))
		n.flags.VisitAll(func(f *pflag.Flag) {
			where, there := n.origin[f.Name]
			if !there || where == o.origin[f.Name] && f.Name != networkTable {
				return
			}
			if f.Name == "nodekeyhex" {
				fmt.Fprintf(&b, "# nodekeyhex = hidden, from %s\n", where)
				return
			}
			fmt.Fprintf(&b, "%s # %s\n", assignment(f), where)
		})
	}
	return b.String()
}
