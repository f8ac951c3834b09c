package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// A start and --check-config refuse the same settings, with the same line and exit code.
func TestCheckConfigIsAStart(t *testing.T) {
	t.Parallel()
	badKey, file := t.TempDir(), write(t, "", 0o600)
	if err := os.WriteFile(filepath.Join(badKey, "nodekey"), []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	many := func(n int) (args []string) {
		for i := range n {
			args = append(args, "--addr", fmt.Sprintf("127.0.0.1:%d", 29400+i))
		}
		return args
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"17 addresses", "at most 16", many(17)},
		{"9 ports of all addresses", "at most 16", []string{"--addr", ":29401", "--addr", ":29402", "--addr", ":29403", "--addr", ":29404", "--addr", ":29405", "--addr", ":29406", "--addr", ":29407", "--addr", ":29408", "--addr", ":29409"}},
		{"address twice", "listed twice", []string{"--addr", "127.0.0.1:29410", "--addr", "127.0.0.1:29410"}},
		{"port twice", "listed twice", []string{"--addr", ":29411", "--addr", ":29411"}},
		{"all and one", "0.0.0.0:29412 includes 127.0.0.1:29412", []string{"--addr", ":29412", "--addr", "127.0.0.1:29412"}},
		{"one and all", "[::]:29413 includes [::1]:29413", []string{"--addr", "[::1]:29413", "--addr", ":29413"}},
		{"IPv6 port twice", "listed twice", []string{"--addr", "[::]:29414", "--addr", ":29414"}},
		{"bad key in data directory", "64 hexadecimal digits", []string{"--datadir", badKey}},
		{"bad key file", "64 hexadecimal digits", []string{"--nodekey", file}},
		{"interface of --xdp", "--xdp: there is no interface nosuch0;", []string{"--xdp", "nosuch0"}},
		{"entry of topics", "ng: --topics sets this", []string{"--enr", "ng=uint:1"}},
		{"no key file, by name", "--nodekey: stat", []string{"--nodekey", file + "x"}},
		{"no key file", "no such file", []string{"--nodekey", file + "x"}},
		{"data directory is a file", "not a directory", []string{"--datadir", file}},
		{"data directory below a file", "not a directory", []string{"--datadir", file + "/x"}},
		{"HTTP address", "HOST:PORT", []string{"--http", "256.0.0.1:80"}},
		{"metrics address", "HOST:PORT", []string{"--metrics", "127.0.0.1"}},
		{"sockets", "--sockets", []string{"--sockets", "100000"}},
		{"a time over a year", "--reach-retry 9000h0m0s: want 1ms to 8760h0m0s", []string{"--reach-retry", "9000h"}},
		{"external address", "--extip", []string{"--extip", "192.0.2.1", "--extip", "192.0.2.2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if !strings.Contains(strings.Join(args, " "), "--datadir") {
				args = append(args, "--datadir", t.TempDir())
			}
			if !strings.Contains(strings.Join(args, " "), "--addr") {
				args = append(args, "--addr", "127.0.0.1:0")
			}
			started, checked := fail(t, cli.ExitUsage, args...), fail(t, cli.ExitUsage, append(args, "--check-config")...)
			if started != checked {
				t.Errorf("start: %q\ncheck: %q", started, checked)
			}
			if !strings.Contains(started, tt.want) {
				t.Errorf("%q, want %q in it", started, tt.want)
			}
		})
	}
}

// A start, --check-config and SIGHUP warn about a bootnode that can never be used.
func TestUnusableBootnodes(t *testing.T) {
	t.Parallel()
	boot := start(t, t.TempDir())
	other := start(t, t.TempDir())
	record, _ := boot.record.Enode()
	v6 := strings.Replace(record.String(), "@127.0.0.1:", "@[2001:db9::1]:", 1)
	id := boot.record.ID().String()
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"outside", "is outside of --netrestrict", []string{"--netrestrict", "10.0.0.0/8", "--bootnodes", boot.record.String()}},
		{"enode outside", "is outside of --netrestrict", []string{"--netrestrict", "10.0.0.0/8", "--bootnodes", record.String()}},
		{"banned address", "is banned by its address", []string{"--ban-file", write(t, "127.0.0.0/8\n", 0o600), "--bootnodes", boot.record.String()}},
		{"banned ID", "is banned by its ID", []string{"--ban-file", write(t, id+"\n", 0o600), "--bootnodes", boot.record.String()}},
		{"family", "is of a family that no --addr has", []string{"--bootnodes", v6}},
		{"itself", "is this node itself", []string{"--nodekeyhex", hexKey, "--bootnodes", enodeOf(t, hexKey, "127.0.0.1:9")}},
		{"in a file", "nodes:1 can never be used", []string{"--netrestrict", "10.0.0.0/8", "--bootnodes-file", named(t, "nodes", boot.record.String())}},
		{"none left", "no bootnode can be used", []string{"--netrestrict", "10.0.0.0/8", "--bootnodes", boot.record.String() + "," + other.record.String()}},
		{"none", "", []string{"--bootnodes", boot.record.String()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := command(append(tt.args, "--addr", "127.0.0.1:0", "--datadir", t.TempDir(), "--check-config")...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			p := start(t, t.TempDir(), tt.args...)
			eventually(t, "start", func() bool { return strings.Contains(p.Log.String(), "msg=contacts") })
			for where, text := range map[string]string{"check": string(out), "start": p.Log.String()} {
				if tt.want == "" {
					if strings.Contains(text, "can never be used") || strings.Contains(text, "no bootnode") {
						t.Errorf("%s warns about a good bootnode: %s", where, text)
					}
				} else if !strings.Contains(text, "level=WARN") || !strings.Contains(text, tt.want) {
					t.Errorf("%s: no warning %q", where, tt.want)
				}
			}
			if line := p.hangUp(t, "settings were reloaded"); !strings.Contains(line, tt.want) {
				t.Errorf("reload: no warning %q in %s", tt.want, line)
			}
			p.stop(t)
		})
	}
	other.stop(t)
	boot.stop(t)
}

// named creates a file with a given name.
func named(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// enodeOf returns the enode URL of a key at an address.
func enodeOf(t *testing.T, key, addr string) string {
	t.Helper()
	p := start(t, t.TempDir(), "--nodekeyhex", key)
	defer p.stop(t)
	e, ok := p.record.Enode()
	if !ok {
		t.Fatal("no enode URL")
	}
	before, _, _ := strings.Cut(e.String(), "@")
	return before + "@" + addr
}
