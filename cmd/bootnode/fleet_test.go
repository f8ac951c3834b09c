package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/proctest"
	"github.com/fastdisc/discv5/limits"
)

func TestFleetSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, short := file("secret", strings.Repeat("x", 40)+"\n"), file("short", "too short\n")
	for _, test := range []struct {
		name string
		args []string
		want string // of the error; empty: none
	}{
		{"one", []string{"--fleet", "nats://a:4222"}, ""},
		{"a list", []string{"--fleet", "nats://a:4222, tls://b:4222", "--fleet", "nats://c"}, ""},
		{"identity", []string{"--fleet", "nats://a", "--fleet-identity", "main", "--fleet-secret", secret}, ""},
		{"empty", []string{"--fleet", ""}, "--fleet is empty"},
		{"scheme", []string{"--fleet", "a:4222"}, "--fleet: server"},
		{"a password in an error", []string{"--fleet", "nats://u:hunter2@a:x"}, "--fleet: server"},
		{"name", []string{"--fleet", "nats://a", "--fleet-name", "a.b"}, "--fleet-name"},
		{"identity with a dot", []string{"--fleet", "nats://a", "--fleet-identity", "a.b"}, "--fleet-identity"},
		{"short secret", []string{"--fleet", "nats://a", "--fleet-identity", "m", "--fleet-secret", short}, "--fleet-secret"},
		{"missing secret", []string{"--fleet", "nats://a", "--fleet-identity", "m", "--fleet-secret", filepath.Join(dir, "no")}, "--fleet-secret"},
		{"missing credentials", []string{"--fleet", "nats://a", "--fleet-credentials", filepath.Join(dir, "no")}, "credentials"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := load(test.args, nil)
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "":
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v; want %q", err, test.want)
				}
				return
			}
			if !fleet.ValidName(o.fleet.name) || !fleet.ValidName(o.fleetNetwork()) {
				t.Errorf("names %q and %q", o.fleet.name, o.fleetNetwork())
			}
		})
	}
	o := mustLoad(t, []string{"--fleet-identity", "main"}, nil)
	if !slices.ContainsFunc(o.warnings, func(w string) bool { return strings.Contains(w, "no effect without --fleet") }) {
		t.Errorf("warnings %q", o.warnings)
	}
}

// TestIdentityOfNetworks: a process with [[network]] tables shares no identity, wherever the
// setting comes from, and the error names that place. Without an identity each network has buckets
// of its own.
func TestIdentityOfNetworks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "networks.toml")
	const one, two = "[[network]]\nname = \"one\"\naddr = \":1\"\n", "[[network]]\nname = \"two\"\naddr = \":2\"\n"
	const server, identity = "fleet = \"nats://a:1\"\n", "fleet-identity = \"main\"\n"
	for _, test := range []struct {
		name, file    string
		args, environ []string
		want          string // the place in the error; empty: no error
	}{
		{"in a table", server + one + two + identity, nil, nil, "network two: " + path + ":8: fleet-identity: "},
		{"of the process", server + identity + one + two, nil, nil, "network one: " + path + ":2: fleet-identity: "},
		{"a single table", server + one + identity, nil, nil, "network one: " + path + ":5: fleet-identity: "},
		{"flag", server + one + two, []string{"--fleet-identity", "main"}, nil, "network one: --fleet-identity: "},
		{"environment", server + one + two, nil, []string{envName("fleet-identity") + "=main"}, "network one: " + envName("fleet-identity") + ": "},
		{"fleet of one network", one + two + server + identity, nil, nil, "network two: " + path + ":8: fleet-identity: "},
		{"without a fleet", one + two + identity, nil, nil, ""},
		{"without an identity", server + one + two, nil, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"--config", path}, test.args...)
			o, err := load(args, test.environ)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				for i, n := range o.networkList {
					if want := []string{"one", "two"}[i]; n.fleetNetwork() != want {
						t.Errorf("the buckets are of %s, want %s", n.fleetNetwork(), want)
					}
				}
				return
			}
			const rule = "a process with [[network]] tables cannot share an identity"
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(err.Error(), rule) {
				t.Errorf("%v; want %q", err, test.want+rule)
			}
			s := testSystem()
			s.environ = test.environ
			for _, more := range [][]string{nil, {"--check-config"}} {
				var out, errs proctest.Buffer
				if code := run(append(args, more...), s, &out, &errs); code != cli.ExitUsage || !strings.Contains(errs.String(), rule) {
					t.Errorf("%q: exit code %d, %s", more, code, errs.String())
				}
			}
		})
	}
}

// TestSharedBans: the bans of the settings go to the fleet with the time at which they end, and win
// over those of other members.
func TestSharedBans(t *testing.T) {
	target := func(s string) limits.Target {
		x, err := limits.ParseTarget(s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	a := newAccessList()
	own := []limits.Rule{{Target: target("192.0.2.1")}, {Target: target("192.0.2.2"), For: time.Hour}}
	if err := a.apply(0, own, nil); err != nil {
		t.Fatal(err)
	}
	first := a.shared()
	if len(first) != 2 || !first[0].Until.IsZero() || time.Until(first[1].Until) < 59*time.Minute {
		t.Fatalf("shared %v", first)
	}
	time.Sleep(10 * time.Millisecond)
	if err := a.apply(time.Minute, own, nil); err != nil { // a reload
		t.Fatal(err)
	}
	if again := a.shared(); !again[1].Until.Equal(first[1].Until) {
		t.Errorf("a reload moved the end from %v to %v", first[1].Until, again[1].Until)
	}
	if a.bans.Load() != 2 {
		t.Errorf("%d bans of the settings", a.bans.Load())
	}
}

// TestProtectedFromBans: a member of the fleet cannot cut this node off from itself or from the
// bootnodes that the operator has named, by node ID or by prefix.
func TestProtectedFromBans(t *testing.T) {
	node, err := discv5.New(discv5.Config{ListenAddrs: mustAddrs("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	key, err := enr.ParsePrivateKeyHex(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	r, err := enr.NewBuilder().SetIP(netip.MustParseAddr("192.0.2.7")).SetUDP(9000).SetIP(netip.MustParseAddr("2001:db8::7")).SetUDP6(9000).Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	contact := discv5.ContactOf(r)
	sources := []source{{contact: &contact, endpoints: endpointsOf(r)}, {text: "not resolved yet"}}
	s := &fleetNode{d: &daemon{node: node}}
	for target, want := range map[string]bool{
		r.ID().String(): true, "192.0.2.7": true, "192.0.2.0/24": true, "2001:db8::/32": true,
		node.ID().String(): true, "127.0.0.0/8": true,
		strings.Repeat("ab", enr.IDSize): false, "192.0.2.8": false, "198.51.100.0/24": false, "2001:db8::8": false,
	} {
		parsed, err := limits.ParseTarget(target)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.protected(parsed, sources); got != want {
			t.Errorf("%s: protected %t, want %t", target, got, want)
		}
	}
}
