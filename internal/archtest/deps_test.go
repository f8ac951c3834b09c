package archtest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports says which packages of the module a package may import, by directory.
var imports = map[string][]string{
	"internal/rlp":      {},
	"internal/quote":    {},
	"internal/curve":    {"internal/curve/k256", "internal/curve/decred", "internal/curve/curveerr"},
	"internal/archtest": {},
	"fastpath":          {"internal/netaddr"},
	"aead":              {},
	"limits":            {"internal/quote", "internal/netaddr"},
	"nat":               {"internal/quote", "internal/netaddr"},
	"enr":               {"internal/quote", "internal/netaddr", "internal/rlp", "internal/curve"},
	"codec":             {"internal/netaddr", "aead", "enr", "internal/rlp"},
	"internal/session":  {"internal/netaddr", "internal/prefixquota", "codec", "aead", "enr", "internal/rlp", "internal/curve"},
	"table":             {"internal/netaddr", "internal/prefixquota", "codec", "aead", "enr", "internal/rlp", "internal/curve"},
	"internal/lookup":   {"internal/prefixquota", "internal/netaddr", "codec", "aead", "enr", "internal/rlp", "internal/curve"},
	"topic":             {"internal/netaddr", "aead", "enr", "internal/rlp"},
	"internal/engine":   {"topic", "internal/goid", "internal/budget", "internal/quote", "internal/netaddr", "internal/prefixquota", "internal/session", "table", "internal/lookup", "codec", "aead", "enr", "internal/rlp", "internal/curve", "internal/limiter", "limits"},
	".":                 {"topic", "internal/goid", "internal/quote", "internal/hostaddr", "internal/netaddr", "internal/prefixquota", "internal/engine", "internal/session", "table", "internal/lookup", "codec", "aead", "enr", "internal/rlp", "internal/curve", "fastpath", "internal/limiter", "limits", "nat"},
	"internal/store":    {"enr"},
	"simnet":            {"topic", "internal/netaddr", "internal/prefixquota", "internal/engine", "internal/session", "table", "internal/lookup", "codec", "aead", "enr", "internal/rlp", "internal/curve", "internal/limiter", "limits"},
	"dnsdisc":           {"internal/quote", "internal/netaddr", "enr", "internal/curve", "internal/dnstest"},
	"internal/dnstest":  {},
	"internal/chart":    {},
	"internal/version":  {},
	"internal/netaddr":  {},
	"internal/goid":     {},
	"internal/budget":   {"internal/netaddr"},
	"internal/limiter":  {"internal/netaddr", "limits"},
	"internal/hostaddr": {"internal/netaddr"},
	// Lists that programs read and files that they write.
	"internal/nodelist":   {},
	"internal/atomicfile": {},
	// A simulation of attackers on node tables, for cmd/sim.
	"internal/eclipse": {"internal/netaddr", "internal/prefixquota", "table", "internal/lookup", "enr"},
	// Prefix limits: everything that strangers can fill counts with it.
	"internal/prefixquota": {"internal/netaddr"},
	// Published vectors, which tests of any package may import.
	"internal/cryptotest": {},
	// The two engines of internal/curve, which alone imports them, and their errors.
	"internal/curve/k256":     {"internal/curve/curveerr"},
	"internal/curve/decred":   {"internal/curve/curveerr"},
	"internal/curve/curveerr": {},
	// The node and the engine's counters are for the tests of internal/load, which have a node to
	// load.
	"internal/load": {"internal/session", "internal/quote", "internal/netaddr", "fastpath", "codec", "aead", "enr", ".", "internal/engine"},
	// Fuzz targets that span packages. Nothing imports them.
	"fuzz": {"topic", "internal/netaddr", "internal/prefixquota", ".", "internal/engine", "internal/session", "table", "internal/lookup", "codec", "aead", "enr", "internal/rlp", "internal/curve", "fastpath", "limits", "nat", "dnsdisc", "simnet"},
	// Tests that load nodes for long, and flood them. Nothing imports it.
	// Tests on real sockets in network namespaces. Nothing imports them.
	"test/chaos": {"internal/hostaddr", "internal/netaddr", "internal/prefixquota", ".", "internal/engine", "internal/session", "table", "internal/lookup", "codec", "aead", "enr", "internal/rlp", "internal/curve", "fastpath", "limits", "nat", "dnsdisc"},
	"test/soak":  {"internal/session", "internal/netaddr", "internal/prefixquota", ".", "internal/engine", "codec", "enr", "fastpath", "internal/load", "internal/chart"},
	// What OSS-Fuzz needs, with a program that go run starts.
	"ossfuzz": {},
	// Programs; what is below cmd/x may be imported by cmd/x alone.
	"cmd": {"topic", "internal/eclipse", "internal/quote", "internal/nodelist", "internal/atomicfile", "internal/hostaddr", "internal/netaddr", "internal/prefixquota", ".", "internal/engine", "internal/session", "table", "internal/lookup", "codec", "aead", "enr", "fastpath", "limits", "nat", "internal/store", "dnsdisc", "internal/dnstest", "simnet", "internal/load", "internal/chart", "internal/version"},
}

