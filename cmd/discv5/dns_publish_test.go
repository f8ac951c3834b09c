package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastdisc/discv5/dnsdisc"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/proctest"
)

const (
	publishDomain = "nodes.example.org"
	publishKey    = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"
	otherKey      = "66fb62bfbd66b9177a138c1e5cddbe4f7c30c343e94e68df8769459cb1cde628"
)

var tsigSecret = base64.StdEncoding.EncodeToString([]byte("a secret of the test, 32 bytes.."))

// startKnot runs the name server Knot with a zone on loopback, and returns its address. It skips
// the test if Knot is not installed.
func startKnot(t *testing.T, zone string) (server string) {
	t.Helper()
	path, err := exec.LookPath("knotd")
	if err != nil {
		t.Skip("probed for knotd: it is not installed (apt-get install knot)")
	}
	dir := t.TempDir()
	// On an address of its own, where no other program takes the port.
	server = fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(256), 2+rand.N(250))
	l, err := net.Listen("tcp", server+":0")
	if err != nil {
		t.Skipf("probed for further addresses of loopback: %v", err)
	}
	l.Close()
	const port = 5300
	config := fmt.Sprintf(`
server:
    rundir: "%[1]s"
    listen: %[5]s@%[2]d
database:
    storage: "%[1]s"
key:
  - id: test
    algorithm: hmac-sha256
    secret: %[3]s
acl:
  - id: update
    key: test
    action: update
zone:
  - domain: %[4]s
    storage: "%[1]s"
    file: zone
    acl: update
`, dir, port, tsigSecret, publishDomain, server)
	for name, text := range map[string]string{"knot.conf": config, "zone": zone} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	proctest.Start(t, exec.Command(path, "-c", filepath.Join(dir, "knot.conf")), proctest.Options{})
	server = fmt.Sprintf("%s:%d", server, port)
	u := &updater{server: server, zone: publishDomain + ".", domain: publishDomain, timeout: time.Second}
	until(t, "knotd answers", func() bool {
		_, err := u.texts(context.Background(), publishDomain)
		return err == nil
	})
	return server
}

// recordList returns a file with records of nodes.
func recordList(t testing.TB, seeds ...byte) string {
	t.Helper()
	var nodes []setNode
	for _, s := range seeds {
		nodes = append(nodes, setNode{seed: s, seq: 1, ip: fmt.Sprintf("192.0.2.%d", s), score: 1})
	}
	path, _ := setFile(t, nodes...)
	return "@" + path
}

func seeds(from, to int) (list []byte) {
	for i := from; i <= to; i++ {
		list = append(list, byte(i))
	}
	return list
}

// TestPublishToKnot publishes a list as a zone file and then by updates, and reads it like a
// client.
func TestPublishToKnot(t *testing.T) {
	t.Parallel()
	zone := file(t, "zone", "")
	o := objects(t, "dns", "publish", recordList(t, seeds(1, 40)...), "--key", publishKey, "--domain", publishDomain, "--seq", "5", "--zone-file", zone, "--ns", "ns.example.org")[0]
	if o["nodes"] != 40.0 || o["seq"] != 5.0 {
		t.Errorf("zone file: %v", o)
	}
	text, err := os.ReadFile(zone)
	if err != nil {
		t.Fatal(err)
	}
	server := startKnot(t, string(text))
	url := o["url"].(string)
	check := func(seq, nodes float64) {
		t.Helper()
		list := objects(t, "dns", "check", url, "--dns", server, "--rate", "10000")
		tree, summary := list[0], list[len(list)-1]
		if tree["seq"] != seq || summary["nodes"] != nodes || summary["problems"] != 0.0 {
			t.Errorf("%v %v, want sequence number %v, %v nodes", tree, summary, seq, nodes)
		}
	}
	check(5, 40)

	tsig := file(t, "tsig", "hmac-sha256:test:"+tsigSecret+"\n")
	publish := func(seeds []byte, args ...string) map[string]any {
		t.Helper()
		return objects(t, append([]string{"dns", "publish", recordList(t, seeds...), "--key", publishKey, "--domain", publishDomain, "--server", server, "--tsig", tsig}, args...)...)[0]
	}
	if o := publish(seeds(11, 60), "--dry-run"); o["seq"] != 6.0 || o["dryRun"] != true {
		t.Errorf("dry run: %v", o)
	}
	check(5, 40)
	before := texts(t, server)
	if o := publish(seeds(11, 60)); o["seq"] != 6.0 || o["added"].(float64) < 20 || o["removed"].(float64) < 10 {
		t.Errorf("update: %v", o)
	}
	check(6, 50)
	if o := publish(seeds(11, 60)); o["unchanged"] != true || o["seq"] != 6.0 {
		t.Errorf("the same nodes: %v", o)
	}
	// Nothing of the old list is left: one branch level and 50 records, two subtrees and the root.
	if n := texts(t, server); n > before+15 || n < 50 {
		t.Errorf("%d texts after the update, %d before", n, before)
	}
	if o := publish(nil, "--seq", "100"); o["seq"] != 100.0 || o["nodes"] != 0.0 {
		t.Errorf("an empty list: %v", o)
	}
	if n := texts(t, server); n > 3 {
		t.Errorf("%d texts of an empty list", n)
	}
	publish(seeds(1, 200)) // several messages
	check(101, 200)

	for name, c := range map[string]struct {
		args []string
		want string
		code int
	}{
		"no key":              {[]string{"--key", publishKey}, "does not allow this", cli.ExitFailed},
		"wrong secret":        {[]string{"--key", publishKey, "--tsig", file(t, "tsig", "hmac-sha256:test:"+base64.StdEncoding.EncodeToString([]byte("another secret")))}, "TSIG", cli.ExitFailed},
		"unknown key":         {[]string{"--key", publishKey, "--tsig", file(t, "tsig", "hmac-sha256:nobody:"+tsigSecret)}, "TSIG", cli.ExitFailed},
		"list of another key": {[]string{"--key", otherKey, "--tsig", tsig}, "list of another key", cli.ExitFailed},
		"old number":          {[]string{"--key", publishKey, "--tsig", tsig, "--seq", "101"}, "not higher", cli.ExitUsage},
		"another zone":        {[]string{"--key", publishKey, "--tsig", tsig, "--zone", "org"}, "name server", cli.ExitFailed},
	} {
		r := try(t, append([]string{"dns", "publish", recordList(t, 9), "--domain", publishDomain, "--server", server}, c.args...)...)
		if r.code != c.code || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: exit code %d, %s; want %q", name, r.code, r.err, c.want)
		}
	}
	check(101, 200)

	// Somebody else changes the root between reading and writing.
	key, err := readTSIG(tsig)
	if err != nil {
		t.Fatal(err)
	}
	u := &updater{server: server, zone: publishDomain + ".", domain: publishDomain, timeout: 10 * time.Second, tsig: key}
	err = u.apply(context.Background(), []string{"another root"}, map[string]string{"": "x"}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("a root that has changed: %v", err)
	}
	check(101, 200)
	// --replace takes the domain over.
	r := try(t, "dns", "publish", recordList(t, 9), "--key", otherKey, "--domain", publishDomain, "--server", server, "--tsig", tsig, "--replace")
	if r.code != cli.ExitOK {
		t.Errorf("--replace: %s", r.err)
	}
}

