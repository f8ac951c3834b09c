package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

// groupFile returns a configuration file with two networks.
func groupFile(t *testing.T, dir, cl, el string) string {
	return write(t, fmt.Sprintf(`
datadir = %q
bootnodes = []
[[network]]
name = "cl"
addr = ["127.0.0.1:0"]
network = "hoodi"
serve = "network"
%s
[[network]]
name = "el"
addr = ["127.0.0.1:0"]
network = "hoodi"
layer = "execution"
%s
`, dir, cl, el), 0o600)
}

// startGroup runs a bootnode with several networks, and returns its records in their order.
func startGroup(t *testing.T, file string, count int) (*process, []*enr.Record) {
	t.Helper()
	p := &process{Process: proctest.Start(t, command("--config", file, "--http", anyPort, "--metrics", anyPort), proctest.Options{})}
	p.http, p.metrics = anyPort, anyPort
	return p, p.records(t, count)
}

// records waits for the records of count networks on standard output, one a line.
func (p *process) records(t *testing.T, count int) (list []*enr.Record) {
	t.Helper()
	eventually(t, "records", func() bool { return strings.Count(p.Out.String(), "\n") >= count })
	for line := range strings.Lines(p.Out.String()) {
		r, err := enr.ParseText(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// TestSeveralNetworks: one process serves a consensus and an execution network, each with its own
// key, socket, table, filter and data; a reload changes one of them.
func TestSeveralNetworks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := groupFile(t, dir, "", "")
	p, records := startGroup(t, file, 2)
	cl, el := records[0], records[1]
	if cl.ID() == el.ID() {
		t.Error("the networks share a key")
	}
	_, consensus := cl.View().Eth2()
	_, execution := el.View().Eth()
	if _, both := cl.View().Eth(); !consensus || !execution || both {
		t.Errorf("entries of %v and %v", cl, el)
	}
	for _, name := range []string{"cl", "el"} {
		for _, f := range []string{"nodekey", "nodes.db"} {
			if _, err := os.Stat(filepath.Join(dir, name, f)); err != nil {
				t.Error(err)
			}
		}
	}
	// Each has a peer of its own, which the other one does not take.
	one := start(t, t.TempDir(), "--network", "hoodi", "--bootnodes", cl.String())
	two := start(t, t.TempDir(), "--network", "hoodi", "--layer", "execution", "--bootnodes", el.String())
	for _, name := range []string{"cl", "el"} {
		eventually(t, "node of "+name, func() bool { return p.metric(t, `discv5_table_live_nodes{network="`+name+`"}`) == 1 })
	}
	table := func(path string) string {
		_, body := p.get(t, path)
		return body
	}
	if s := table("/network/cl/nodes"); !strings.Contains(s, one.record.ID().String()) || strings.Contains(s, two.record.ID().String()) {
		t.Errorf("table of cl: %s", s)
	}
	if s := table("/network/el/nodes"); !strings.Contains(s, two.record.ID().String()) || strings.Contains(s, one.record.ID().String()) {
		t.Errorf("table of el: %s", s)
	}
	var list []networkView
	if err := json.Unmarshal([]byte(table("/networks")), &list); err != nil || len(list) != 2 || list[0].Name != "cl" || list[1].Layer != "execution" || list[1].Live != 1 || list[0].Health != "ok" {
		t.Errorf("/networks: %+v, %v", list, err)
	}
	if code, body := p.get(t, "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %s", code, body)
	}

	for path, want := range map[string]string{"/": "cl (hoodi consensus)", "/network/el/": "el (hoodi execution)"} {
		if _, body := p.get(t, path); !strings.Contains(body, "<title>"+want+" - discv5 bootnode</title>") || strings.Contains(body, `href="/status"`) {
			t.Errorf("%s does not name %s, or links to another network", path, want)
		}
	}
	if code, body := p.get(t, "/networks?x=1"); code != 400 || !strings.Contains(body, "no parameters") {
		t.Errorf("a parameter of /networks: %d %s", code, body)
	}

	// A reload bans the peer of one network.
	rewrite := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.Cmd.Process.Signal(syscall.SIGHUP)
	}
	bans := write(t, one.record.ID().String()+"\n", 0o600)
	text, err := os.ReadFile(groupFile(t, dir, fmt.Sprintf("ban-file = %q", bans), ""))
	if err != nil {
		t.Fatal(err)
	}
	rewrite(string(text))
	eventually(t, "ban", func() bool {
		return p.metric(t, `discv5_banned_entries{network="cl"}`) == 1 && p.metric(t, `discv5_table_nodes{network="cl"}`) == 0
	})
	if n := p.metric(t, `discv5_banned_entries{network="el"}`); n != 0 {
		t.Errorf("%v bans in the other network", n)
	}
	if n := p.metric(t, `discv5_table_live_nodes{network="el"}`); n != 1 {
		t.Errorf("%v nodes in the other network", n)
	}
	rewrite(string(text) + "\nsockets = -5\n")
	eventually(t, "failed reload", func() bool { return p.metric(t, `discv5_last_reload_successful{network="el"}`) == 0 })
	if n := p.metric(t, `discv5_banned_entries{network="cl"}`); n != 1 {
		t.Error("a mistake changes something")
	}
	rewrite(strings.Replace(string(text), `"el"`, `"other"`, 1))
	eventually(t, "missing network", func() bool { return strings.Contains(p.Log.String(), "network el is gone") })
	rewrite(string(text) + "[[network]]\nname = \"third\"\naddr = [\"127.0.0.1:0\"]\n")
	eventually(t, "new network", func() bool { return strings.Contains(p.Log.String(), "more networks") })
	for _, o := range []*process{one, two} {
		o.stop(t)
	}
	if code := p.End(t, syscall.SIGTERM); code != cli.ExitOK {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(p.Log.String(), "msg=stopped"); n != 2 {
		t.Errorf("%d networks stopped", n)
	}
	// The identities stay.
	q, again := startGroup(t, groupFile(t, dir, "", ""), 2)
	if again[0].ID() != cl.ID() || again[1].ID() != el.ID() {
		t.Error("other identities after a restart")
	}
	q.End(t, syscall.SIGTERM)
}

// TestNetworkFails: a network that cannot start ends the process with an error that names it.
func TestNetworkFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "el"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "el", "nodekey"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command("--config", groupFile(t, dir, "", "")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "network el") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNetworkSettings(t *testing.T) {
	dir := t.TempDir()
	o := mustLoad(t, []string{"--config", groupFile(t, dir, `datadir = "/elsewhere"`, "max-sessions = 9"), "--max-sessions", "7", "--http", "127.0.0.1:1"}, nil)
	if len(o.networkList) != 2 {
		t.Fatalf("%d networks", len(o.networkList))
	}
	cl, el := o.networkList[0], o.networkList[1]
	if cl.dataDir != "/elsewhere" || el.dataDir != filepath.Join(dir, "el") || cl.sessions != 7 || el.sessions != 9 || el.http != "" || o.http == "" {
		t.Errorf("%s, %s, %d, %d, %q", cl.dataDir, el.dataDir, cl.sessions, el.sessions, el.http)
	}
	if s := printConfig(o); !strings.Contains(s, "[[network]]\nname = \"el\"\n") || !strings.Contains(s, "layer = \"execution\"") {
		t.Error(s)
	}
	two := "[[network]]\nname = \"a\"\naddr = [\":1\"]\n[[network]]\nname = \"b\"\naddr = [\":2\"]\n"
	mustLoad(t, []string{"--config", write(t, two, 0o600)}, nil)
	for name, text := range map[string]string{
		"interfaces of their own": strings.NewReplacer(`[":1"]`, "[\":1\"]\nxdp = [\"eth0\"]", `[":2"]`, "[\":2\"]\nxdp = [\"eth1\"]").Replace(two),
		"another filter":          strings.NewReplacer(`[":1"]`, "[\":1\"]\nxdp = [\"eth0\"]\nfilter = \"xdp\"", `[":2"]`, "[\":2\"]\nfilter = \"tc\"").Replace(two),
		"a filter elsewhere":      strings.NewReplacer(`[":1"]`, "[\":1\"]\nxdp = [\"eth0\"]", `[":2"]`, "[\":2\"]\nfilter = \"xdp\"\nfilter-interface = [\"eth1\"]").Replace(two),
		"two filters":             strings.NewReplacer(`[":1"]`, "[\":1\"]\nfilter = \"xdp\"", `[":2"]`, "[\":2\"]\nfilter = \"auto\"").Replace(two),
	} {
		t.Run(name, func(t *testing.T) { mustLoad(t, []string{"--config", write(t, text, 0o600)}, nil) })
	}
	t.Run("printed", func(t *testing.T) {
		env := []string{"DISCV5_NETWORK=hoodi", "DISCV5_MAX_SESSIONS=7"}
		text := printConfig(mustLoad(t, []string{"--config", write(t, two, 0o600)}, env))
		o := mustLoad(t, []string{"--config", write(t, text, 0o600)}, nil)
		for i, name := range []string{"a", "b"} {
			if n := o.networkList[i]; n.name != name || n.net.chain == nil || n.net.chain.Name() != "hoodi" || n.sessions != 7 {
				t.Errorf("network %s of %s", n.name, text)
			}
		}
	})
	t.Run("setting that all networks override", func(t *testing.T) {
		text := strings.NewReplacer(`[":1"]`, "[\":1\"]\nnetwork = \"hoodi\"", `[":2"]`, "[\":2\"]\nnetwork = \"sepolia\"").Replace(two)
		mustLoad(t, []string{"--config", write(t, text, 0o600)}, []string{"DISCV5_SERVE=network"})
	})
	for name, c := range map[string]struct{ old, new, want string }{
		"no name":        {"name = \"a\"\n", "", "without a name"},
		"bad name":       {`"a"`, `"a/b"`, "name: want"},
		"same name":      {`"b"`, `"a"`, "second network a"},
		"unknown key":    {`addr = [":1"]`, `adr = [":1"]`, "did you mean addr?"},
		"of the process": {`addr = [":1"]`, `http = "127.0.0.1:1"`, "whole process"},
		"same port":      {`":2"`, `"127.0.0.1:1"`, "both listen on port 1, at 0.0.0.0:1 and 127.0.0.1:1"},
		"same directory": {`addr = [":1"]`, "addr = [\":1\"]\ndatadir = \"/x\"\n[[network]]\nname = \"c\"\naddr = [\":3\"]\ndatadir = \"/x/\"", "same data directory"},
		"same key":       {`addr = [":1"]`, "addr = [\":1\"]\nnodekey = \"/x\"\n[[network]]\nname = \"c\"\naddr = [\":3\"]\nnodekey = \"/x\"", "same private key"},
		"same interface": {`addr = [":1"]`, "addr = [\":1\"]\nxdp = [\"lo\"]\n[[network]]\nname = \"c\"\naddr = [\":3\"]\nxdp = [\"lo=generic\"]", "both receive from lo"},
		"filter of all":  {`addr = [":1"]`, "addr = [\":1\"]\nxdp = [\"lo\"]\n[[network]]\nname = \"c\"\naddr = [\":3\"]\nfilter = \"auto\"", `network c filters in mode auto`},
		"filter of it":   {`addr = [":1"]`, "addr = [\":1\"]\nfilter = \"xdp\"\nfilter-interface = [\"lo\"]\n[[network]]\nname = \"c\"\naddr = [\":3\"]\nxdp = [\"lo\"]", `set filter = "tc"`},
		"bad value":      {`addr = [":1"]`, "addr = [\":1\"]\nserve = \"network\"", "network a:"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(two, c.old, c.new, 1)
			file := write(t, text, 0o600)
			if _, err := load([]string{"--config", file}, nil); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file+":") {
				t.Errorf("%v, want %q and a line of the file", err, c.want)
			}
		})
	}
}
