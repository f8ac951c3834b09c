package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// Every bad input gives one line that names the place and the mistake, and the right exit code.
func TestBadInput(t *testing.T) {
	t.Parallel()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	badKey := t.TempDir()
	if err := os.WriteFile(filepath.Join(badKey, "nodekey"), []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy := t.TempDir()
	running := start(t, busy)
	noAddress := "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"
	const point = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f"

	for _, c := range []struct {
		name string
		code int
		want string // part of the line
		args []string
	}{
		{"unknown flag", cli.ExitUsage, "--bogus", []string{"--bogus"}},
		{"argument", cli.ExitUsage, `"serve"`, []string{"serve"}},
		{"flag without value", cli.ExitUsage, "--addr", []string{"--datadir", badKey, "--addr"}},
		{"address", cli.ExitUsage, "--addr", []string{"--addr", "localhost"}},
		{"port", cli.ExitUsage, "65535", []string{"--addr", ":65536"}},
		{"extip", cli.ExitUsage, "--extip", []string{"--extip", "example.org"}},
		{"extip unspecified", cli.ExitUsage, "reach", []string{"--extip", "0.0.0.0"}},
		{"extip twice", cli.ExitUsage, "second", []string{"--extip", "192.0.2.1", "--extip", "192.0.2.2:1"}},
		{"extip without listener", cli.ExitUsage, "family", []string{"--addr", "127.0.0.1:0", "--extip", "2001:db8::1"}},
		{"log level", cli.ExitUsage, "--log-level", []string{"--log-level", "loud"}},
		{"sessions", cli.ExitUsage, "--max-sessions", []string{"--max-sessions", "0"}},
		{"sockets", cli.ExitUsage, "--sockets", []string{"--sockets", "-1"}},
		{"save interval", cli.ExitUsage, "--save-interval", []string{"--save-interval", "1ms"}},
		{"both keys", cli.ExitUsage, "exclude", []string{"--nodekey", "x", "--nodekeyhex", hexKey}},
		{"hex key", cli.ExitUsage, "--nodekeyhex", []string{"--nodekeyhex", hexKey[1:]}},
		{"no key file", cli.ExitUsage, "no such file", []string{"--nodekey", filepath.Join(t.TempDir(), "missing")}},
		{"bad key file", cli.ExitUsage, "64 hexadecimal digits", []string{"--nodekey", write(t, hexKey+hexKey, 0o600)}},
		{"key file is a directory", cli.ExitUsage, "not a regular file", []string{"--nodekey", t.TempDir()}},
		{"bad key in data directory", cli.ExitUsage, "nodekey", []string{"--datadir", badKey}},
		{"data directory is a file", cli.ExitUsage, "not a directory", []string{"--datadir", write(t, "", 0o600)}},
		{"data directory in use", cli.ExitFailed, "another process", []string{"--datadir", busy}},
		{"bootnode", cli.ExitUsage, "--bootnodes: bootnode 1", []string{"--bootnodes", "192.0.2.1:9000"}},
		{"second bootnode", cli.ExitUsage, "bootnode 2", []string{"--bootnodes", running.record.String() + ",enr:AAAA"}},
		{"bootnode of second list", cli.ExitUsage, "bootnode 3", []string{"--bootnodes", running.record.String() + "," + running.record.String(), "--bootnodes", "enode://00@1.2.3.4:5"}},
		{"forged bootnode", cli.ExitUsage, "signature", []string{"--bootnodes", strings.Replace(noAddress, "QHCY", "QHCZ", 1)}},
		{"bootnode without discovery", cli.ExitUsage, "UDP port", []string{"--bootnodes", "enode://" + point + "@127.0.0.1:30303?discport=0"}},
		{"key of configuration", cli.ExitUsage, ":2: unknown key", []string{"--config", write(t, "\nbootnode = 1\n", 0o600)}},
		{"ban file", cli.ExitUsage, ":1: ", []string{"--ban-file", write(t, "nobody\n", 0o600)}},
		{"bootnodes file", cli.ExitUsage, ":2: ", []string{"--bootnodes-file", write(t, running.record.String()+"\nnobody\n", 0o600)}},
		{"nat", cli.ExitUsage, "--nat", []string{"--nat", "stun"}},
		{"flag of another program", cli.ExitUsage, "did you mean --bootnodes?", []string{"--boot-node", "x"}},
		{"UDP port in use", cli.ExitFailed, udp.LocalAddr().String(), []string{"--addr", udp.LocalAddr().String()}},
		{"address of another machine", cli.ExitFailed, "192.0.2.1", []string{"--addr", "192.0.2.1:0"}},
		{"HTTP port in use", cli.ExitFailed, "--http", []string{"--http", tcp.Addr().String()}},
		{"HTTP address", cli.ExitUsage, "HOST:PORT", []string{"--http", "nowhere"}},
		{"HTTP port", cli.ExitUsage, "HOST:PORT", []string{"--http", "127.0.0.1:65536"}},
		{"key in place of its file", cli.ExitUsage, "nodekeyhex takes one", []string{"--nodekey", hexKey}},
		{"key as an argument", cli.ExitUsage, "unexpected argument", []string{hexKey}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if !strings.Contains(strings.Join(args, " "), "--datadir") {
				args = append(args, "--datadir", t.TempDir())
			}
			if !strings.Contains(strings.Join(args, " "), "--addr") {
				args = append([]string{"--addr", "127.0.0.1:0"}, args...)
			}
			got := fail(t, c.code, args...)
			if !strings.HasPrefix(got, "bootnode: ") || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
				t.Errorf("not one line: %q", got)
			}
			if !strings.Contains(got, c.want) || strings.Contains(got, hexKey[1:]) {
				t.Errorf("%q, want %q in it", got, c.want)
			}
			if hint := strings.Contains(got, "see bootnode --help"); hint != (c.code == cli.ExitUsage) {
				t.Errorf("hint at --help: %v in %q", hint, got)
			}
		})
	}
	running.stop(t)
}
