package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/dnstest"
)

// files is a directory of files that the test rewrites.
type files struct {
	t   *testing.T
	dir string
}

func (f files) path(name string) string { return filepath.Join(f.dir, name) }

func (f files) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// hangUp sends SIGHUP and waits until the log has one more line with text.
func (p *process) hangUp(t *testing.T, text string) string {
	t.Helper()
	before := p.Log.String()
	if err := p.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	fresh := ""
	eventually(t, "line with "+text, func() bool {
		fresh = strings.TrimPrefix(p.Log.String(), before)
		return strings.Contains(fresh, text)
	})
	return fresh
}

// SIGHUP applies new bootnodes, bans, networks and a new log level. After a mistake in any file,
// nothing changes.
func TestReload(t *testing.T) {
	t.Parallel()
	f := files{t, t.TempDir()}
	a := start(t, t.TempDir())
	f.write("nodes", "# none yet\n")
	f.write("bans", "")
	f.write("config.toml", "bootnodes-file = \""+f.path("nodes")+"\"\nban-file = \""+f.path("bans")+"\"\n")
	p := start(t, t.TempDir(), "--config", f.path("config.toml"), "--http", anyPort)
	const good, bad = "settings were reloaded", "the old ones stay in force"

	f.write("nodes", a.record.String()+" # the other one\n")
	if line := p.hangUp(t, good); !strings.Contains(line, "bootnodes=1 bans=0") || strings.Contains(line, "after_restart") {
		t.Errorf("log %q", line)
	}
	eventually(t, "new bootnode in the table", func() bool { return p.metric(t, "discv5_table_live_nodes") == 1 })

	f.write("bans", a.record.ID().String()+" 1h\n")
	p.hangUp(t, good)
	eventually(t, "banned node out of the table", func() bool { return p.metric(t, "discv5_table_nodes") == 0 })
	if n := p.metric(t, "discv5_banned_entries"); n != 1 {
		t.Errorf("%v bans", n)
	}

	// One mistake in each kind of file.
	for name, c := range map[string]struct{ text, want string }{
		"bans":        {"192.0.2.1\nnobody\n", f.path("bans") + ":2: "},
		"nodes":       {"\nenr:AAAA\n", f.path("nodes") + ":2: "},
		"config.toml": {"sockets = 1\nbanfile = \"x\"\n", f.path("config.toml") + ":2: "},
	} {
		was, err := os.ReadFile(f.path(name))
		if err != nil {
			t.Fatal(err)
		}
		f.write(name, c.text)
		if line := p.hangUp(t, bad); !strings.Contains(line, c.want) || strings.Count(line, bad) != 1 {
			t.Errorf("%s: log %q, want %q", name, line, c.want)
		}
		f.write(name, string(was))
		if p.metric(t, "discv5_last_reload_successful") != 0 || p.metric(t, "discv5_banned_entries") != 1 {
			t.Errorf("%s: a bad file changed something", name)
		}
		p.hangUp(t, good)
	}
	eventually(t, "success in the metrics", func() bool { return p.metric(t, "discv5_last_reload_successful") == 1 })
	if n := p.metric(t, `discv5_reloads_total{result="failed"}`); n != 3 {
		t.Errorf("%v failed reloads counted", n)
	}

	// The ban ends, the networks and the log level change, and the log names the settings that need
	// a restart.
	f.write("bans", "")
	f.write("config.toml", "bootnodes-file = \""+f.path("nodes")+"\"\nnetrestrict = \"127.0.0.0/8\"\nlog-level = \"debug\"\nmax-sessions = 1000\n")
	if line := p.hangUp(t, good); !strings.Contains(line, "netrestrict=1") || !strings.Contains(line, "after_restart=max-sessions") {
		t.Errorf("log %q", line)
	}
	eventually(t, "node in the table after its ban", func() bool { return p.metric(t, "discv5_table_live_nodes") == 1 })
	eventually(t, "debug line", func() bool { return strings.Contains(p.Log.String(), " level=DEBUG ") })
	f.write("config.toml", "netrestrict = \"198.18.0.0/15\"\n")
	p.hangUp(t, good)
	eventually(t, "node of another network out of the table", func() bool { return p.metric(t, "discv5_table_nodes") == 0 })
	p.stop(t)
}

// Bans and networks apply to the first datagram already.
func TestBansAtStart(t *testing.T) {
	t.Parallel()
	a := start(t, t.TempDir(), "--http", anyPort)
	p := start(t, t.TempDir(), "--ban-file", write(t, a.record.ID().String(), 0o600), "--bootnodes", a.record.String(), "--http", anyPort)
	q := start(t, t.TempDir(), "--netrestrict", "198.18.0.0/15", "--bootnodes", a.record.String(), "--http", anyPort)
	r := start(t, t.TempDir(), "--netrestrict", "198.18.0.0/15,127.0.0.1", "--bootnodes", a.record.String(), "--http", anyPort)
	eventually(t, "node that is allowed", func() bool { return r.metric(t, "discv5_table_live_nodes") == 1 })
	if p.metric(t, "discv5_table_nodes")+q.metric(t, "discv5_table_nodes") != 0 {
		t.Error("a node that is not allowed is in the table")
	}
	for _, x := range []*process{a, p, q, r} {
		x.stop(t)
	}
}

// The bootnode resolves lists and host names after the start, and retries those that fail.
func TestBootnodesFromDNS(t *testing.T) {
	t.Parallel()
	dns := dnstest.Start(t)
	a, b := start(t, t.TempDir()), start(t, t.TempDir())
	key, err := enr.ParsePrivateKeyHex(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	link, err := dnsdisc.LinkOf(key, "nodes.example.org")
	if err != nil {
		t.Fatal(err)
	}
	texts, err := dnsdisc.Make([]*enr.Record{a.record}, nil, key, 1)
	if err != nil {
		t.Fatal(err)
	}
	dns.Tree(link.Domain, texts)
	e, _ := b.record.Enode()
	byName := strings.Replace(e.String(), "@127.0.0.1:", "@boot.example.org:", 1)
	file := write(t, link.String()+"\n"+byName+"\n", 0o600)
	p := startWith(t, t.TempDir(), []string{dnsEnv + "=" + dns.Addr()}, "--bootnodes-file", file, "--http", anyPort)
	eventually(t, "node of the list", func() bool { return p.metric(t, "discv5_table_live_nodes") >= 1 })
	eventually(t, "failure in the log", func() bool { return strings.Contains(p.Log.String(), file+":2") })
	dns.Host("boot.example.org", netip.MustParseAddr("127.0.0.1"))
	p.hangUp(t, "settings were reloaded") // queries DNS immediately, although nothing has changed
	eventually(t, "both nodes", func() bool { return p.metric(t, "discv5_table_live_nodes") == 2 })
	p.stop(t)
}