// modules says which packages may import a module that is not this one's. Tests may import them
// too, but for those that are marked.
var modules = map[string]struct {
	users []string
	tests bool // may any test import it?
}{
	"golang.org/x/sys/unix":                     {[]string{"internal/atomicfile", "fastpath"}, false},
	"golang.org/x/net":                          {[]string{"fastpath"}, false},
	"golang.org/x/net/dns/dnsmessage":           {[]string{"internal/dnstest"}, true},
	"golang.org/x/crypto":                       {[]string{"enr", "dnsdisc"}, true},
	"github.com/decred/dcrd/dcrec/secp256k1/v4": {[]string{"internal/curve/decred"}, true},
	"github.com/zeebo/xxh3":                     {[]string{"topic", "internal/session", "internal/engine", "internal/limiter", "simnet", "internal/budget"}, true},
	"github.com/cespare/xxhash/v2":              {[]string{"enr"}, true},
	"github.com/HdrHistogram/hdrhistogram-go":   {[]string{"internal/load", "cmd"}, true},
	"gonum.org/v1/plot":                         {[]string{"internal/chart"}, true},
	"go.etcd.io/bbolt":                          {[]string{"internal/store"}, true},
	"github.com/prometheus/client_golang":       {[]string{"cmd"}, true},
	"github.com/prometheus/client_model":        {[]string{"cmd"}, true},
	"github.com/BurntSushi/toml":                {[]string{"cmd"}, true},
	"github.com/spf13/pflag":                    {[]string{"cmd"}, true},
	"github.com/spf13/cobra":                    {[]string{"cmd"}, true},
	"github.com/coreos/go-systemd/v22":          {[]string{"cmd"}, true},
	"github.com/huin/goupnp":                    {[]string{"nat"}, true},
	"github.com/jackpal/go-nat-pmp":             {[]string{"nat"}, true},
	"github.com/pion/stun/v3":                   {[]string{"nat"}, true},
	"golang.org/x/sys/cpu":                      {[]string{"aead", "internal/curve/k256"}, true},
	"golang.org/x/sys/windows":                  {[]string{"fastpath"}, false},
}

// room is the entry of imports that a directory belongs to.
func room(dir string) string {
	for _, top := range []string{"cmd", "fuzz"} {
		if dir == top || strings.HasPrefix(dir, top+"/") {
			return top
		}
	}
	return dir
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		from := room(s.dir)
		allowed, known := imports[from]
		if !known {
			t.Errorf("%s: package %s has no place in the picture; see deps_test.go", s.path, s.dir)
			continue
		}
		for _, spec := range s.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if path == "unsafe" && !s.test && !slices.Contains([]string{"fastpath", "aead"}, s.dir) {
				t.Errorf("%s imports unsafe", s.path)
			}
			if to, ok := inModule(path); ok {
				checkInside(t, s, from, to, allowed)
			} else if strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
				checkOutside(t, s, from, path)
			}
		}
	}
}

func inModule(path string) (dir string, ok bool) {
	if path == modulePath {
		return ".", true
	}
	return strings.CutPrefix(path, modulePath+"/")
}

func checkInside(t *testing.T, s source, from, to string, allowed []string) {
	switch {
	case strings.HasPrefix(to, "internal/") && strings.HasSuffix(to, "test") && !s.test:
		t.Errorf("%s: %s is for tests", s.path, to)
	case to == "internal/cryptotest" && s.test: // published vectors
	// an external test of the package itself
	case to == s.dir && strings.HasSuffix(s.file.Name.Name, "_test"):
	case strings.HasPrefix(to, "cmd/") && strings.HasPrefix(to, s.dir+"/"): // a part of the program
	case slices.Contains(allowed, room(to)) && room(to) != "cmd":
	default:
		t.Errorf("%s: %s must not import %s", s.path, from, to)
	}
}

func checkOutside(t *testing.T, s source, from, path string) {
	best := ""
	for m := range modules {
		if (path == m || strings.HasPrefix(path, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	m, known := modules[best]
	if !known || !slices.Contains(m.users, from) && !(s.test && m.tests) {
		t.Errorf("%s: %s must not import %s", s.path, from, path)
	}
}

// What programs and libraries are made of in the end, on every platform: no part of another
// Ethereum client.
func TestNoForeignClient(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command")
	}
	for _, platform := range []string{"linux/amd64", "darwin/arm64", "windows/amd64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		cmd := exec.Command("go", "list", "-deps", "-test", "./...")
		cmd.Dir = filepath.Clean(root)
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, modulePath+"/internal/engine") {
			t.Fatalf("go list of %s names %d packages, without the module's own", platform, len(deps))
		}
		for _, d := range deps {
			for _, foreign := range []string{"github.com/ethereum/", "github.com/sigp/", "github.com/libp2p/"} {
				if strings.HasPrefix(d, foreign) {
					t.Errorf("%s: the module depends on %s", platform, d)
				}
			}
		}
	}
}