// texts returns how many texts the published list has.
func texts(t *testing.T, server string) int {
	t.Helper()
	u := &updater{server: server, zone: publishDomain + ".", domain: publishDomain, timeout: 10 * time.Second}
	roots, err := u.texts(context.Background(), publishDomain)
	if err != nil || len(roots) != 1 {
		t.Fatalf("%q, %v", roots, err)
	}
	root, err := dnsdisc.ParseRoot(roots[0])
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	if err := u.collect(context.Background(), root, list); err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestReadTSIG(t *testing.T) {
	want := tsigKey{"test.", "hmac-sha256.", tsigSecret}
	for name, text := range map[string]string{
		"line": "hmac-sha256:test:" + tsigSecret + "\n",
		"BIND": "key \"test\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + tsigSecret + "\";\n};\n",
		"Knot": "# hmac-sha256:test:" + tsigSecret + "\nkey:\n- id: test\n  algorithm: hmac-sha256\n  secret: " + tsigSecret + "\n",
	} {
		if k, err := readTSIG(file(t, "tsig", text)); err != nil || *k != want {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "no name": "hmac-sha256::" + tsigSecret, "unknown algorithm": "md4:test:" + tsigSecret, "no base64": "hmac-sha256:test:?", "no secret": "hmac-sha256:test:",
	} {
		if _, err := readTSIG(file(t, "tsig", text)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), tsigSecret) {
			t.Errorf("%s: the error shows the secret", name)
		}
	}
}

func TestPublishUsage(t *testing.T) {
	t.Parallel()
	list := recordList(t, 1)
	for args, want := range map[string]string{
		"":                         "--key is missing",
		"--key KEY":                "--domain is missing",
		"--key KEY --domain a.org": "either --zone-file or --server",
		"--key KEY --domain a.org --zone-file x --server 127.0.0.1:53":            "either",
		"--key KEY --domain a.org --zone-file x":                                  "--seq is missing",
		"--key KEY --domain a.org --zone-file x --seq 1 --tsig y":                 "need --server",
		"--key KEY --domain a.org --server 127.0.0.1":                             "HOST:PORT",
		"--key KEY --domain a.org --server 127.0.0.1:53 --zone b.org":             "is not in --zone",
		"--key KEY --domain a.org --server 127.0.0.1:53 --ns ns.a.org":            "--ns needs --zone-file",
		"--key KEY --domain a.org --server 127.0.0.1:53 --tsig /nowhere":          "--tsig",
		"--key KEY --domain a..org --zone-file x --seq 1":                         "--domain",
		"--key KEY --domain a.org --zone-file x --seq 1 --link enrtree://x@y.org": "--link 1",
	} {
		r := try(t, append([]string{"dns", "publish", list}, strings.Fields(strings.ReplaceAll(args, "KEY", publishKey))...)...)
		if r.code != cli.ExitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit code %d, %s; want %q", args, r.code, r.err, want)
		}
	}
}
