package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/internal/cli"
)

// goodRecord is the example of enr.md.
const goodRecord = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"

// Bad input ends with exit code 2 and one line that names the place.
func TestBadInput(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("00", 32)
	badNodes := file(t, "nodes.json", `{"aa": {}}`)
	otherNode := file(t, "nodes.json", `{"`+strings.Repeat("11", 32)+`": {"seq": 1, "record": "`+goodRecord+`"}}`)
	brokenRecord := goodRecord[:40] + "A" + goodRecord[41:]
	for _, c := range []struct {
		args string
		says string // part of the line
	}{
		{"nosuch", `argument 1: "nosuch" is not a command of discv5`},
		{"key nosuch", `argument 1: "nosuch" is not a command of discv5 key`},
		{"--nosuch", "--nosuch"},
		{"help nosuch", `help: there is no command "nosuch"`},
		{"help key nosuch", `help: there is no command "key nosuch"`},
		{"completion nosuch", `unknown shell "nosuch": want bash, fish, powershell or zsh`},
		{"enr make --udp 99999", `--udp "99999": want a port from 1 to 65535`},
		{"enr make --key " + strings.Repeat("11", 32) + " --ip foo", `--ip "foo": want an IPv4 address`},
		{"enr make --key " + strings.Repeat("11", 32) + " --ip6 192.0.2.1", `--ip6 "192.0.2.1": want an IPv6 address`},
		{"nodeset sort x --by nosuch", "want age, id, last, rtt or score"},
		{"crawl x --network nosuch", "want hoodi, mainnet or sepolia"},
		{"dns publish x --key " + secret + " --domain a.org --server 127.0.0.1:53 --force", "--force needs --zone-file"},
		{"pign " + goodRecord, "did you mean ping?"},
		{"key generat", "did you mean generate?"},
		{"ping --cuont 1 " + goodRecord, "unknown flag --cuont; did you mean --count?"},
		{"ping -timeout 1 " + goodRecord, "a long name has two dashes: --timeout"},
		{"ping", "argument 1 is missing: NODE"},
		{"ping a b", `argument 2: unexpected "b"`},
		{"ping nonsense", `argument 1: "nonsense" is not a record`},
		{"ping enr:abc", "argument 1: enr:"},
		{"ping " + brokenRecord, "argument 1: enr: signature is invalid"},
		{"ping @/no/such/file", "argument 1: open /no/such/file"},
		{"ping -", "argument 1: empty"},
		{"ping enode://abc@127.0.0.1:1", "argument 1: enr: not of the form enode://"},
		{"ping -c x " + goodRecord, "--count"},
		{"ping -c -1 " + goodRecord, "--count -1"},
		{"ping -i soon " + goodRecord, "want seconds"},
		{"ping -W 0 " + goodRecord, "the time to wait"},
		{"ping --addr nowhere " + goodRecord, `--addr: "nowhere"`},
		{"ping --addr :99999 " + goodRecord, `--addr: ":99999"`},
		{"ping --key " + secret + " " + goodRecord, "--key: neither a file nor a private key"},
		{"ping --key /no/such/file " + goodRecord, "--key: open /no/such/file"},
		{"ping --protocol-id short " + goodRecord, `--protocol-id: "short"`},
		{"findnode -d 257 " + goodRecord, `--distance: "257"`},
		{"findnode -d 1-x " + goodRecord, `--distance: "1-x"`},
		{"talk " + goodRecord, "--protocol is missing"},
		{"talk -p x " + goodRecord + " 0xzz", `argument 2: after 0x: "zz"`},
		{"talk -p x " + goodRecord + " " + strings.Repeat("a", 1300), "argument 2: protocol and payload have 1301 bytes"},
		{"resolve " + strings.Repeat("11", 32), "argument 1: a node ID has no address"},
		{"resolve nonsense", `argument 1: "nonsense"`},
		{"lookup", "--bootnodes is missing"},
		{"lookup nonsense", `argument 1: "nonsense"`},
		{"lookup --bootnodes " + goodRecord + ",x", `--bootnodes: node 2: "x" is not a record`},
		{"listen --extip here", `--extip: "here"`},
		{"listen --extip 0.0.0.0", `--extip: "0.0.0.0": nobody can reach`},
		{"listen --extip 192.0.2.1 --extip 192.0.2.2:9", `--extip: "192.0.2.2:9": a second address`},
		{"listen extra", `argument 1: unexpected "extra"`},
		{"crawl", "argument 1 is missing: FILE"},
		{"crawl --parallel 0 f", "--parallel 0"},
		{"crawl " + t.TempDir() + "/none.json", "no node to start from"},
		{"crawl " + badNodes, "argument 1: " + badNodes},
		{"crawl " + otherNode, "has the record of"},
		{"crawl " + file(t, "syntax.json", "{\n \""+strings.Repeat("11", 32)+"\": {\n  \"seq\": 1\n  \"score\" 1}}"), "syntax.json: line 4: not a node set"},
		{"crawl " + file(t, "type.json", "{\n \""+strings.Repeat("11", 32)+"\": {\n  \"seq\": \"one\"}}"), "type.json: line 3: not a node set"},
		{"crawl " + file(t, "short.json", "{\n \""+strings.Repeat("11", 32)+"\": {\n"), "short.json: line 3: not a node set: unexpected end"},
		{"crawl " + file(t, "more.json", "{}\n}"), "more.json: line 2: not a node set"},
		{"crawl " + file(t, "time.json", "{\n \""+strings.Repeat("11", 32)+"\": {\n  \"lastCheck\": \"soon\"}}"), "time.json: line 2: not a node set"},
		{"crawl " + t.TempDir(), "not a regular file"},
		{"crawl " + file(t, "empty.json", ""), "no node to start from"},
		{"crawl " + file(t, "blank.json", "\n \t\r\n"), "no node to start from"},
		{"crawl " + file(t, "null.json", "null"), "null.json: line 1: not a node set: want an object"},
		{"crawl " + file(t, "list.json", "[]"), "list.json: line 1: not a node set: want an object"},
		{"crawl " + file(t, "id.json", "{\n \"11\": {}}"), "id.json: line 2: not a node set: enr: node ID"},
		{"crawl " + file(t, "record.json", "{\n\n \""+strings.Repeat("11", 32)+"\": {\"record\": \"enr:x\"}}"), "record.json: line 3: node 1111"},
		{"crawl /no/such/dir/nodes.json --bootnodes " + goodRecord, "argument 1: /no/such/dir/nodes.json cannot be written"},
		{"crawl /no/such/dir/f.json --bootnodes " + goodRecord, "/no/such/dir"},
		{"crawl f --collect", "--collect needs --fleet"},
		{"crawl f --crawl-name x", "--crawl-name needs --fleet"},
		{"crawl f --fleet-ca x", "--fleet-ca needs --fleet"},
		{"crawl f --fleet= --crawl-name x", "--fleet is empty"},
		{"crawl f --fleet nats://127.0.0.1:1", "--crawl-name is missing"},
		{"crawl f --fleet nats://127.0.0.1:1 --crawl-name a.b", "--crawl-name: want 1 to 32 letters"},
		{"crawl f --fleet nats://127.0.0.1:1 --crawl-name " + strings.Repeat("a", 33), "--crawl-name: want 1 to 32 letters"},
		{"crawl f --fleet nats://127.0.0.1:1,http://x:1 --crawl-name a", "--fleet: "},
		{"crawl f --fleet nats://a:secret@x:1/y --crawl-name a", "--fleet: "},
		{"crawl f --fleet nats://127.0.0.1:1 --crawl-name a --fleet-timeout 0", "--fleet-timeout is 0"},
		{"crawl f --fleet nats://127.0.0.1:1 --crawl-name a --fleet-ca /no/such/file", "/no/such/file"},
		{"enr inspect xyz", `argument 1: "xyz" is not a record`},
		{"enr inspect -", "argument 1: holds no record"},
		{"enr make", "--key is missing"},
		{"enr make --key " + secret, "--key:"},
		{"enr convert enode://x", "argument 1: enr:"},
		{"enr convert --to what " + goodRecord, `--to "what"`},
		{"key inspect /no/such/file", "argument 1: open /no/such/file"},
		{"key generate --format what f", `--format: "what"`},
		{"packet decode", "argument 1 is missing: DATAGRAM"},
		{"packet decode 00", "--node-id is missing"},
		{"packet decode --node-id xy 00", `--node-id: "xy"`},
		{"packet decode --node-id " + secret + " zz", `argument 1: "zz"`},
		{"packet decode --node-id " + secret + " 00", "argument 1: 1 bytes"},
		{"packet decode --node-id " + secret + " --read-key 00 00", "--read-key has 1 bytes"},
		{"packet decode --node-id " + secret + " " + strings.Repeat("00", 63), "argument 1: not a packet to node"},
	} {
		t.Run(c.args[:min(len(c.args), 40)], func(t *testing.T) {
			r := try(t, strings.Fields(c.args)...)
			if r.code != cli.ExitUsage {
				t.Errorf("exit code %d, want %d", r.code, cli.ExitUsage)
			}
			checkLine(t, r, c.says)
			if strings.Contains(r.err, secret) && !strings.Contains(c.args, "node-id") {
				t.Error("the error quotes a private key")
			}
		})
	}
}

// checkLine checks that a run printed one line about the mistake, and nothing else.
func checkLine(t *testing.T, r result, says string) {
	t.Helper()
	if r.out != "" {
		t.Errorf("standard output: %q", r.out)
	}
	if !strings.HasPrefix(r.err, "discv5: ") || strings.Count(r.err, "\n") != 1 || !strings.Contains(r.err, says) {
		t.Errorf("standard error %q, want one line with %q", r.err, says)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "--help", "key", "help crawl", "ping --help", "enr make -h"} {
		if r := try(t, strings.Fields(args)...); r.code != cli.ExitOK || !strings.Contains(r.out, "Usage:") || r.err != "" {
			t.Errorf("%q: exit code %d, %q", args, r.code, r.err)
		}
	}
	if out := must(t, "--help"); !strings.Contains(out, "Exit codes:") {
		t.Error("help does not tell the exit codes")
	}
}

// A command fails if it cannot write its result.
func TestOutputLost(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("probed for a device that is always full: %v", err)
	}
	defer full.Close()
	if code := run(t.Context(), []string{"enr", "inspect", goodRecord}, strings.NewReader(""), full, io.Discard); code != cli.ExitFailed {
		t.Errorf("exit code %d", code)
	}
}

// TestVersion: the tool prints its version, as the other programs do.
func TestVersion(t *testing.T) {
	t.Parallel()
	if out := must(t, "--version"); !strings.HasPrefix(out, "discv5 ") || strings.Count(out, "\n") != 1 {
		t.Errorf("%q", out)
	}
}
